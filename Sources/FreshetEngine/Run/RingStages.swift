internal import FreshetCore
internal import FreshetNet

/// The end of a line whose packets go on in another thread: a sink that fills a ``ParcelRing``.
struct RingOutlet: Stage, ~Copyable {
    private let ring: ParcelRing
    /// How long packets may wait so that one wake-up serves many; zero for a wake-up at once.
    private let batchInterval: Nanoseconds
    private var signalDeadline: Instant?

    init(_ ring: ParcelRing, batchInterval: Nanoseconds) {
        self.ring = ring
        self.batchInterval = batchInterval
    }

    init(arguments: StageArguments) throws(StageError) { throw .usage("a ring is made by the engine") }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "ring-outlet", summary: "hands packets to another thread",
            takes: [.samples, .transportStream, .rtp, .bytes], gives: .none, example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        if ring.isClosed {
            input.removeAll()
            throw .failure("the thread behind has ended")
        }
        let before = input.count
        while !input.isEmpty, ring.hasRoomOrWaits(), let packet = input.popFirst() {
            ring.push(packet, of: context.pool)
        }
        if input.count != before { announce(now: context.now) }
    }

    /// Wakes the consumer at once, when the ring is half full, or when the first packet has waited long
    /// enough.
    private mutating func announce(now: Instant) {
        if batchInterval == .zero || ring.count >= ring.capacity / 2 || ring.isFull {
            signalDeadline = nil
            ring.signalData()
        } else if signalDeadline == nil {
            signalDeadline = now + batchInterval
        }
    }

    mutating func advance(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        signalDeadline = nil
        ring.signalData()
    }

    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        ring.finish()
        return true
    }

    var nextDeadline: Instant? { signalDeadline }
    var pollDescriptor: Int32 { ring.spaceWakeup.number }

    deinit { ring.finish() }
}

/// The beginning of a line whose packets come from another thread: a source that empties a ``ParcelRing``.
struct RingInlet: Stage, ~Copyable {
    private let ring: ParcelRing

    init(_ ring: ParcelRing) { self.ring = ring }

    init(arguments: StageArguments) throws(StageError) { throw .usage("a ring is made by the engine") }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "ring-inlet", summary: "takes packets from another thread", takes: .none,
            gives: [.samples, .transportStream, .rtp, .bytes], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        repeat {
            while !output.isFull {
                guard let packet = ring.pop(into: context.pool) else { break }
                output.append(packet)
            }
            ring.signalSpace()
            if ring.isDrained { return context.finishSource() }
            // A ring that still has packets is left for the next pass: the output or the pool is full.
            if ring.count > 0 { return }
        } while !ring.awaitData()
        context.isReadable = false
    }

    var pollDescriptor: Int32 { ring.dataWakeup.number }

    deinit { ring.close() }
}
