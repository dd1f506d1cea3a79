import CFFmpeg
public import FreshetCore
import Glibc

/// Records a line to files, in the container that the file's name or `format=` asks for.
///
/// A transport stream into `.ts` is written byte for byte, without FFmpeg. Into any other container it is
/// taken apart and muxed anew, without coding; samples are muxed directly. `.ts`, `.mkv` and `.mp4` can be
/// read up to the last half second whatever ends the process: an `.mp4` is written in fragments. `format=mp4`
/// writes the plain kind, whose index is at its end and is there only after a clean one.
public final class Recorder {
    /// What to record to.
    public struct Options: Sendable {
        /// The file's path; may have strftime's patterns.
        public var path: String
        /// The container; "" takes it from the path.
        public var formatName = ""
        /// Begin a new file at the first keyframe after so long; zero for one file.
        public var segment = Nanoseconds.zero
        /// Ask for the end after so long; zero for no limit.
        public var duration = Nanoseconds.zero
        /// Which streams, where the line is taken apart.
        public var streams = ""
        /// Where to list the files as they are completed; "" for nowhere.
        public var indexPath = ""

        /// A recording to `path`.
        public init(path: String) { self.path = path }
    }

    private enum Way {
        case undecided
        case stream(StreamRecording)
        case frames(FrameRecording, FFmpeg)
        case remux(RemuxWorker)
    }

    private let options: Options
    private let container: MediaContainer
    private let board = NoticeBoard()
    // Unchecked exclusivity: touched by the stage's own thread only.
    @exclusivity(unchecked) private var way = Way.undecided
    @exclusivity(unchecked) private var lastFlush = Instant.zero
    @exclusivity(unchecked) private var isComplete = false

    /// A recorder that has written nothing. Fails when `format=` is unknown.
    public init(_ options: Options) throws(StageError) {
        self.options = options
        if options.path.isEmpty { throw .usage("record needs the path of a file") }
        if options.formatName.isEmpty {
            container = MediaContainer.ofFile(options.path) ?? .transportStream
        } else if let named = MediaContainer.named(options.formatName) {
            container = named
        } else {
            throw .usage(
                "no container is called '\(options.formatName)'; there are "
                    + MediaContainer.names.joined(separator: ", "))
        }
    }

    /// Fails when the first file could not be made: told at once, not when the first packet comes.
    public func checkPlace() throws(StageError) {
        var path = RecordingPath(options.path, isSegmented: options.segment.count > 0)
        let first = path.next(at: wallClockSeconds())
        if FileBytes.exists(first) {
            var status = stat()
            if stat(first, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                throw .failure("\(first) is a folder; give the name of a file in it")
            }
            guard access(first, W_OK) == 0 else {
                throw .failure("cannot write \(first): \(FileBytes.errorText())")
            }
            return
        }
        let slash = first.lastIndex(of: "/")
        let folder = slash.map { $0 == first.startIndex ? "/" : String(first[..<$0]) } ?? "."
        guard access(folder, W_OK | X_OK) == 0 else {
            throw .failure("cannot write \(first): \(FileBytes.errorText())")
        }
    }

    /// Takes packets of `input`; leaves what it has no room for.
    public func take(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        if case .stream(let recording) = way { try take(&input, to: recording, context: &context) }
        while var packet = input.popFirst() {
            if case .undecided = way { try decide(packet) }
            let byteCount = packet.byteCount
            if isComplete { continue }
            switch way {
            case .undecided:
                break
            case .stream(let recording):
                try recording.write(packet, now: context.now)
                isComplete = recording.isComplete
            case .frames(let recording, let ffmpeg):
                if let format = MediaFormat.attached(to: packet) {
                    try recording.begin(format)
                } else if let sample = Sample.take(from: &packet, ffmpeg) {
                    try recording.write(sample)
                }
                board.post(recording.notices)
                recording.notices.removeAll()
                isComplete = recording.isComplete
            case .remux(let worker):
                if try !worker.write(&packet, waiting: 20) {
                    context.counters.add(.bytesIn, byteCount - packet.byteCount)
                    input.prepend(packet)
                    report(context: &context)
                    return
                }
            }
            context.counters.add(.packetsIn)
            context.counters.add(.bytesIn, byteCount)
        }
        try flushIfDue(now: context.now)
        report(context: &context)
    }

    private func take(
        _ input: inout PacketBatch, to recording: StreamRecording, context: inout StageContext
    ) throws(StageError) {
        while !isComplete, let packet = input.popFirst() {
            try recording.write(packet, now: context.now)
            isComplete = recording.isComplete
            context.counters.add(.packetsIn)
            context.counters.add(.bytesIn, packet.byteCount)
        }
    }

    /// When ``flushIfDue(now:)`` is wanted.
    public var nextDeadline: Instant? {
        if case .stream(let recording) = way { return recording.deadline }
        return nil
    }

    /// Gives the system what has waited for a quarter of a second.
    public func flushIfDue(now: Instant) throws(StageError) {
        switch way {
        case .stream(let recording):
            if let deadline = recording.deadline, deadline <= now { try recording.flush() }
        case .frames(let recording, _):
            if now - lastFlush >= GatheredWriter.interval {
                lastFlush = now
                recording.flush()
            }
        default: break
        }
    }

    /// Completes the files; false when the worker needs more time: call again.
    public func finish(context: inout StageContext) throws(StageError) -> Bool {
        defer { report(context: &context) }
        switch way {
        case .undecided:
            throw .failure("nothing came: \(options.path) was not written")
        case .stream(let recording): try recording.finish()
        case .frames(let recording, _): try recording.finish()
        case .remux(let worker): return try worker.finish(waiting: 100)
        }
        return true
    }

    private func report(context: inout StageContext) {
        let (notices, isWorkComplete) = board.take()
        for notice in notices { context.report(.notice(notice)) }
        if isWorkComplete { isComplete = true }
        if isComplete { context.requestStop() }
    }

    private func decide(_ first: borrowing Packet) throws(StageError) {
        if first.unsafeAttachment != nil {
            let ffmpeg = try FFmpeg.load()
            way = .frames(try FrameRecording(ffmpeg, frameOptions), ffmpeg)
            return
        }
        if container.muxerName == "mpegts" && options.streams.isEmpty {
            var plain = StreamRecording.Options(path: options.path)
            plain.segmentMicroseconds = options.segment.count / 1000
            plain.durationNanoseconds = options.duration.count
            plain.indexPath = options.indexPath
            way = .stream(try StreamRecording(plain))
            return
        }
        let ffmpeg = try FFmpeg.load()
        let writer = RecordingWriter(try FrameRecording(ffmpeg, frameOptions), board)
        let head = first.unsafeBytes
        let isStream =
            head.count % TransportStreamProbe.packetByteCount == 0 && head[0] == TransportStreamProbe.syncByte
        way = .remux(
            try RemuxWorker(
                ffmpeg, name: "the stream", isTransportStream: isStream, streams: options.streams,
                writer: writer))
    }

    private var frameOptions: FrameRecording.Options {
        var frames = FrameRecording.Options(path: options.path, container: container)
        frames.segmentMicroseconds = options.segment.count / 1000
        frames.durationMicroseconds = options.duration.count / 1000
        frames.indexPath = options.indexPath
        return frames
    }
}
