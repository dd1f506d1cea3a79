import CFFmpeg
import FreshetCore

/// Gives a medium's coded frames: first a format packet, then one packet a frame with its AVPacket attached
/// and its decoding time as `mediaTime`. Played again, its time goes on where it ended.
final class FrameSource {
    private let ffmpeg: FFmpeg
    private let options: Demuxer.Options
    private var demuxer: Demuxer
    private var roundsLeft: Int?
    private var hasGivenFormat = false
    private var round = RoundClock()

    /// A source of what `options` open, played `rounds` times (`nil` for ever), the first time from
    /// `startMicroseconds` on.
    init(
        _ ffmpeg: FFmpeg, _ options: Demuxer.Options, bytes: MediaBytes?, rounds: Int?,
        startMicroseconds: Int64
    ) throws(StageError) {
        self.ffmpeg = ffmpeg
        self.options = options
        roundsLeft = rounds.map { $0 - 1 }
        demuxer = try Demuxer(ffmpeg, options, bytes: bytes)
        if startMicroseconds > 0 { try demuxer.seek(toMicroseconds: startMicroseconds) }
    }

    /// Puts a few frames in `output`; false at the end.
    func read(into output: inout PacketBatch, context: inout StageContext) throws(StageError) -> Bool {
        if !hasGivenFormat {
            guard !output.isFull, var packet = context.allocate() else { return true }
            demuxer.format.attach(to: &packet)
            output.append(packet)
            hasGivenFormat = true
        }
        // A live source is handed on frame by frame; a file fills the batch.
        while !output.isFull {
            if context.pool.freeCount == 0 { return true }
            guard let sample = try demuxer.next() else { return try beginNextRound(context: &context) }
            guard var packet = context.allocate() else { return true }
            let time = round.place(sample.packet, demuxer.format.tracks, ffmpeg)
            packet.info.arrival = context.now
            if let time {
                packet.info.mediaTime = time
                packet.info.flags.insert(.hasMediaTime)
            }
            if sample.packet.pointee.flags & AV_PKT_FLAG_KEY != 0 { packet.info.flags.insert(.isKeyframe) }
            context.counters.add(.packetsOut)
            context.counters.add(.bytesOut, Int(sample.packet.pointee.size))
            sample.attach(to: &packet)
            output.append(packet)
            if !options.isLocal { break }
        }
        return true
    }

    private func beginNextRound(context: inout StageContext) throws(StageError) -> Bool {
        if demuxer.isCutShort {
            context.report(
                .notice("\(options.url) is cut short or damaged: frames that are not whole are left out"))
        }
        if roundsLeft == 0 || MediaInterrupt.isRequested || !round.hasFrames { return false }
        roundsLeft = roundsLeft.map { $0 - 1 }
        // Opened anew, not sought in: so every round has the very same frames, those before time zero
        // included.
        demuxer = try Demuxer(ffmpeg, options)
        round.beginNext()
        return true
    }
}

/// Moves the frames of each round behind those of the round before, by the span that the medium was shown
/// for: from the earliest frame to the end of the last, over all tracks.
struct RoundClock {
    private var offset: Int64 = 0
    private var start = Int64.max
    private var end = Int64.min
    private var lastDecode: [Int64] = []

    /// True when the round had a frame with a time.
    var hasFrames: Bool { start < end }

    /// Begins the next round.
    mutating func beginNext() {
        offset += end - start
        start = .max
        end = .min
        lastDecode.removeAll(keepingCapacity: true)
    }

    /// Restamps `packet`, and gives its decoding time on the continuous line; `nil` when it has none.
    mutating func place(
        _ packet: UnsafeMutablePointer<AVPacket>, _ tracks: [MediaTrack], _ ffmpeg: FFmpeg
    ) -> MediaTime? {
        let track = Int(packet.pointee.stream_index)
        let base = tracks[track].timeBase
        let decode = packet.pointee.dts == unknownTimestamp ? packet.pointee.pts : packet.pointee.dts
        guard decode != unknownTimestamp else { return nil }
        let presentation = packet.pointee.pts == unknownTimestamp ? decode : packet.pointee.pts
        if lastDecode.count < tracks.count {
            lastDecode += Array(repeating: unknownTimestamp, count: tracks.count - lastDecode.count)
        }
        var duration = packet.pointee.duration
        if duration <= 0 && lastDecode[track] != unknownTimestamp {
            duration = max(0, decode - lastDecode[track])
        }
        lastDecode[track] = decode
        start = min(start, ffmpeg.calls.av_rescale_q(presentation, base, .ticks27M))
        end = max(end, ffmpeg.calls.av_rescale_q(presentation + duration, base, .ticks27M))
        if offset > 0 {
            let shift = ffmpeg.calls.av_rescale_q(offset, .ticks27M, base)
            if packet.pointee.pts != unknownTimestamp { packet.pointee.pts += shift }
            if packet.pointee.dts != unknownTimestamp { packet.pointee.dts += shift }
        }
        return MediaTime(ticks: ffmpeg.calls.av_rescale_q(decode, base, .ticks27M) + offset)
    }
}
