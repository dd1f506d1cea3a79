import CFFmpeg
import FreshetCore

/// Writes coded frames into a container, by libavformat: nothing is coded anew.
///
/// Every frame keeps its times but for one common shift, so tracks stay as far apart as they were.
/// Conversions of the bit stream (start codes, ADTS headers) are made by libavformat's own filters.
final class MediaMuxer {
    /// What to write and how.
    struct Options {
        /// The container.
        var container: MediaContainer
        /// Options for the muxer, on top of the container's.
        var settings: [(name: String, value: String)] = []
        /// Metadata on top of the medium's own (service_name, title).
        var metadata: [(name: String, value: String)] = []
        /// How far the clock reference runs ahead of decoding, in microseconds (transport streams).
        var delayMicroseconds: Int32 = 0
        /// Microseconds of the medium's clock that become zero; `nil` keeps its times.
        var zeroMicroseconds: Int64?
        /// How long to wait for a track that is behind, to keep frames in order, in microseconds.
        var orderMicroseconds: Int64 = 1_000_000
    }

    /// Tracks that the container cannot carry, damaged frames: one sentence each, until they are taken.
    var notices: [String] = []
    private var hasToldOfDamage = false
    /// How often the source's clock jumped.
    var jumpCount: Int { line.jumpCount }
    private let ffmpeg: FFmpeg
    private let container: MediaContainer
    private let format: MediaFormat
    private let bridge: OutputBridge
    private var context: UnsafeMutablePointer<AVFormatContext>?
    /// The output stream of each track; -1 where it is left out.
    private var streamOfTrack: [Int32] = []
    /// The filter of each track that needs one.
    private var filters: [BitstreamFilter?] = []
    private var line: TimestampLine
    private let zeroMicroseconds: Int64
    /// The last decoding time and span of each track, in the output stream's base.
    private var lastDecode: [Int64?]
    private var lastSpan: [Int64]
    private var isFinished = false

    /// Begins a container in `bytes` with all tracks of `format` that it can carry; fails when it cannot
    /// carry the video, or any audio.
    init(
        _ ffmpeg: FFmpeg, _ format: MediaFormat, into bytes: MuxedBytes, _ options: Options
    ) throws(StageError) {
        self.ffmpeg = ffmpeg
        self.format = format
        container = options.container
        bridge = OutputBridge(ffmpeg, bytes)
        zeroMicroseconds = options.zeroMicroseconds ?? 0
        line = TimestampLine(trackCount: format.tracks.count, mayJump: format.mayJump)
        lastDecode = Array(repeating: nil, count: format.tracks.count)
        lastSpan = Array(repeating: 0, count: format.tracks.count)
        let code = ffmpeg.calls.avformat_alloc_output_context2(
            &context, nil, options.container.muxerName, nil)
        guard code >= 0, let context else {
            throw .failure("FFmpeg has no muxer for \(options.container.name): \(ffmpeg.explain(code))")
        }
        context.pointee.pb = bridge.context
        context.pointee.max_delay = options.delayMicroseconds
        context.pointee.max_interleave_delta = options.orderMicroseconds
        if options.container.muxerName == "mpegts" { context.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS }
        for (name, value) in format.metadata + options.metadata {
            _ = ffmpeg.calls.av_dict_set(&context.pointee.metadata, name, value, 0)
        }
        do throws(StageError) {
            try addStreams(to: context)
            var settings = OptionDictionary(ffmpeg, options.container.settings + options.settings)
            ffmpeg.forgetLog()
            let code = ffmpeg.calls.avformat_write_header(context, &settings.pointer)
            if code < 0 { throw failure(code, "cannot begin") }
        } catch {
            isFinished = true
            ffmpeg.calls.avformat_free_context(context)
            self.context = nil
            throw error
        }
    }

    deinit {
        if let context { ffmpeg.calls.avformat_free_context(context) }
    }

    private func addStreams(to context: UnsafeMutablePointer<AVFormatContext>) throws(StageError) {
        var refused: [String] = []
        var carried: Set<String> = []
        for track in format.tracks {
            // Only a transport stream can announce what nobody has seen.
            if !track.isKnown && container.muxerName != "mpegts" {
                notices.append(
                    "the \(ffmpeg.codecName(track.codec)) \(track.kindName) has not begun: left out")
                streamOfTrack.append(-1)
                filters.append(nil)
                continue
            }
            guard container.carries(track.codec, ffmpeg), !track.isAttachedPicture else {
                refused.append("\(ffmpeg.codecName(track.codec)) \(track.kindName)")
                streamOfTrack.append(-1)
                filters.append(nil)
                continue
            }
            carried.insert(track.kindName)
            guard let stream = ffmpeg.calls.avformat_new_stream(context, nil),
                ffmpeg.calls.avcodec_parameters_copy(stream.pointee.codecpar, track.parameters) >= 0
            else { throw .failure("out of memory for a stream") }
            // Tags are the container's own names of codecs: the new one chooses its own.
            stream.pointee.codecpar.pointee.codec_tag = 0
            stream.pointee.time_base = track.timeBase
            stream.pointee.avg_frame_rate = track.frameRate
            stream.pointee.disposition = track.disposition
            markPriming(of: track, stream, in: context)
            stream.pointee.sample_aspect_ratio = track.parameters.pointee.sample_aspect_ratio
            for (name, value) in track.metadata {
                _ = ffmpeg.calls.av_dict_set(&stream.pointee.metadata, name, value, 0)
            }
            streamOfTrack.append(stream.pointee.index)
            filters.append(try filter(for: track, stream))
        }
        try check(refused: refused, carried: carried)
    }

    /// Sound before zero is an encoder's priming. MP4 says so with the edit list that libavformat makes of
    /// negative times, Matroska with the codec's delay.
    private func markPriming(
        of track: MediaTrack, _ stream: UnsafeMutablePointer<AVStream>,
        in context: UnsafeMutablePointer<AVFormatContext>
    ) {
        guard container.muxerName == "matroska", track.codec == AV_CODEC_ID_AAC,
            let start = track.startMicroseconds, start < zeroMicroseconds,
            zeroMicroseconds - start <= track.frameMicroseconds + 100
        else { return }
        let rate = Int64(track.parameters.pointee.sample_rate)
        let sampleCount = ((zeroMicroseconds - start) * rate + 500_000) / 1_000_000
        stream.pointee.codecpar.pointee.initial_padding = Int32(clamping: sampleCount)
        context.pointee.avoid_negative_ts = Int32(AVFMT_AVOID_NEG_TS_DISABLED)
    }

    /// Video that cannot be carried while no other is, or audio likewise, is the programme itself: refused.
    /// Anything else is left out with a notice.
    private func check(refused: [String], carried: Set<String>) throws(StageError) {
        for kind in ["video", "audio"] where !carried.contains(kind) {
            if let first = refused.first(where: { $0.hasSuffix(" " + kind) }), !isAudioOnly(kind) {
                throw .failure(
                    "\(container.name) cannot carry \(first); "
                        + "use another container, or choose other streams with streams="
                )
            }
        }
        if carried.isEmpty { throw .failure("\(container.name) can carry none of the input's streams") }
        for name in refused { notices.append("\(container.name) cannot carry \(name): left out") }
    }

    /// True when `kind` is not wanted in this container at all (video in an audio file).
    private func isAudioOnly(_ kind: String) -> Bool {
        kind == "video" && ["mp3", "mp2", "adts", "ac3"].contains(container.muxerName)
    }

    /// True when the video track, or the first carried track where there is none, is `track`: the one that
    /// segments and clocks go by.
    var leadingTrack: Int {
        let carried = format.tracks.indices.filter { streamOfTrack[$0] >= 0 }
        return carried.first { format.tracks[$0].kind == AVMEDIA_TYPE_VIDEO } ?? carried.first ?? 0
    }

    /// Writes one frame; frames of left-out tracks are dropped.
    func write(_ sample: consuming Sample) throws(StageError) {
        let packet = sample.packet
        let track = Int(packet.pointee.stream_index)
        guard let context, track < streamOfTrack.count, streamOfTrack[track] >= 0,
            let stream = context.pointee.streams[Int(streamOfTrack[track])]
        else { return }
        place(packet, track: track, base: stream.pointee.time_base)
        packet.pointee.stream_index = streamOfTrack[track]
        packet.pointee.pos = -1
        ffmpeg.forgetLog()
        var code = filters[track]?.apply(to: packet) ?? 0
        if code >= 0 { code = ffmpeg.calls.av_interleaved_write_frame(context, packet) }
        // A frame that is none is dropped; the ones after it can be as good as any.
        if code == Int32(CFFMPEG_INVALID_DATA) {
            if !hasToldOfDamage {
                notices.append(
                    "a damaged \(format.tracks[track].kindName) frame is left out: \(ffmpeg.explain(code))")
            }
            hasToldOfDamage = true
            return
        }
        if code < 0 { throw failure(code, "cannot write") }
    }

    /// AAC with a header on each frame, as transport streams have it, loses the headers in containers that
    /// have the decoder's configuration in front. (libavformat's own conversion knows it too late: at the
    /// first frame.)
    private func filter(
        for track: MediaTrack, _ stream: UnsafeMutablePointer<AVStream>
    ) throws(StageError) -> BitstreamFilter? {
        let configuration = track.frameHeaderConfiguration
        guard !configuration.isEmpty, ["mp4", "mov", "matroska", "webm"].contains(container.muxerName) else {
            return nil
        }
        let padded = configuration.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)
        guard let data = ffmpeg.calls.av_mallocz(padded)?.assumingMemoryBound(to: UInt8.self) else {
            throw .failure("out of memory for a stream")
        }
        for (index, byte) in configuration.enumerated() { data[index] = byte }
        stream.pointee.codecpar.pointee.extradata = data
        stream.pointee.codecpar.pointee.extradata_size = Int32(configuration.count)
        return try BitstreamFilter(ffmpeg, "aac_adtstoasc", track.parameters, track.timeBase)
    }

    /// Gives what the muxer and its I/O buffer hold to the bytes' owner.
    func flush() { ffmpeg.calls.avio_flush(bridge.context) }

    /// Ends the container: what is held, then its trailer.
    func finish() throws(StageError) {
        guard let context, !isFinished else { return }
        isFinished = true
        ffmpeg.forgetLog()
        let code = ffmpeg.calls.av_write_trailer(context)
        ffmpeg.calls.avio_flush(bridge.context)
        if code < 0 { throw failure(code, "cannot complete") }
    }

    /// Moves the frame's times onto the line, in the output's base, never backwards.
    private func place(_ packet: UnsafeMutablePointer<AVPacket>, track: Int, base: AVRational) {
        let source = format.tracks[track].timeBase
        if packet.pointee.dts == unknownTimestamp { packet.pointee.dts = packet.pointee.pts }
        if packet.pointee.dts != unknownTimestamp {
            let decode = ffmpeg.calls.av_rescale_q(packet.pointee.dts, source, .microseconds)
            let span = ffmpeg.calls.av_rescale_q(packet.pointee.duration, source, .microseconds)
            let shift = line.shift(track: track, decode: decode, span: span) - zeroMicroseconds
            if shift != 0 {
                let ticks = ffmpeg.calls.av_rescale_q(shift, .microseconds, source)
                packet.pointee.dts += ticks
                if packet.pointee.pts != unknownTimestamp { packet.pointee.pts += ticks }
            }
        }
        ffmpeg.calls.av_packet_rescale_ts(packet, source, base)
        if packet.pointee.dts == unknownTimestamp {
            packet.pointee.dts = lastDecode[track].map { $0 + max(1, lastSpan[track]) } ?? 0
            packet.pointee.pts = packet.pointee.dts
        }
        if let last = lastDecode[track], packet.pointee.dts <= last {
            packet.pointee.dts = last + 1
        }
        if packet.pointee.pts == unknownTimestamp || packet.pointee.pts < packet.pointee.dts {
            packet.pointee.pts = packet.pointee.dts
        }
        lastDecode[track] = packet.pointee.dts
        lastSpan[track] = packet.pointee.duration
    }

    private func failure(_ code: Int32, _ what: String) -> StageError {
        .failure("\(what) the \(container.name) output: \(ffmpeg.explain(code))")
    }
}
