import CFFmpeg
public import FreshetCore
import Glibc

/// Turns a line into the bytes of another container, without coding anew: a transport stream (or any bytes
/// that FFmpeg can take apart) on a thread of its own, samples at once.
public final class Remuxer {
    private enum Way {
        case undecided
        case samples
        case worker(RemuxWorker)
    }

    /// Bytes that may wait for the line behind; past it the worker waits.
    private static let outputByteCount = 4 << 20
    private let options: SampleMuxer.Options
    private let streams: String
    private let muxer: SampleMuxer
    private let output: BytePipe
    private let board = NoticeBoard()
    private let wakeup: Int32
    private var way = Way.undecided
    private var isFinished = false

    /// A remuxer to `options.formatName`, of the streams chosen by `streams` where the line is taken apart.
    public init(_ options: SampleMuxer.Options, streams: String) throws(StageError) {
        self.options = options
        self.streams = streams
        muxer = try SampleMuxer(options)
        wakeup = cffmpeg_make_event()
        guard wakeup >= 0 else { throw .failure("cannot make an event descriptor: \(FileBytes.errorText())") }
        output = BytePipe(capacity: Remuxer.outputByteCount, wakeup: wakeup)
    }

    deinit {
        output.abandon()
        // The worker must not signal a descriptor that may be another's by then.
        if case .worker(let worker) = way { worker.end() }
        close(wakeup)
    }

    /// Becomes readable when there is something to give.
    public var descriptor: Int32 { wakeup }

    /// Takes packets of `input`; leaves what it has no room for.
    public func take(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        while var packet = input.popFirst() {
            if case .undecided = way { try decide(packet) }
            switch way {
            case .undecided: break
            case .samples:
                if !muxer.unread.isEmpty {
                    input.prepend(packet)
                    return
                }
                try muxer.take(packet)
                board.post(muxer.notices)
                muxer.notices.removeAll()
                return
            case .worker(let worker):
                if try !worker.write(&packet, waiting: 0) {
                    input.prepend(packet)
                    return
                }
            }
        }
    }

    /// Puts bytes in `batch` as far as there is room; true when there may be more.
    public func give(into batch: inout PacketBatch, context: inout StageContext) throws(StageError) -> Bool {
        for notice in board.take().notices { context.report(.notice(notice)) }
        while !batch.isFull, var packet = context.allocate() {
            let room = UnsafeMutableRawBufferPointer(rebasing: packet.unsafeWritableBytes.prefix(1316))
            var count = 0
            if case .samples = way {
                count = min(room.count, muxer.unread.count)
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: muxer.unread.prefix(count)))
                muxer.removeFirst(count)
            } else {
                count = output.readAvailable(into: room)
            }
            if count == 0 {
                if case .worker(let worker) = way { _ = try worker.hasEnded() }
                return false
            }
            packet.setByteCount(count)
            packet.info.arrival = context.now
            batch.append(packet)
        }
        return true
    }

    /// Ends the container; true when all its bytes were given. Call again after room was made, or after 20
    /// ms.
    public func finish(into batch: inout PacketBatch, context: inout StageContext) throws(StageError) -> Bool
    {
        switch way {
        case .undecided: return true
        case .samples:
            if !isFinished {
                isFinished = true
                try muxer.finish()
            }
            return try !give(into: &batch, context: &context)
        case .worker(let worker):
            let hasEnded = try worker.finish(waiting: 0)
            return try !give(into: &batch, context: &context) && hasEnded
        }
    }

    private func decide(_ first: borrowing Packet) throws(StageError) {
        if first.unsafeAttachment != nil {
            way = .samples
            return
        }
        let head = first.unsafeBytes
        let isStream =
            head.count % TransportStreamProbe.packetByteCount == 0 && head[0] == TransportStreamProbe.syncByte
        way = .worker(
            try RemuxWorker(
                FFmpeg.load(), name: "the stream", isTransportStream: isStream, streams: streams,
                writer: PipeWriter(options, output, board)))
    }
}

/// The writer of a remuxer: frames to a container in a pipe.
private final class PipeWriter: RemuxWorker.Writer {
    private let options: SampleMuxer.Options
    private let pipe: PipeOutput
    private let board: NoticeBoard
    private var muxer: SampleMuxer?

    init(_ options: SampleMuxer.Options, _ output: BytePipe, _ board: NoticeBoard) {
        self.options = options
        self.board = board
        pipe = PipeOutput(output)
    }

    override func begin(_ format: MediaFormat) throws(StageError) {
        let muxer = try SampleMuxer(options, sink: pipe)
        try muxer.begin(format)
        board.post(muxer.notices)
        self.muxer = muxer
    }

    override func write(_ sample: consuming Sample) throws(StageError) -> Bool {
        try muxer?.write(sample)
        muxer?.flush()
        return !pipe.isAbandoned
    }

    override func note(_ notice: String) { board.post([notice]) }

    override func finish() throws(StageError) {
        try muxer?.finish()
        pipe.close()
    }
}

/// A muxer's bytes into a pipe; waits while it is full.
private final class PipeOutput: MuxedBytes {
    private let pipe: BytePipe

    init(_ pipe: BytePipe) { self.pipe = pipe }

    var isAbandoned: Bool { pipe.hasNoReader }

    func close() { pipe.close() }

    override func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = pipe.write(UnsafeRawBufferPointer(rebasing: rest), waiting: 100)
            rest = rest.dropFirst(count)
        }
        return 0
    }
}
