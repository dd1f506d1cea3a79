import CFFmpeg
import FreshetCore

/// FFmpeg's functions, under their own names, once its libraries are loaded. A copy is one pointer.
///
/// Loading takes some 50 ms and 20 MB, so it happens when media must first be opened that is not a plain
/// transport stream, not at start.
struct FFmpeg: @unchecked Sendable {
    // Safe to share: the table is filled once, under a lock, and never changed or freed.
    private let table: UnsafePointer<cffmpeg_functions>

    /// Loads the libraries at the first call; tells which one is missing.
    static func load() throws(StageError) -> FFmpeg {
        var message = [CChar](repeating: 0, count: 512)
        guard let table = cffmpeg_load(&message, message.count) else {
            throw .failure(text(message))
        }
        return FFmpeg(table: table)
    }

    /// The functions.
    var calls: cffmpeg_functions {
        unsafeAddress { table }
    }

    /// FFmpeg's own words for an error code, with what it logged about it.
    func explain(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        cffmpeg_take_log(&buffer, buffer.count)
        let logged = FFmpeg.text(buffer)
        _ = calls.av_strerror(code, &buffer, buffer.count)
        let words = FFmpeg.text(buffer)
        return logged.isEmpty || logged == words ? words : "\(words): \(logged)"
    }

    /// Forgets what was logged before, so that ``explain(_:)`` tells only of calls made after.
    func forgetLog() {
        var buffer: CChar = 0
        cffmpeg_take_log(&buffer, 1)
    }

    /// The codec's short name.
    func codecName(_ id: AVCodecID) -> String {
        calls.avcodec_get_name(id).map { String(cString: $0) } ?? "unknown"
    }

    /// A C string in a buffer as text.
    static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A timestamp that is not known (FFmpeg's AV_NOPTS_VALUE).
let unknownTimestamp = Int64.min

extension AVRational {
    /// Ticks of 27 MHz.
    static var ticks27M: AVRational { AVRational(num: 1, den: 27_000_000) }
    /// Microseconds, FFmpeg's own base.
    static var microseconds: AVRational { AVRational(num: 1, den: 1_000_000) }
}

/// An FFmpeg dictionary of options; freed with this value.
struct OptionDictionary: ~Copyable {
    private let ffmpeg: FFmpeg
    /// The dictionary, for calls that take its address and replace it.
    var pointer: OpaquePointer?

    /// A dictionary with `options`.
    init(_ ffmpeg: FFmpeg, _ options: [(name: String, value: String)] = []) {
        self.ffmpeg = ffmpeg
        for (name, value) in options { set(name, value) }
    }

    deinit {
        var pointer = pointer
        ffmpeg.calls.av_dict_free(&pointer)
    }

    /// Sets one option.
    mutating func set(_ name: String, _ value: String) {
        _ = ffmpeg.calls.av_dict_set(&pointer, name, value, 0)
    }
}
