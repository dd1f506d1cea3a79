import CFFmpeg
import FreshetCore

/// One elementary stream of a medium: how it is coded and what is known about it.
struct MediaTrack {
    /// FFmpeg's codec parameters; owned by the ``MediaFormat``.
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    /// The unit of the track's timestamps.
    let timeBase: AVRational
    /// Frames a second, where known; 0/1 where not.
    let frameRate: AVRational
    /// AV_DISPOSITION_… bits (default, forced, …).
    let disposition: Int32
    /// Language, title and the like.
    let metadata: [(name: String, value: String)]
    /// The stream's number in its container (the PID in a transport stream), which a copy may keep.
    let identifier: Int32

    /// When its first frame is shown, in microseconds of the medium's clock, where that is known.
    let startMicroseconds: Int64?

    /// The decoder's configuration of an AAC track whose frames carry it in a header each (ADTS); empty for
    /// any other.
    var frameHeaderConfiguration: [UInt8] = []

    /// How long a frame of sound is, in microseconds; 0 where unknown, or not sound.
    var frameMicroseconds: Int64 {
        guard parameters.pointee.sample_rate > 0 else { return 0 }
        return Int64(parameters.pointee.frame_size) * 1_000_000 / Int64(parameters.pointee.sample_rate)
    }
    /// Video, audio, subtitle or data.
    var kind: AVMediaType { parameters.pointee.codec_type }
    /// The codec.
    var codec: AVCodecID { parameters.pointee.codec_id }
    /// False for a stream that is announced and has not come: nothing is known of it but its codec.
    var isKnown: Bool {
        switch kind {
        case AVMEDIA_TYPE_VIDEO: parameters.pointee.width > 0
        case AVMEDIA_TYPE_AUDIO: parameters.pointee.sample_rate > 0
        default: true
        }
    }
    /// True for a still picture that belongs to the file (cover art), not a stream.
    var isAttachedPicture: Bool { disposition & AV_DISPOSITION_ATTACHED_PIC != 0 }

    /// "video", "audio", "subtitle", "data" or "attachment".
    var kindName: String {
        switch kind {
        case AVMEDIA_TYPE_VIDEO: "video"
        case AVMEDIA_TYPE_AUDIO: "audio"
        case AVMEDIA_TYPE_SUBTITLE: "subtitle"
        case AVMEDIA_TYPE_DATA: "data"
        default: "attachment"
        }
    }
}

/// What a line of samples is made of: travels as the attachment of the line's first packet (`isFormat`), and
/// again when it changes. A sample's AVPacket names its track by `stream_index` and counts time in that
/// track's `timeBase`.
final class MediaFormat: @unchecked Sendable {
    // Safe to share: nothing is written after the demuxer has made it.
    /// The tracks, in the order that samples number them.
    private(set) var tracks: [MediaTrack]
    /// The medium's own metadata (title, service_name, …).
    let metadata: [(name: String, value: String)]
    /// True when the container's clock may jump in the middle (transport streams).
    let mayJump: Bool
    /// When the first frame of any track is shown, in microseconds of the medium's clock.
    let startMicroseconds: Int64
    private let ffmpeg: FFmpeg

    /// A copy of the streams of `context` whose numbers are `selected`.
    init(
        _ ffmpeg: FFmpeg, _ context: UnsafeMutablePointer<AVFormatContext>, selected: [Int]
    ) throws(StageError) {
        self.ffmpeg = ffmpeg
        var tracks: [MediaTrack] = []
        for index in selected {
            guard let stream = context.pointee.streams[index],
                let parameters = ffmpeg.calls.avcodec_parameters_alloc(),
                ffmpeg.calls.avcodec_parameters_copy(parameters, stream.pointee.codecpar) >= 0
            else { throw .failure("out of memory for the description of a stream") }
            tracks.append(
                MediaTrack(
                    parameters: parameters, timeBase: stream.pointee.time_base,
                    frameRate: stream.pointee.avg_frame_rate, disposition: stream.pointee.disposition,
                    metadata: MediaFormat.entries(ffmpeg, stream.pointee.metadata),
                    identifier: stream.pointee.id, startMicroseconds: MediaFormat.start(ffmpeg, stream)))
        }
        self.tracks = tracks
        let start = context.pointee.start_time
        startMicroseconds = start == unknownTimestamp ? 0 : start
        mayJump = context.pointee.iformat.pointee.flags & AVFMT_TS_DISCONT != 0
        metadata = MediaFormat.entries(ffmpeg, context.pointee.metadata)
    }

    deinit {
        for track in tracks {
            var parameters: UnsafeMutablePointer<AVCodecParameters>? = track.parameters
            ffmpeg.calls.avcodec_parameters_free(&parameters)
        }
    }

    /// Notes that the frames of AAC track number `index` carry `configuration`.
    func setFrameHeaderConfiguration(_ configuration: [UInt8], ofTrack index: Int) {
        tracks[index].frameHeaderConfiguration = configuration
    }

    private static func start(_ ffmpeg: FFmpeg, _ stream: UnsafeMutablePointer<AVStream>) -> Int64? {
        let start = stream.pointee.start_time
        return start == unknownTimestamp
            ? nil : ffmpeg.calls.av_rescale_q(start, stream.pointee.time_base, .microseconds)
    }

    /// When the first picture is shown, where sound begins before it by no more than a frame: that frame is an
    /// encoder's priming, which a transport stream cannot mark as such. Otherwise ``startMicroseconds``.
    var pictureMicroseconds: Int64 {
        let pictures = tracks.filter { $0.kind == AVMEDIA_TYPE_VIDEO && !$0.isAttachedPicture }
        guard let picture = pictures.compactMap(\.startMicroseconds).min(), picture > startMicroseconds else {
            return startMicroseconds
        }
        let isPriming = tracks.allSatisfy { track in
            let lead = picture - (track.startMicroseconds ?? picture)
            return lead <= 0 || (track.codec == AV_CODEC_ID_AAC && lead <= track.frameMicroseconds + 100)
        }
        return isPriming ? picture : startMicroseconds
    }

    private static func entries(_ ffmpeg: FFmpeg, _ dictionary: OpaquePointer?) -> [(
        name: String, value: String
    )] {
        var entries: [(name: String, value: String)] = []
        var entry: UnsafeMutablePointer<AVDictionaryEntry>?
        while true {
            entry = ffmpeg.calls.av_dict_get(dictionary, "", entry, AV_DICT_IGNORE_SUFFIX)
            guard let found = entry else { return entries }
            entries.append((String(cString: found.pointee.key), String(cString: found.pointee.value)))
        }
    }

    // MARK: - In packets

    /// Hands the format to `packet` and marks it as one.
    func attach(to packet: inout Packet) {
        packet.info.flags.insert(.isFormat)
        packet.unsafeAttach(Unmanaged.passRetained(self).toOpaque()) {
            Unmanaged<MediaFormat>.fromOpaque($0).release()
        }
    }

    /// The format that `packet` carries; `nil` when it carries none.
    static func attached(to packet: borrowing Packet) -> MediaFormat? {
        guard packet.info.flags.contains(.isFormat), let attachment = packet.unsafeAttachment else {
            return nil
        }
        return Unmanaged<MediaFormat>.fromOpaque(attachment).takeUnretainedValue()
    }
}

/// A coded frame owned by this value: one AVPacket.
struct Sample: ~Copyable {
    /// FFmpeg's packet.
    let packet: UnsafeMutablePointer<AVPacket>

    /// Takes over `packet`.
    init(owning packet: UnsafeMutablePointer<AVPacket>) { self.packet = packet }

    deinit { cffmpeg_release_packet(packet) }

    /// Hands the frame to `ticket`, which frees it with its last copy.
    consuming func attach(to ticket: inout Packet) {
        ticket.unsafeAttach(packet) { cffmpeg_release_packet($0) }
        discard self
    }

    /// Takes the frame that `ticket` carries, or a second reference to it where the ticket is shared; `nil`
    /// when it carries none.
    static func take(from ticket: inout Packet, _ ffmpeg: FFmpeg) -> Sample? {
        if ticket.info.flags.contains(.isFormat) { return nil }
        if let (attachment, _) = ticket.unsafeDetach() {
            return Sample(owning: attachment.assumingMemoryBound(to: AVPacket.self))
        }
        guard let attachment = ticket.unsafeAttachment,
            let copy = ffmpeg.calls.av_packet_clone(attachment.assumingMemoryBound(to: AVPacket.self))
        else { return nil }
        return Sample(owning: copy)
    }
}
