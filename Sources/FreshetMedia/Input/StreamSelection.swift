import CFFmpeg
import FreshetCore

/// Which streams of an input to take: `all`, or FFmpeg's stream specifiers joined by "," (`v:0,a:1`,
/// `a:m:language:eng`). Nothing said takes everything that is not a cover picture or a font.
struct StreamSelection {
    private let specifiers: [String]

    /// A selection from its text; "" and "all" take everything.
    init(_ text: String) {
        specifiers = text == "all" ? [] : text.split(separator: ",").map(String.init)
    }

    /// The numbers of the streams of `context` that are selected, in rising order.
    func streams(
        _ ffmpeg: FFmpeg, of context: UnsafeMutablePointer<AVFormatContext>, name: String
    ) throws(StageError) -> [Int] {
        let count = Int(context.pointee.nb_streams)
        if specifiers.isEmpty {
            return (0..<count).filter { StreamSelection.isMedia(context.pointee.streams[$0]) }
        }
        var isSelected = [Bool](repeating: false, count: count)
        for specifier in specifiers {
            var hasMatch = false
            for index in 0..<count {
                let match = ffmpeg.calls.avformat_match_stream_specifier(
                    context, context.pointee.streams[index], specifier)
                if match < 0 {
                    throw .usage("streams: '\(specifier)' is not a stream specifier such as v:0, a:1 or s")
                }
                if match > 0 {
                    isSelected[index] = true
                    hasMatch = true
                }
            }
            if !hasMatch { throw .failure("\(name) has no stream '\(specifier)'; it has \(count) streams") }
        }
        return (0..<count).filter { isSelected[$0] }
    }

    private static func isMedia(_ stream: UnsafeMutablePointer<AVStream>?) -> Bool {
        guard let stream else { return false }
        if stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 { return false }
        switch stream.pointee.codecpar.pointee.codec_type {
        case AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_SUBTITLE, AVMEDIA_TYPE_DATA: return true
        default: return false
        }
    }
}
