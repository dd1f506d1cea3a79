import CAllocationCounter
import FreshetCore
import FreshetEngine
import FreshetNet

/// A relay of a tree between a source and its children, with real sockets on the loopback, all on one thread. What the
/// threads of the coordinator and of the control channels allocate is not counted, nor what the source and the children do.
final class TreeCase {
    private static let childCount = 4
    private static let patience = Nanoseconds.seconds(20)
    private static let windowCount = 160
    private static let windowTurnCount = 50

    private let registry = StageRegistry()
    /// The source, the relay, the children: in each the stage of the tree, and its line.
    private var members: [(stage: AnyStage, line: Line)] = []
    private var sinks: [AnyStage] = []
    private var relay: AnyStage { members[1].stage }
    /// Declared last, so that they go last: stages hold packets until they go themselves.
    private var pools: [PacketPool] = []

    init(
        source makeSource: (consuming StageContext) -> AnyStage,
        sink makeSink: (consuming StageContext) -> AnyStage
    ) throws {
        let first = contexts(seed: 1)
        let origin = try stage(
            "tree-send",
            [("name", "check"), ("listen", "127.0.0.1:0"), ("children", "1"), ("pass", "false")], first())
        try add(origin, [makeSource(first()), try stage("packetize", [], first()), origin])
        var url = ""
        while let event = origin.context.events.popFirst() {
            if case .notice(let text) = event { url = String(text.split(separator: " ").last ?? "") }
        }
        let relay = try stage(
            "tree-receive", [("url", url), ("give", "false"), ("children", "\(TreeCase.childCount)")],
            contexts(seed: 2)())
        try add(relay, [relay])
        // One after the other, so that the relay is the source's one child.
        try turn(for: "the relay's packets") { $0.receivedCount > 0 }
        for number in 0..<TreeCase.childCount {
            let context = contexts(seed: UInt64(10 + number))
            let child = try stage("tree-receive", [("url", url), ("no-forward", "true")], context())
            sinks.append(makeSink(context()))
            try add(child, [child, sinks[number]])
        }
        try turn(for: "packets at all children") {
            $0.sinks.allSatisfy { $0.context.counters[.packetsIn] > 0 }
        }
    }

    /// Makes contexts of one pool.
    private func contexts(seed: UInt64) -> () -> StageContext {
        let pool = PacketPool(slotCount: 8192)
        pools.append(pool)
        return { StageContext(pool: pool, random: PRNG(seed: seed)) }
    }

    private func stage(
        _ name: String, _ texts: [(name: String, text: String)], _ context: consuming StageContext
    ) throws -> AnyStage {
        guard let kind = registry[name] else { throw StageError.usage("there is no stage \(name)") }
        return try kind.make(try StageArguments(descriptor: kind.descriptor, texts: texts), context)
    }

    private func add(_ stage: AnyStage, _ stages: [AnyStage]) throws {
        let steps = stages.map { LineStep($0, at: nil, batchCapacity: 64) }
        let line = Line(steps, hasOwnSource: true, isBranch: false, release: {})
        try line.start(now: MonotonicClock.now)
        members.append((stage, line))
    }

    private var receivedCount: Int { relay.context.counters[.received] }

    /// One turn of everybody; gives what the relay's allocated.
    private func turn() -> Int {
        var allocations = 0
        for (index, member) in members.enumerated() {
            member.stage.context.isReadable = true
            member.stage.context.isControlReadable = true
            let now = MonotonicClock.now
            if index == 1 { allocation_counter_begin() }
            _ = member.line.turn(now: now)
            if index == 1 { allocations = allocation_counter_end() }
        }
        return allocations
    }

    private func turn(for what: String, until isDone: (TreeCase) -> Bool) throws {
        let limit = MonotonicClock.now + TreeCase.patience
        while !isDone(self) {
            if MonotonicClock.now > limit { throw StageError.failure("waited in vain for \(what)") }
            _ = turn()
        }
    }

    /// The fewest allocations of the relay in one of many windows, and how many packets it took in that: what it tells
    /// the coordinator once in a while is no part of the path of packets, and a window is short beside that while on a
    /// slow machine too.
    func measure() -> (allocations: Int, packetCount: Int) {
        for _ in 0..<80 * TreeCase.windowTurnCount { _ = turn() }
        var best = (allocations: Int.max, packetCount: 0)
        for _ in 0..<TreeCase.windowCount {
            let before = receivedCount
            var allocations = 0
            for _ in 0..<TreeCase.windowTurnCount { allocations += turn() }
            let packetCount = receivedCount - before
            // How many packets come in a window is the machine's business: of equal ones the fullest tells most.
            if (allocations, -packetCount) < (best.allocations, -best.packetCount) {
                best = (allocations, packetCount)
            }
        }
        return best
    }
}
