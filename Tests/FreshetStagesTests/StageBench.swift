import FreshetCore
import FreshetStages

/// What a test sees of a packet that came out of a stage.
struct Seen: Equatable {
    var sequence: Int64
    var epoch: UInt32
    var mark: UInt64
    var instant: Instant
}

/// Runs one stage in virtual time: packets arrive at given instants, deadlines are kept to the nanosecond.
final class StageBench<Body: Stage & ~Copyable> {
    let pool: PacketPool
    var context: StageContext
    var body: Body
    var input: PacketBatch
    var output: PacketBatch
    var seen: [Seen] = []
    /// Called with each packet that comes out, instead of the list ``seen``.
    var sink: ((borrowing Packet, Instant) -> Void)?

    init(
        _ body: consuming Body, batch: Int = 64, slots: Int = 4096, slotByteCount: Int = 256, seed: UInt64 = 1
    ) throws {
        pool = PacketPool(slotCount: slots, slotByteCount: slotByteCount, headroomByteCount: 16)
        context = StageContext(pool: pool, random: PRNG(seed: seed))
        self.body = body
        input = PacketBatch(capacity: batch)
        output = PacketBatch(capacity: batch)
        try self.body.start(context: &context)
    }

    /// Runs every deadline up to `instant`, then stands there.
    func run(to instant: Instant) throws {
        while let deadline = body.nextDeadline, deadline <= instant {
            if deadline > context.now { context.now = deadline }
            let before = (context.counters, output.count)
            try body.advance(into: &output, context: &context)
            let gave = drain() + (output.count - before.1)
            try body.process(&input, into: &output, context: &context)
            if drain() + gave == 0, body.nextDeadline == deadline, deadline <= context.now { break }
        }
        if instant > context.now { context.now = instant }
    }

    /// Gives the stage one packet at `instant`; false when the pool has none.
    @discardableResult
    func give(at instant: Instant, _ fill: (inout Packet) -> Void) throws -> Bool {
        try run(to: instant)
        guard var packet = context.allocate() else { return false }
        packet.info.arrival = instant
        fill(&packet)
        while input.isFull {
            try body.process(&input, into: &output, context: &context)
            guard drain() > 0 || !input.isFull else { return false }
        }
        input.append(packet)
        try turn()
        return true
    }

    /// Gives the stage an RTP-like packet without bytes.
    @discardableResult
    func give(
        _ sequence: Int64, at instant: Instant, epoch: UInt32 = 0, mark: UInt64 = 0, timestamp: UInt32 = 0,
        flags: PacketFlags = []
    ) throws -> Bool {
        try give(at: instant) { packet in
            packet.info.extendedSequence = sequence
            packet.info.epoch = epoch
            packet.info.rtpTimestamp = timestamp
            packet.info.flags = [.hasSequence, flags]
            packet.append(byteCount: 8) { $0.storeBytes(of: mark, as: UInt64.self) }
        }
    }

    /// Lets the stage work until nothing moves.
    func turn() throws {
        while true {
            let before = input.count
            try body.process(&input, into: &output, context: &context)
            if drain() == 0 && input.count == before { return }
        }
    }

    /// Ends the stream and runs the stage dry.
    func finish() throws {
        try turn()
        var turns = 0
        while true {
            try body.process(&input, into: &output, context: &context)
            let isDone = try input.isEmpty && body.finish(into: &output, context: &context)
            let gave = drain()
            if isDone && gave == 0 { return }
            turns += 1
            if gave == 0, let deadline = body.nextDeadline { try run(to: deadline) }
            if turns > 10_000_000 { fatalError("the stage never finishes") }
        }
    }

    @discardableResult
    func drain() -> Int {
        var count = 0
        while let packet = output.popFirst() {
            count += 1
            if let sink {
                sink(packet, context.now)
                continue
            }
            let mark = packet.byteCount >= 8 ? packet.bytes.unsafeLoadUnaligned(as: UInt64.self) : 0
            seen.append(
                Seen(
                    sequence: packet.info.extendedSequence, epoch: packet.info.epoch, mark: mark,
                    instant: context.now))
        }
        return count
    }
}

func milliseconds(_ count: Int64) -> Instant { Instant(nanoseconds: count * 1_000_000) }
