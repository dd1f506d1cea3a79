import CFFmpeg
import FreshetCore

/// Writes coded frames to a recording's files: one, or a new one at the first keyframe after each segment's
/// length.
///
/// Around a cut two files are open: frames decoded before the cut go to the old one, wherever they stand in
/// the stream, until every track is past it or the leading one is two seconds ahead.
final class FrameRecording {
    /// What to record to.
    struct Options {
        var path: String
        var container: MediaContainer
        var segmentMicroseconds: Int64 = 0
        var durationMicroseconds: Int64 = 0
        var indexPath = ""
    }

    /// A file being written.
    private struct Part {
        var file: FileOutput
        var muxer: MediaMuxer
        /// Decoding time that this file starts at, in microseconds of the medium.
        var start: Int64
        /// Where the last frame ends.
        var end: Int64
    }

    /// Things worth telling a person, until they are taken.
    var notices: [String] = []
    /// How many files were completed.
    private(set) var completedCount = 0
    /// True once `durationMicroseconds` of media are written.
    private(set) var isComplete = false
    private let ffmpeg: FFmpeg
    private let options: Options
    private var path: RecordingPath
    private let index: RecordingIndex?
    private var format: MediaFormat?
    private var current: Part?
    private var previous: Part?
    private var first: Int64?
    private var latest: [Int64] = []

    /// A recording that has written nothing; its files are made when the first format is known.
    init(_ ffmpeg: FFmpeg, _ options: Options) throws(StageError) {
        self.ffmpeg = ffmpeg
        self.options = options
        path = RecordingPath(options.path, isSegmented: options.segmentMicroseconds > 0)
        index = options.indexPath.isEmpty ? nil : try RecordingIndex(path: options.indexPath)
    }

    /// What the frames from now on are. A second format begins a new file.
    func begin(_ format: MediaFormat) throws(StageError) {
        if current != nil { try finish() }
        self.format = format
        latest = Array(repeating: .min, count: format.tracks.count)
        first = nil
    }

    /// Writes one frame.
    func write(_ sample: consuming Sample) throws(StageError) {
        guard let format, !isComplete else { return }
        let packet = sample.packet
        let track = Int(packet.pointee.stream_index)
        guard track < format.tracks.count else { return }
        let base = format.tracks[track].timeBase
        let ticks = packet.pointee.dts == unknownTimestamp ? packet.pointee.pts : packet.pointee.dts
        let decode =
            ticks == unknownTimestamp
            ? latest[track] : ffmpeg.calls.av_rescale_q(ticks, base, .microseconds)
        let span = ffmpeg.calls.av_rescale_q(max(0, packet.pointee.duration), base, .microseconds)
        var part: Part
        if let current { part = current } else { part = try openFirst(format, decode: decode) }
        let isLeading = track == part.muxer.leadingTrack
        latest[track] = decode
        if isLeading, options.durationMicroseconds > 0,
            decode - (first ?? decode) >= options.durationMicroseconds
        {
            isComplete = true
            return
        }
        if isLeading, options.segmentMicroseconds > 0, packet.pointee.flags & AV_PKT_FLAG_KEY != 0,
            decode - part.start >= options.segmentMicroseconds
        {
            try complete(&previous)
            previous = part
            part = try open(format, zero: decode)
            part.start = decode
        }
        if var old = previous, decode < part.start, decode != .min {
            old.end = max(old.end, decode + span)
            previous = old
            try put(sample, in: old)
        } else {
            part.end = max(part.end, decode + span)
            try put(sample, in: part)
        }
        current = part
        if previous != nil, isPast(part.start) { try complete(&previous) }
    }

    /// Hands everything that is complete to the system.
    func flush() {
        previous?.muxer.flush()
        current?.muxer.flush()
    }

    /// Completes the files.
    func finish() throws(StageError) {
        try complete(&previous)
        try complete(&current)
    }

    private func put(_ sample: consuming Sample, in part: Part) throws(StageError) {
        do throws(StageError) { try part.muxer.write(sample) } catch { throw part.file.failure ?? error }
        if let failure = part.file.failure { throw failure }
        if !part.muxer.notices.isEmpty {
            notices += part.muxer.notices
            part.muxer.notices.removeAll()
        }
    }

    /// True when every track, or the leading one by two seconds, is past `cut`.
    private func isPast(_ cut: Int64) -> Bool {
        guard let furthest = latest.max() else { return true }
        return furthest - cut > 2_000_000 || latest.allSatisfy { $0 >= cut }
    }

    private func openFirst(_ format: MediaFormat, decode: Int64) throws(StageError) -> Part {
        first = decode
        // The medium's own start is that of what is shown first; one that is begun in its middle starts there.
        let start = format.pictureMicroseconds
        var part = try open(format, zero: abs(decode - start) < 2_000_000 ? start : decode)
        part.start = decode
        part.end = decode
        return part
    }

    private func open(_ format: MediaFormat, zero: Int64) throws(StageError) -> Part {
        let file = try FileOutput(path: path.next(at: wallClockSeconds()))
        var muxing = MediaMuxer.Options(container: options.container)
        if options.container.muxerName == "mpegts" {
            muxing.delayMicroseconds = 100_000
            muxing.settings = [("pcr_period", "20")]
        } else {
            muxing.zeroMicroseconds = zero
        }
        do throws(StageError) {
            let muxer = try MediaMuxer(ffmpeg, format, into: file, muxing)
            if completedCount == 0 { notices += muxer.notices }
            muxer.notices.removeAll()
            return Part(file: file, muxer: muxer, start: zero, end: zero)
        } catch {
            throw file.failure ?? error
        }
    }

    private func complete(_ part: inout Part?) throws(StageError) {
        guard let done = part else { return }
        part = nil
        do throws(StageError) { try done.muxer.finish() } catch { throw done.file.failure ?? error }
        if let failure = done.file.failure { throw failure }
        completedCount += 1
        try index?.add(
            path: done.file.path, startMicroseconds: done.start - (first ?? done.start),
            durationMicroseconds: done.end - done.start, byteCount: done.file.byteCount)
    }
}
