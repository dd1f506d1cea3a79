internal import FreshetCore
internal import FreshetMedia
internal import FreshetNet
internal import Synchronization

/// The stream as fragmented MP4, made once for all browsers while there are some.
///
/// A reader of the transport stream's ring like every other, so it never slows the line; a thread of its own,
/// because FFmpeg
/// pulls. Memory: a ring of `capacity` bytes, one fragment of up to half as many, and FFmpeg's own.
final class LiveMP4: LiveRemuxerEnds, @unchecked Sendable {
    // Safe to share: what the thread alone touches is set before it starts; the rest is atomic or locks itself.

    /// With nobody watching for so long it ends.
    private static let idleSpan = Nanoseconds.seconds(30)

    /// Header and fragments.
    let ring: BroadcastRing
    /// How many watch it.
    let readerCount = Atomic<Int>(0)
    private let source: BroadcastRing
    private var cursor = BroadcastRing.Cursor()
    private let boxes: MP4Boxes
    private let isStopped = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)
    private let failure = Mutex<StageError?>(nil)
    private var lastWatched = MonotonicClock.now
    private let waker: ServerWaker
    private var thread: LoopThread?

    /// A remuxer of `source`, whose thread starts now; `waker` is used when there is more for readers.
    init(of source: BroadcastRing, capacity: Int, waker: ServerWaker) {
        self.source = source
        self.waker = waker
        ring = BroadcastRing(capacity: capacity, joints: .marks)
        boxes = MP4Boxes(pieceByteLimit: capacity / 2)
        super.init()
        // The thread keeps this object until it is over; whoever started it joins it by `stop()`.
        thread = LoopThread(name: "freshet-mp4") { self.run() }
        if thread == nil { finish(.failure("the system gives no more threads")) }
    }

    private func run() {
        do throws(StageError) {
            try LiveRemuxer.run(self)
            finish(nil)
        } catch { finish(error) }
    }

    private func finish(_ error: StageError?) {
        failure.withLock { $0 = isStopped.load(ordering: .acquiring) ? nil : error }
        isOver.store(true, ordering: .releasing)
        ring.close()
        waker.wake()
    }

    /// True when nothing more comes of it.
    var hasEnded: Bool { isOver.load(ordering: .acquiring) }

    /// Why it ended, where that was a failure.
    var error: StageError? { failure.withLock { $0 } }

    /// Ends it, and waits for its thread.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        thread?.join()
        thread = nil
    }

    override func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while !isStopped.load(ordering: .acquiring) {
            if readerCount.load(ordering: .relaxed) > 0 {
                lastWatched = MonotonicClock.now
            } else if MonotonicClock.now - lastWatched > LiveMP4.idleSpan {
                return 0
            }
            switch source.read(&cursor, into: buffer, waiting: .milliseconds(100)) {
            case .bytes(let count): return count
            case .ended: return 0
            case .nothing: continue
            }
        }
        return 0
    }

    override func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let fits = boxes.append(bytes) { piece in
            switch piece {
            case .header(let header):
                ring.setHead(header)
            case .fragment(let fragment, let isStart):
                ring.mark(isStart: isStart, needsHead: true)
                fragment.withUnsafeBytes { ring.append($0) }
                waker.wake()
            }
        }
        return fits && !isStopped.load(ordering: .acquiring)
    }
}
