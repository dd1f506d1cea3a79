import CFFmpeg
import FreshetCore

/// Takes a container apart into coded frames, by libavformat.
struct Demuxer: ~Copyable {
    /// What to open and how.
    struct Options {
        /// What FFmpeg opens: a path or a URL; a name only, for error messages, where `bytes` are given.
        var url: String
        /// The container or device format, where it must not be guessed.
        var formatName: String?
        /// Options for the protocol and the container.
        var settings: [(name: String, value: String)] = []
        /// Which streams.
        var selection = StreamSelection("")
        /// How long one call may wait for a server; zero is for ever.
        var timeout = Nanoseconds.zero
        /// How much stream to look at for streams that have not begun, in microseconds; `nil` is FFmpeg's
        /// choice.
        var analyzeMicroseconds: Int64?
        /// True for a local file: it never waits, so nothing interrupts it.
        var isLocal = false
    }

    /// The selected streams.
    let format: MediaFormat
    private var context: UnsafeMutablePointer<AVFormatContext>?
    private let ffmpeg: FFmpeg
    private let bridge: InputBridge?
    private let patience: Patience
    private let name: String
    private let trackOfStream: [Int32]
    private var decodeTimes: DecodeTimes
    /// True once a frame was left out because the medium ends, or is damaged, inside it.
    private(set) var isCutShort = false
    /// True once the medium has a stream that it did not have when it was opened: nothing of it is given.
    private(set) var hasLateStream = false
    /// Frames read to learn what they carry, not yet given.
    private var early = FixedRing<Sample>(capacity: 256)

    /// Opens what `options` say; from `bytes` where they are given.
    init(_ ffmpeg: FFmpeg, _ options: Options, bytes: MediaBytes? = nil) throws(StageError) {
        self.ffmpeg = ffmpeg
        name = options.url
        patience = Patience(options.timeout)
        bridge = bytes.map { InputBridge(ffmpeg, $0) }
        var context = ffmpeg.calls.avformat_alloc_context()
        guard let opening = context else { throw .failure("out of memory for an input") }
        opening.pointee.pb = bridge?.context
        if !options.isLocal { opening.pointee.interrupt_callback = patience.callback }
        // Frames that a container leaves without a presentation time get the one their order implies.
        opening.pointee.flags |= AVFMT_FLAG_GENPTS
        if let span = options.analyzeMicroseconds { opening.pointee.max_analyze_duration = span }
        let inputFormat = try Demuxer.inputFormat(ffmpeg, options.formatName)
        var settings = OptionDictionary(ffmpeg, options.settings)
        ffmpeg.forgetLog()
        patience.begin()
        var code = ffmpeg.calls.avformat_open_input(&context, options.url, inputFormat, &settings.pointer)
        if code < 0 {
            throw Demuxer.openFailure(code, ffmpeg, options.url, bridge, patience)
        }
        patience.begin()
        code = ffmpeg.calls.avformat_find_stream_info(context, nil)
        do throws(StageError) {
            guard let opened = context else { throw .failure("cannot open \(options.url)") }
            if code < 0 { throw Demuxer.openFailure(code, ffmpeg, options.url, bridge, patience) }
            try Demuxer.check(ffmpeg, opened, name: options.url)
            let selected = try options.selection.streams(ffmpeg, of: opened, name: options.url)
            if selected.isEmpty {
                throw .failure("\(options.url) has no audio, video, subtitle or data stream")
            }
            var trackOfStream = [Int32](repeating: -1, count: Int(opened.pointee.nb_streams))
            for (track, stream) in selected.enumerated() { trackOfStream[stream] = Int32(track) }
            for (index, track) in trackOfStream.enumerated() where track < 0 {
                opened.pointee.streams[index]?.pointee.discard = AVDISCARD_ALL
            }
            format = try MediaFormat(ffmpeg, opened, selected: selected)
            self.trackOfStream = trackOfStream
            decodeTimes = DecodeTimes(ffmpeg, trackCount: selected.count)
        } catch {
            ffmpeg.calls.avformat_close_input(&context)
            throw error
        }
        self.context = context
        learnFrameHeaders()
    }

    deinit {
        var context = context
        ffmpeg.calls.avformat_close_input(&context)
    }

    /// The next coded frame of a selected stream, its `stream_index` the track's number; `nil` at the end.
    mutating func next() throws(StageError) -> Sample? {
        if let sample = early.popFirst() { return sample }
        return try read()
    }

    /// Looks at the first frame of each AAC track that has no configuration of its own: containers want it in
    /// front. Only of tracks that libavformat has seen frames of: those are in its memory, nothing is waited
    /// for.
    private mutating func learnFrameHeaders() {
        var unknown = format.tracks.indices.filter {
            let parameters = format.tracks[$0].parameters.pointee
            return parameters.codec_id == AV_CODEC_ID_AAC && parameters.extradata_size == 0
                && parameters.sample_rate > 0
        }
        // What fails here fails again, and is told, when it is read for good.
        while !unknown.isEmpty, !early.isFull, let sample = try? read() {
            let track = Int(sample.packet.pointee.stream_index)
            if let place = unknown.firstIndex(of: track) {
                unknown.remove(at: place)
                if let configuration = FrameHeader.configuration(of: sample.packet) {
                    format.setFrameHeaderConfiguration(configuration, ofTrack: track)
                }
            }
            early.append(sample)
        }
    }

    private mutating func read() throws(StageError) -> Sample? {
        guard let context, let packet = ffmpeg.calls.av_packet_alloc() else {
            throw .failure("out of memory for a frame of \(name)")
        }
        let sample = Sample(owning: packet)
        while true {
            patience.begin()
            let code = ffmpeg.calls.av_read_frame(context, packet)
            if code == Int32(CFFMPEG_AGAIN) && !MediaInterrupt.isRequested { continue }
            if code < 0 {
                if let failure = bridge?.failure { throw failure }
                if code == Int32(CFFMPEG_EOF) || MediaInterrupt.isRequested { return nil }
                if code == Int32(CFFMPEG_INVALID_DATA), bridge?.canSeek == false {
                    throw .failure(
                        "\(name) cannot be read in order: its index is at its end, or it is cut short; "
                            + "give the file itself (\(ffmpeg.explain(code)))")
                }
                throw .failure("\(name) broke off: \(patience.explain(code, ffmpeg))")
            }
            let stream = Int(packet.pointee.stream_index)
            // Streams may appear while reading; those were not selected and have no track.
            // A frame that the file ends in the middle of. (In a transport stream the mark means a lost packet: the
            // frame is given as it came.)
            if packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0, !format.mayJump {
                isCutShort = true
                ffmpeg.calls.av_packet_unref(packet)
                continue
            }
            if stream < trackOfStream.count, trackOfStream[stream] >= 0, packet.pointee.size > 0 {
                if ffmpeg.calls.av_packet_get_side_data(packet, AV_PKT_DATA_ENCRYPTION_INFO, nil) != nil {
                    throw .failure("\(name) is encrypted; decrypt it first")
                }
                let track = Int(trackOfStream[stream])
                packet.pointee.stream_index = Int32(track)
                decodeTimes.complete(packet, track, format.tracks[track])
                return sample
            }
            if stream >= trackOfStream.count { hasLateStream = true }
            ffmpeg.calls.av_packet_unref(packet)
        }
    }

    /// Goes to the keyframe at or before `microseconds` after the start.
    mutating func seek(toMicroseconds microseconds: Int64) throws(StageError) {
        early.removeAll()
        let code = ffmpeg.calls.av_seek_frame(
            context, -1, format.startMicroseconds + microseconds, AVSEEK_FLAG_BACKWARD)
        if code < 0 { throw .failure("cannot start \(name) later: it cannot be sought in") }
    }

    private static func inputFormat(_ ffmpeg: FFmpeg, _ name: String?) throws(StageError) -> UnsafePointer<
        AVInputFormat
    >? {
        guard let name else { return nil }
        if let found = ffmpeg.calls.av_find_input_format(name) { return found }
        if cffmpeg_load_devices() == 0, let found = ffmpeg.calls.av_find_input_format(name) { return found }
        throw .usage(
            "FFmpeg has no input format or device '\(name)'; see ffmpeg -formats and ffmpeg -devices")
    }

    private static func openFailure(
        _ code: Int32, _ ffmpeg: FFmpeg, _ name: String, _ bridge: InputBridge?, _ patience: Patience
    ) -> StageError {
        if let failure = bridge?.failure { return failure }
        if code == Int32(CFFMPEG_INVALID_DATA) || code == Int32(CFFMPEG_EOF) {
            return .failure(
                "\(name) is not media that FFmpeg can read, or is cut short (\(ffmpeg.explain(code)))")
        }
        return .failure("cannot open \(name): \(patience.explain(code, ffmpeg))")
    }

    private static func check(
        _ ffmpeg: FFmpeg, _ context: UnsafeMutablePointer<AVFormatContext>, name: String
    ) throws(StageError) {
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index] else { continue }
            if ffmpeg.calls.av_stream_get_side_data(stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, nil) != nil {
                throw .failure("\(name) is encrypted; decrypt it first")
            }
        }
    }
}
