import CAllocationCounter
import FreshetCore
import FreshetEngine
import FreshetNet

/// A sender and a receiver over a way that loses packets, with real sockets on the loopback, on one thread: what both
/// allocate while packets go, are missed, asked for and sent again.
final class LinkCase {
    private static let patience = Nanoseconds.seconds(20)
    private static let windowTurnCount = 400

    private let way: LossyWay
    private let sending: Line
    private let receiving: Line
    private let receiver: AnyStage
    private let sender: AnyStage
    private let sink: AnyStage
    /// Declared last, so that they go last: stages hold packets until they go themselves.
    private let pools: [PacketPool]

    init(
        source makeSource: (consuming StageContext) -> AnyStage,
        sink makeSink: (consuming StageContext) -> AnyStage
    ) throws {
        let registry = StageRegistry()
        let pools = [PacketPool(slotCount: 16_384), PacketPool(slotCount: 16_384)]
        func stage(_ name: String, _ texts: [(name: String, text: String)], _ pool: Int) throws -> AnyStage {
            guard let kind = registry[name] else { throw StageError.usage("there is no stage \(name)") }
            let context = StageContext(pool: pools[pool], random: PRNG(seed: UInt64(pool)))
            return try kind.make(try StageArguments(descriptor: kind.descriptor, texts: texts), context)
        }
        func line(_ stages: [AnyStage]) throws -> Line {
            let steps = stages.map { LineStep($0, at: nil, batchCapacity: 64) }
            let line = Line(steps, hasOwnSource: true, isBranch: false, release: {})
            try line.start(now: MonotonicClock.now)
            return line
        }
        way = try LossyWay()
        self.pools = pools
        receiver = try stage("udp-receive", [("url", "rtp://127.0.0.1:\(way.receiverPort)")], 1)
        sink = makeSink(StageContext(pool: pools[1], random: PRNG(seed: 3)))
        receiving = try line(
            [receiver, try stage("reorder", [], 1), try stage("depacketize", [], 1), sink])
        sender = try stage("udp-send", [("to", "rtp://127.0.0.1:\(way.port)")], 0)
        let source = makeSource(StageContext(pool: pools[0], random: PRNG(seed: 4)))
        sending = try line([source, try stage("packetize", [], 0), sender])
        let limit = MonotonicClock.now + LinkCase.patience
        while repairCount < 100 {
            if MonotonicClock.now > limit { throw StageError.failure("waited in vain for repairs") }
            _ = turn()
        }
    }

    private var packetCount: Int { sink.context.counters[.packetsIn] }
    private var repairCount: Int { sender.context.counters[.repairsOut] }

    /// One turn of both; gives what they allocated.
    private func turn() -> Int {
        for stage in [sender, receiver] {
            stage.context.isReadable = true
            stage.context.isControlReadable = true
        }
        allocation_counter_begin()
        _ = sending.turn(now: MonotonicClock.now)
        way.carry()
        _ = receiving.turn(now: MonotonicClock.now)
        way.carry()
        return Int(allocation_counter_end())
    }

    /// The fewest allocations in one of 20 windows, and how many packets and repairs were in it.
    func measure() -> (allocations: Int, packetCount: Int, repairCount: Int) {
        var best = (allocations: Int.max, packetCount: 0, repairCount: 0)
        for _ in 0..<20 {
            let (packets, repairs) = (packetCount, repairCount)
            var allocations = 0
            for _ in 0..<LinkCase.windowTurnCount { allocations += turn() }
            if allocations < best.allocations {
                best = (allocations, packetCount - packets, repairCount - repairs)
            }
        }
        return best
    }
}
