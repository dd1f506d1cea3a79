import FreshetCore
import FreshetStages
import FreshetWire

/// A simulated network with hosts on it, in virtual time: takes the next event, tells whom it concerns, puts
/// what they send on its way.
///
/// One thread, one queue, one source of chance: a seed gives the same run on every machine.
struct World<Node: Host & ~Copyable>: ~Copyable {
    let scenario: Scenario
    var now = Instant.zero
    var queue = EventQueue<WorldEvent>()
    var hold: Hold
    var net: Topology
    var digest = Digest()
    var faults: FaultSchedule
    var line: HostLine
    /// Bytes of a media packet that are counted and not carried.
    let elidedByteCount: Int
    var losers: [Int32] = []
    var random: PRNG
    let blueprint: HostBlueprint
    let nodes: UnsafeMutablePointer<Node>
    /// Which of them are there.
    let isThere: UnsafeMutablePointer<Bool>
    /// What members asleep are told later, for each class that has members asleep.
    let logs: UnsafeMutablePointer<PacketLog>
    /// The same of other datagrams.
    let passings: UnsafeMutablePointer<PassingLog>
    /// Members of a class that were told of a datagram at once.
    var told: [Int32] = []
    /// What looks at hosts found, which nobody wants to know; it keeps them from being optimised away.
    var glances = 0
    let repairsInGroup: Bool

    /// The world of `scenario`; all chance comes from `seed`.
    init(_ scenario: Scenario, seed: UInt64) {
        let chance = PRNG(seed: seed)
        var layout = chance.split(by: 1)
        self.scenario = scenario
        repairsInGroup = scenario.repair.mode == .group
        net = Topology(scenario, random: &layout)
        faults = FaultSchedule(scenario, net, random: chance.split(by: 2))
        random = chance.split(by: 3)
        elidedByteCount = max(
            0,
            scenario.stream.packetByteCount - RTPHeader.fixedByteCount - scenario.stream.carriedByteCount)
        let checkers = Checkers(
            scenario, names: net.names, receiverCount: net.stations.count { $0.role == .receiver },
            segmentCount: net.segments.count,
            lastFault: Instant.zero + faults.lastEnd)
        line = HostLine(
            hostCount: net.stations.count, carriedByteCount: scenario.stream.carriedByteCount,
            checkers: checkers)
        hold = Hold(pools: [line.mediaPool, line.controlPool])
        blueprint = HostBlueprint(scenario, net, random: chance.split(by: 4))
        nodes = .allocate(capacity: max(net.stations.count, 1))
        isThere = .allocate(capacity: max(net.stations.count, 1))
        isThere.initialize(repeating: false, count: max(net.stations.count, 1))
        logs = .allocate(capacity: net.groups.count)
        passings = .allocate(capacity: net.groups.count)
        for index in net.groups.indices {
            (logs + index).initialize(to: PacketLog(pool: line.mediaPool, heldCount: blueprint.heldCount))
            (passings + index).initialize(to: PassingLog(pool: line.controlPool))
        }
        begin()
    }

    deinit {
        for index in net.stations.indices where isThere[index] { (nodes + index).deinitialize(count: 1) }
        nodes.deallocate()
        isThere.deallocate()
        logs.deinitialize(count: net.groups.count)
        logs.deallocate()
        passings.deinitialize(count: net.groups.count)
        passings.deallocate()
    }

    /// Where the run ends: the stream's end, and time for the last repairs.
    var end: Instant { Instant.zero + scenario.duration + scenario.latency + .seconds(1) }

    private mutating func begin() {
        for index in net.stations.indices {
            let span = scenario.hosts[Int(net.stations[index].plan)].joinsWithin.count
            let joinsAt =
                span > 0 ? Instant(nanoseconds: Int64(random.below(UInt64(span)))) : Instant.zero
            if joinsAt == .zero {
                arrive(Int32(index))
            } else {
                queue.insert(.remedy, at: joinsAt, target: -1, extra: Int32(index))
            }
        }
        for index in faults.items.indices {
            queue.insert(.fault, at: faults.items[index].at, target: Int32(index))
        }
        queue.insert(.inspection, at: Instant.zero + .seconds(1), target: 0)
    }

    /// Runs to the end, or to the first broken invariant.
    mutating func run() {
        let end = end
        while let event = queue.popFirst(through: end) {
            now = event.time
            line.checkers.now = now
            handle(event)
            if line.checkers.violation != nil { return }
        }
        now = end
        line.checkers.now = end
        for node in net.stations.indices where net.stations[node].isPresent {
            catchUp(Int32(node))
            call(Int32(node)) { $0.finish(&$1) }
            // What is said now arrives after the end.
            while line.outbox.popFirst() != nil {}
        }
        line.checkers.finish()
        digest.mix(UInt64(truncatingIfNeeded: line.checkers.totals.deliveredCount))
    }

    private mutating func handle(_ event: Event<WorldEvent>) {
        switch event.kind {
        case .deadline:
            let station = net.stations[Int(event.target)]
            guard station.life == event.cargo, station.scheduledAt == event.time else { return }
            net.stations[Int(event.target)].scheduledAt = .distantFuture
            let isAgain = station.calledAt == now
            net.stations[Int(event.target)].calledAt = now
            net.stations[Int(event.target)].callCount = isAgain ? station.callCount + 1 : 0
            if station.callCount > 10_000 {
                return line.checkers.fail(.rest, event.target, "wants to be called without end")
            }
            touch(event.target) { $0.advance(&$1) }
        case .entersSegment: entersSegment(event.target, hold.take(event.cargo))
        case .entersCore: entersCore(event.target, hold.take(event.cargo))
        case .reachesSegment: reachesSegment(event.target, hold.take(event.cargo))
        case .reachesLine: reachesLine(event.target, hold.take(event.cargo))
        case .reachesClass: reachesClass(event.target, hold.take(event.cargo))
        case .reachesMember: reachesMember(event.target, hold.take(event.cargo))
        case .fault: breaks(Int(event.target))
        case .remedy: mends(Int(event.target), extra: event.extra)
        case .inspection:
            if let due = line.checkers.numberDue { sweep(behind: due) }
            line.checkers.inspect()
            queue.insert(.inspection, at: now + .seconds(1), target: 0)
        }
    }

    // MARK: Hosts

    /// Creates the node at a place.
    mutating func create(_ index: Int32) {
        let reading = net.stations[Int(index)].clock.reading(at: now)
        destroy(index)
        (nodes + Int(index)).initialize(
            to: Node(blueprint, host: index, life: net.stations[Int(index)].life, now: reading))
        isThere[Int(index)] = true
    }

    /// Takes the node at a place away.
    mutating func destroy(_ index: Int32) {
        if isThere[Int(index)] { (nodes + Int(index)).deinitialize(count: 1) }
        isThere[Int(index)] = false
    }

    /// Calls a node, without looking whether it was asleep.
    @inline(__always)
    mutating func call(_ index: Int32, _ body: (inout Node, inout HostLine) -> Void) {
        if !isThere[Int(index)] { return }
        line.now = net.stations[Int(index)].clock.reading(at: now)
        line.host = index
        body(&(nodes + Int(index)).pointee, &line)
    }

    /// Tells a node something: first what it slept through; then what it sends goes on its way and its
    /// deadline is noted.
    mutating func touch(_ index: Int32, _ body: (inout Node, inout HostLine) -> Void) {
        catchUp(index)
        call(index, body)
        drain(index)
        guard isThere[Int(index)] else { return }
        let standing = (nodes + Int(index)).pointee.standing()
        if let deadline = standing.deadline { schedule(index, deadline) }
        settle(index, standing)
    }

    /// Puts what a node gave on its way.
    mutating func drain(_ index: Int32) {
        while let outgoing = line.outbox.popFirst() { send(outgoing, from: index) }
    }

    /// Notes a node's next deadline.
    @inline(__always)
    mutating func schedule(_ index: Int32, _ deadline: Instant) {
        let time = max(net.stations[Int(index)].clock.time(of: deadline), now)
        // One that is later is found out when the earlier one is there.
        guard time < net.stations[Int(index)].scheduledAt else { return }
        net.stations[Int(index)].scheduledAt = time
        queue.insert(.deadline, at: time, target: index, cargo: net.stations[Int(index)].life)
    }
}
