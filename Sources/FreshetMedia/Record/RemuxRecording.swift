import CFFmpeg
import FreshetCore
import Glibc

/// Takes a line of bytes apart on a thread of its own, because libavformat pulls what the line pushes, and
/// hands the coded frames to a writer there.
final class RemuxWorker {
    /// What the worker does with what it finds; called on its thread only.
    class Writer {
        /// What the frames from now on are.
        func begin(_ format: MediaFormat) throws(StageError) {}
        /// One frame; false to end.
        func write(_ sample: consuming Sample) throws(StageError) -> Bool { true }
        /// Something worth telling a person.
        func note(_ notice: String) {}
        /// There are no more frames.
        func finish() throws(StageError) {}
    }

    /// Bytes that may wait for the worker: at 60 Mbit/s, half a second of a slow disk.
    private static let pipeByteCount = 4 << 20
    private let pipe: BytePipe
    private var thread: WorkerThread?

    /// Starts a worker for `writer`. `name` is what error messages call the input; `isTransportStream` saves
    /// guessing.
    init(
        _ ffmpeg: FFmpeg, name: String, isTransportStream: Bool, streams: String, writer: Writer
    ) throws(StageError) {
        pipe = BytePipe(capacity: RemuxWorker.pipeByteCount)
        let work = Work(ffmpeg: ffmpeg, pipe: pipe, writer: writer, name: name, streams: streams)
        work.isTransportStream = isTransportStream
        thread = try WorkerThread { () throws(StageError) in try work.run() }
    }

    deinit {
        pipe.abandon()
        pipe.close()
    }

    /// Throws what ended the worker, when something did; true when it has ended well.
    func hasEnded() throws(StageError) -> Bool { try thread?.hasEnded(waiting: 0) ?? true }

    /// Ends the worker, its work done or not, and waits for that.
    func end() {
        pipe.abandon()
        pipe.close()
        thread?.wait()
    }

    /// Hands over as much of `packet` as there is room for after `milliseconds`; takes that off it. True when
    /// all went.
    func write(_ packet: inout Packet, waiting milliseconds: Int) throws(StageError) -> Bool {
        _ = try thread?.hasEnded(waiting: 0)
        let count = pipe.write(packet.unsafeBytes, waiting: milliseconds)
        packet.removeFirst(count)
        return packet.byteCount == 0
    }

    /// Ends the input and waits up to `milliseconds` for the worker to complete what it writes; true when it
    /// has.
    func finish(waiting milliseconds: Int) throws(StageError) -> Bool {
        pipe.close()
        return try thread?.hasEnded(waiting: milliseconds) ?? true
    }

    /// What goes to the thread.
    private final class Work: @unchecked Sendable {
        // Safe to send: the thread alone touches it once it runs; the pipe locks itself.
        let ffmpeg: FFmpeg
        let pipe: BytePipe
        let writer: Writer
        let name: String
        let streams: String
        var isTransportStream = true

        init(ffmpeg: FFmpeg, pipe: BytePipe, writer: Writer, name: String, streams: String) {
            self.ffmpeg = ffmpeg
            self.pipe = pipe
            self.writer = writer
            self.name = name
            self.streams = streams
        }

        func run() throws(StageError) {
            defer { pipe.abandon() }
            var options = Demuxer.Options(url: name)
            options.formatName = isTransportStream ? "mpegts" : nil
            options.selection = StreamSelection(streams)
            options.isLocal = true
            // Long enough for a track that begins late; a stream whose tracks are all known is not looked at
            // further.
            options.analyzeMicroseconds = 5_000_000
            options.settings = [("probesize", "20000000")]
            var demuxer = try Demuxer(ffmpeg, options, bytes: pipe)
            try writer.begin(demuxer.format)
            var hasTold = false
            while let sample = try demuxer.next() {
                if demuxer.hasLateStream && !hasTold {
                    hasTold = true
                    writer.note(
                        "\(name) has a new stream since it began, which is left out; begin anew to have it")
                }
                if try !writer.write(sample) { break }
            }
            try writer.finish()
        }
    }
}

/// The writer of a recording: frames to files, given to the system every quarter of a second.
final class RecordingWriter: RemuxWorker.Writer {
    private let recording: FrameRecording
    private let board: NoticeBoard
    private var lastFlush = 0

    /// A writer to `recording` that posts its notices on `board`.
    init(_ recording: FrameRecording, _ board: NoticeBoard) {
        self.recording = recording
        self.board = board
    }

    override func begin(_ format: MediaFormat) throws(StageError) { try recording.begin(format) }

    override func write(_ sample: consuming Sample) throws(StageError) -> Bool {
        try recording.write(sample)
        if !recording.notices.isEmpty {
            board.post(recording.notices)
            recording.notices.removeAll()
        }
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
        let quarters = now.tv_sec * 4 + now.tv_nsec / 250_000_000
        if quarters != lastFlush {
            lastFlush = quarters
            recording.flush()
        }
        if recording.isComplete { board.markComplete() }
        return !recording.isComplete
    }

    override func note(_ notice: String) { board.post([notice]) }
    override func finish() throws(StageError) { try recording.finish() }
}

/// What a worker wants the line's own thread to know.
final class NoticeBoard: @unchecked Sendable {
    // Safe to share: every access to the state below is made with the mutex held.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var notices: [String] = []
    private var isComplete = false

    /// An empty board.
    init() { pthread_mutex_init(mutex, nil) }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Adds notices.
    func post(_ more: [String]) {
        pthread_mutex_lock(mutex)
        notices += more
        pthread_mutex_unlock(mutex)
    }

    /// The work has all it wanted.
    func markComplete() {
        pthread_mutex_lock(mutex)
        isComplete = true
        pthread_mutex_unlock(mutex)
    }

    /// The notices since the last call, and whether the work is complete.
    func take() -> (notices: [String], isComplete: Bool) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let taken = notices
        notices = []
        return (taken, isComplete)
    }
}
