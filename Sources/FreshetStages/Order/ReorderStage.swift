public import FreshetCore

/// Gives RTP packets in the order in which they were sent, waiting at most `latency` for a missing one.
///
/// A packet in order is handed on at once. Behind a gap packets wait until the gap is filled, or until one of
/// them has waited `latency` since it arrived; then the gap is given up. The very first packets wait for
/// `latency` too, for those that were sent before and arrive after them, unless 2048 in a row have come in
/// order: at hundreds of Mbit/s that spares megabytes. Packets without a sequence number
/// pass as they are.
public struct ReorderStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "reorder", summary: "gives RTP packets in the order they were sent",
            takes: [.rtp, .transportStream],
            gives: [.rtp, .transportStream],
            parameters: [
                StageParameter(
                    "latency", .latency, default: "200ms",
                    "how long a packet waits for missing ones before it; auto: as the packets say"),
                StageParameter(
                    "capacity", .integer(64...1_048_576), default: "8192",
                    "how many packets can wait; rounded up to a power of two"),
            ],
            example:
                "multicast-receive group=239.77.1.1:5004 ! reorder latency=200 ! depacketize ! file path=show.ts"
        )
    }

    private var latency: Nanoseconds
    private var buffer: ReorderBuffer
    private var deadline: Instant?
    private var patience = GapPatience()
    /// An overdue gap waits for the next turn.
    private var mustLookAgain = false

    /// A stage that waits `latency` and holds up to `capacity` packets (rounded up to a power of two, 64 at
    /// least).
    public init(latency: Nanoseconds, capacity: Int = 8192) {
        self.latency = max(latency, .zero)
        let size = capacity.roundedUpToPowerOfTwo(atLeast: 64)
        buffer = ReorderBuffer(capacity: size, keeping: .arrivals)
    }

    /// A stage with the parameters of the descriptor.
    public init(arguments: StageArguments) throws(StageError) {
        self.init(
            latency: arguments.latency("latency") ?? .milliseconds(200),
            capacity: arguments.integer("capacity") ?? 8192)
    }

    /// Takes in what came and gives what is in order or has waited long enough.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        patience.begin(input, now: context.now)
        release(into: &output, isComplete: false, context: &context)
        while !input.isEmpty && !output.isFull {
            // Packets that were made here and not received have come now.
            if input[0].info.arrival == .zero && input[0].isUnique { input[0].info.arrival = context.now }
            let info = input[0].info
            if info.latencyMilliseconds != 0 { latency = .milliseconds(Int64(info.latencyMilliseconds)) }
            if buffer.isNext(info) || !info.flags.contains(.hasSequence) {
                guard let packet = input.popFirst() else { break }
                if info.flags.contains(.hasSequence) { buffer.pass(info, counters: &context.counters) }
                output.append(packet)
                continue
            }
            _ = buffer.admit(&input, counters: &context.counters)
            release(into: &output, isComplete: input.isEmpty, context: &context)
        }
        release(into: &output, isComplete: input.isEmpty, context: &context)
        settle(&context)
    }

    /// Gives up the gaps whose time is over.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        release(into: &output, context: &context)
        settle(&context)
    }

    /// Gives everything that is held, in order.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        buffer.forceAll(counters: &context.counters)
        release(into: &output, context: &context)
        settle(&context)
        return buffer.isEmpty
    }

    /// When the packet that waits longest has waited long enough.
    public var nextDeadline: Instant? { deadline }

    /// ``nextDeadline``, how many packets wait, and what the next ones in order would do. Changes nothing: a
    /// mutating call is made where the stage is, and for a property the compiler moves something as large, which
    /// counts when there are thousands.
    public mutating func standing() -> (
        nextDeadline: Instant?, heldCount: Int, prospect: ReorderBuffer.Prospect
    ) {
        (deadline, buffer.heldCount, buffer.prospect())
    }

    /// Does what ``process(_:into:context:)`` does with `count` packets in order, up to extended sequence
    /// number `last`, each of which the caller gives on itself; while ``standing()`` says that they
    /// pass. A simulator with many receivers tells each of a whole run of packets at once.
    public mutating func passRun(through last: Int64, count: Int, lastArrival: Instant) {
        buffer.passRun(through: last, count: count, lastArrival: lastArrival)
    }

    /// Gives what is ready, and gives gaps up once all of the input has been taken in.
    private mutating func release(
        into output: inout PacketBatch, isComplete: Bool = true, context: inout StageContext
    ) {
        if context.isStopping { buffer.forceAll(counters: &context.counters) }
        let limit = context.now - latency
        if let arrival = buffer.suspectArrival, arrival <= limit {
            _ = buffer.settleSuspect(counters: &context.counters)
        }
        buffer.forceOrderlyStart()
        while !output.isFull {
            if let packet = buffer.popReady(counters: &context.counters) {
                output.append(packet)
                continue
            }
            guard isComplete, let oldest = buffer.oldestArrival(), oldest.arrival <= limit else { return }
            guard patience.allows(oldest.arrival + latency, now: context.now) else {
                mustLookAgain = true
                return
            }
            buffer.force(through: oldest.position)
        }
    }

    private mutating func settle(_ context: inout StageContext) {
        context.counters[.queued] = buffer.heldCount
        let oldest = earliest(buffer.oldestArrival()?.arrival, buffer.suspectArrival)
        deadline = oldest.map { $0 + latency }
        if mustLookAgain { deadline = deadline.map { max($0, context.now + Nanoseconds(1)) } }
        mustLookAgain = false
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(ReorderStage.self, in: $0) }
