import FreshetCore
import FreshetOverlay
import FreshetWire

/// A relay tree in virtual time: the shipping coordinator and a shipping node per viewer on a simulated
/// internet, one queue, one source of chance: a seed gives the same run on every machine.
struct TreeSimulation: ~Copyable {
    let scenario: TreeScenario
    let map: TreeMap
    let clock: StreamClock
    /// CPU time, for the coordinator's share of it; told by the caller, and changing nothing.
    let threadTime: () -> Int64
    /// Hosts that may be there: the source, the viewers at first, the standbys, and room for those who come.
    let hostCount: Int
    let hosts: UnsafeMutablePointer<TreeHost>
    let isAlive: UnsafeMutablePointer<Bool>
    let views: UnsafeMutablePointer<Viewing>
    /// Times that each place was taken: another life has another port.
    let lives: UnsafeMutablePointer<Int32>

    var now = Instant.zero
    var queue = EventQueue<TreeEventKind>(capacity: 1 << 16)
    var digest = Digest()
    /// Chance of the network, of what breaks, and of the nodes.
    var weather: PRNG
    var fate: PRNG
    let nodeChance: PRNG

    /// The last packets, a ticket each, for the histories of repair. (Before the pool, which outlives it.)
    var packets: FixedSlots<Packet>
    var hold: Hold
    let pool: PacketPool
    var emitted: Int64 = 0

    var coordinator = Berth<Coordinator>()
    var messages: [ControlMessage?] = []
    var freeMessages: [Int32] = []
    var hostOfConnection: [Int32] = [-1]
    var hostOfMember: [UInt32: Int32] = [:]
    var coordinatorNanoseconds: Int64 = 0
    var eraBase: UInt32 = 1
    var measuredMessages = MessageSizes()

    var freeSpots: [Int32] = []
    /// Everybody who is there, and where in the list.
    var present: [Int32] = []
    var placeOfPresent: [Int32]
    var struckAt: Instant?
    var struck: [Int32] = []
    /// Members that were above themselves when last looked at, and since when.
    var loops: [(index: Int32, life: Int32, stripe: Int, since: Instant)] = []
    /// A loop must be gone after so long.
    static let loopLimit = Nanoseconds.milliseconds(750)
    var totals = TreeTotals()
    var violation: Violation?
    /// When the last of those that are held up goes on.
    var stallEnd = Instant.zero
    var sourceSecond: Int64 = 0
    var events: UInt64 = 0

    static let streamSSRC: UInt32 = 0xABC0
    /// Every number of stripes divides it, so that a packet's stripe is its number's.
    static let firstSequence: Int64 = 720_720

    /// The world of `scenario`; all chance comes from `seed`.
    init(_ scenario: TreeScenario, seed: UInt64, threadTime: @escaping () -> Int64) {
        let chance = PRNG(seed: seed)
        self.scenario = scenario
        self.threadTime = threadTime
        let first = 1 + scenario.nodeCount + scenario.standbyCount
        hostCount = first + (scenario.churnPerThousandSeconds > 0 ? scenario.nodeCount / 8 + 64 : 0)
        var layout = chance.split(by: 1)
        map = TreeMap(scenario, count: hostCount, random: &layout)
        weather = chance.split(by: 2)
        fate = chance.split(by: 3)
        nodeChance = chance.split(by: 4)
        clock = StreamClock(start: 300_000_000, interval: scenario.interval.count)
        hosts = .allocate(capacity: hostCount)
        isAlive = .allocate(capacity: hostCount)
        isAlive.initialize(repeating: false, count: hostCount)
        views = .allocate(capacity: hostCount)
        views.initialize(repeating: Viewing(), count: hostCount)
        lives = .allocate(capacity: hostCount)
        lives.initialize(repeating: 0, count: hostCount)
        pool = PacketPool(slotCount: 1 << 20, slotByteCount: 1536, headroomByteCount: 0)
        hold = Hold(pools: [pool])
        packets = FixedSlots(capacity: 256)
        placeOfPresent = Array(repeating: -1, count: hostCount)
        freeSpots = (Int32(first)..<Int32(max(first, hostCount))).reversed()
        startCoordinator()
        begin(first)
    }

    deinit {
        for index in 0..<hostCount where isAlive[index] { (hosts + index).deinitialize(count: 1) }
        hosts.deallocate()
        isAlive.deallocate()
        views.deallocate()
        lives.deallocate()
    }

    private mutating func begin(_ first: Int) {
        queue.insert(.join, at: .zero, target: 0)
        for index in 1..<first {
            let isStandby = index > scenario.nodeCount
            let step = scenario.joinsWithin.count / Int64(max(1, scenario.nodeCount))
            let at: Int64 = isStandby ? 400_000_000 : 500_000_000 + step * Int64(index - 1)
            queue.insert(.join, at: Instant(nanoseconds: at), target: Int32(index))
        }
        queue.insert(.emit, at: Instant(nanoseconds: clock.start), target: 0)
        queue.insert(.coordinatorWake, at: Instant(nanoseconds: 10_000_000), target: 0)
        queue.insert(.inspection, at: Instant(nanoseconds: 1_000_000_000), target: 0)
        queue.insert(.secondPassed, at: Instant(nanoseconds: 1_000_000_000), target: 0)
        if scenario.churnPerThousandSeconds > 0 {
            queue.insert(.churn, at: .zero + scenario.churnFrom, target: 0)
        }
        if scenario.strike != .none || scenario.flaw == .cycle {
            queue.insert(.strike, at: .zero + scenario.strikeAt, target: 0)
        }
    }

    /// Runs to the end, or to the first broken invariant.
    mutating func run() {
        let end = Instant.zero + scenario.duration
        while let event = queue.popFirst(through: end) {
            now = event.time
            if now < stallEnd, postpone(event) { continue }
            handle(event)
            if violation != nil { break }
        }
        if violation == nil { now = end }
        finish()
        digest.mix(UInt64(bitPattern: totals.inTimeCount))
    }

    private mutating func handle(_ event: Event<TreeEventKind>) {
        switch event.kind {
        case .packet: packetArrives(Int64(event.cargo), at: event.target, from: event.extra, .original)
        case .repair, .late: packetArrives(Int64(event.cargo), at: event.target, from: event.extra, .repair)
        case .stray: packetArrives(Int64(event.cargo), at: event.target, from: event.extra, .stray)
        case .plea: answerPlea(hold.take(event.cargo))
        case .datagram: datagramArrives(hold.take(event.cargo), isRepair: false)
        case .repairControl: datagramArrives(hold.take(event.cargo), isRepair: true)
        case .wake: wake(event.target, life: event.cargo)
        case .emit: emit()
        case .message: messageArrives(event.cargo, at: event.target, connection: UInt32(event.extra))
        case .petition: petitionArrives(event.cargo, connection: UInt32(event.extra), from: event.target)
        case .coordinatorWake: coordinatorWakes()
        case .join: join(event.target)
        case .connected: connected(event.target, life: event.cargo)
        case .hangUp: hangUp(UInt32(event.extra))
        case .churn: churn()
        case .strike: strike()
        case .remedy: remedy(event.target)
        case .gone: gone(event.target, life: event.cargo)
        case .inspection: inspect()
        case .secondPassed: secondPassed()
        }
    }

    /// Breaks the run.
    mutating func fail(_ invariant: Invariant, _ host: Int32, _ detail: String) {
        if violation != nil { return }
        let who = host < 0 ? "the tree" : host == 0 ? "the source" : "viewer \(host)"
        violation = Violation(invariant: invariant, time: now, host: who, detail: detail)
    }

    // MARK: Who is where

    func address(_ index: Int32, life: Int32) -> PeerAddress {
        let network = UInt32(Int(index) / TreeMap.perNetwork)
        let host = UInt32(Int(index) % TreeMap.perNetwork)
        return PeerAddress(
            v4: 0x0A00_0000 + (network << 8 | host + 1), port: UInt16(5000 + Int(life) % 60_000))
    }

    /// Whose address `address` is; -1 when nobody's any more.
    func host(at address: PeerAddress) -> Int32 {
        guard let v4 = address.v4 else { return -1 }
        let number = v4 &- 0x0A00_0000
        let index = Int(number >> 8) * TreeMap.perNetwork + Int(number & 0xFF) - 1
        guard index >= 0, index < hostCount,
            address.port == UInt16(5000 + Int(lives[index]) % 60_000)
        else { return -1 }
        return Int32(index)
    }

    // MARK: Coming and going

    mutating func join(_ index: Int32) {
        if isAlive[Int(index)] { return connect(index) }
        lives[Int(index)] += 1
        let life = lives[Int(index)]
        var configuration = TreeNodeConfiguration()
        configuration.join.stream = "show"
        configuration.join.addresses = [address(index, life: life)]
        let children = Int(map.spots[Int(index)].children) * (scenario.flaw == .slots && index > 0 ? 2 : 1)
        configuration.join.childLimit = UInt32(children)
        configuration.join.forwards = children > 0
        configuration.windowPacketCount = 1024
        configuration.transmitLimit = 4096
        if index == 0 {
            configuration.join.role = .source
            configuration.join.epoch = TreeSimulation.streamSSRC
        } else if Int(index) > scenario.nodeCount,
            Int(index) <= scenario.nodeCount + scenario.standbyCount
        {
            configuration.join.role = .standby
            configuration.join.childLimit = UInt32(scenario.children)
        }
        adapt(&configuration)
        let chance = nodeChance.split(by: UInt64(UInt32(bitPattern: index)) << 32 | UInt64(life))
        (hosts + Int(index)).initialize(
            to: TreeHost(node: TreeNode(configuration: configuration, random: chance, now: now)))
        if scenario.lossTo > 0, scenario.scheme == .freshet, scenario.stripeCount == 1 {
            hosts[Int(index)].repair.put(
                HopRepair(
                    latency: scenario.latency, packetRate: scenario.packetRate,
                    ssrc: 1000 + UInt32(index), random: chance.split(by: 7)))
        }
        isAlive[Int(index)] = true
        views[Int(index)] = Viewing()
        views[Int(index)].since = now.nanoseconds
        placeOfPresent[Int(index)] = Int32(present.count)
        present.append(index)
        connect(index)
    }

    private func adapt(_ configuration: inout TreeNodeConfiguration) {
        // Pulses are for stripes that pause; the stream here comes in bigger packets than a real one.
        let gap = scenario.interval * Int64(scenario.stripeCount)
        if gap * 2 > configuration.pulseInterval { configuration.pulseInterval = gap * 2 }
        if scenario.scheme == .prm { configuration.silenceLimit = RandomForwarding.detection }
        if scenario.flaw == .split || scenario.flaw == .cycle {
            configuration.silenceLimit = .seconds(1_000_000)
            configuration.stayLimit = .seconds(1_000_000)
        }
    }

    /// A connection takes a round trip; what is said on it begins after that.
    mutating func connect(_ index: Int32) {
        let trip = Nanoseconds(2 * map.delay(index, 0))
        queue.insert(.connected, at: now + trip, target: index, cargo: lives[Int(index)])
    }

    private mutating func connected(_ index: Int32, life: Int32) {
        guard isAlive[Int(index)], lives[Int(index)] == life else { return }
        if coordinator.value == nil {
            // Nobody answers: again in a moment.
            let pause = Nanoseconds.milliseconds(250 + Int64(fate.below(500)))
            return queue.insert(.join, at: now + pause, target: index)
        }
        guard hosts[Int(index)].connection == 0 else { return }
        hosts[Int(index)].connection = UInt32(hostOfConnection.count)
        hostOfConnection.append(index)
        if views[Int(index)].connectedAt < 0 { views[Int(index)].connectedAt = now.nanoseconds }
        hosts[Int(index)].node.connected(now: now)
        settle(index)
    }

    /// `index` is gone without a word. `resets`: its connections are closed by its system.
    mutating func crash(_ index: Int32, resets: Bool) {
        guard index > 0, isAlive[Int(index)] else { return }
        totals.crashCount += 1
        if resets, hosts[Int(index)].connection != 0 {
            queue.insert(
                .hangUp, at: now + Nanoseconds(map.delay(index, 0)), target: 0,
                extra: Int32(hosts[Int(index)].connection))
        } else if hosts[Int(index)].connection != 0 {
            // What the system's keep-alive takes.
            queue.insert(
                .hangUp, at: now + .seconds(10), target: 0, extra: Int32(hosts[Int(index)].connection))
        }
        remove(index)
    }

    mutating func gone(_ index: Int32, life: Int32) {
        guard isAlive[Int(index)], lives[Int(index)] == life else { return }
        if hosts[Int(index)].connection != 0 {
            queue.insert(
                .hangUp, at: now + Nanoseconds(map.delay(index, 0)), target: 0,
                extra: Int32(hosts[Int(index)].connection))
        }
        remove(index)
    }

    private mutating func remove(_ index: Int32) {
        close(index)
        (hosts + Int(index)).deinitialize(count: 1)
        isAlive[Int(index)] = false
        freeSpots.append(index)
        let place = Int(placeOfPresent[Int(index)])
        let last = present.removeLast()
        if place < present.count {
            present[place] = last
            placeOfPresent[Int(last)] = Int32(place)
        }
        placeOfPresent[Int(index)] = -1
    }

    // MARK: A node is called

    /// A node's deadline is there.
    private mutating func wake(_ index: Int32, life: Int32) {
        guard isAlive[Int(index)], lives[Int(index)] == life, hosts[Int(index)].wakeAt == now else { return }
        hosts[Int(index)].wakeAt = .distantFuture
        if let due = hosts[Int(index)].node.nextDeadline, due <= now {
            hosts[Int(index)].node.advance(to: now)
        }
        if let repair = hosts[Int(index)].repair.value, repair.pointee.isDue(now) { pumpRepair(index) }
        settle(index)
    }

    /// Puts what a node gives on its way and notes its next deadline.
    mutating func settle(_ index: Int32) {
        if hosts[Int(index)].node.hasOutput { drain(index) }
        guard isAlive[Int(index)] else { return }
        var deadline = hosts[Int(index)].node.nextDeadline
        if let repair = hosts[Int(index)].repair.value {
            deadline = earliest(deadline, repair.pointee.deadline())
        }
        guard let deadline, deadline < hosts[Int(index)].wakeAt else { return }
        let time = max(deadline, now)
        hosts[Int(index)].wakeAt = time
        queue.insert(.wake, at: time, target: index, cargo: lives[Int(index)])
    }

    private mutating func drain(_ index: Int32) {
        while hosts[Int(index)].node.hasOutput {
            var transmit: TreeNode.Transmit?
            guard var packet = pool.allocate() else { preconditionFailure("the network is full") }
            packet.append(byteCount: 256) { transmit = hosts[Int(index)].node.nextTransmit(into: &$0) }
            guard let transmit else { break }
            packet.removeLast(256 - transmit.byteCount)
            sendDatagram(packet, from: index, to: host(at: transmit.address), .datagram)
        }
        while let message = hosts[Int(index)].node.nextMessage() {
            petition(message, from: index)
        }
        while let event = hosts[Int(index)].node.nextEvent() { handle(event, index) }
    }

    private mutating func handle(_ event: TreeEvent, _ index: Int32) {
        switch event {
        case .linkOpened(let link, let address, _):
            while hosts[Int(index)].peers.count <= link {
                hosts[Int(index)].peers.append(-1)
                hosts[Int(index)].linkFree.append(.zero)
            }
            hosts[Int(index)].peers[link] = host(at: address)
            hosts[Int(index)].linkFree[link] = .zero
        case .linkClosed(let link):
            hosts[Int(index)].peers[link] = -1
            if hosts[Int(index)].parentLink == link {
                hosts[Int(index)].parentLink = -1
                hosts[Int(index)].parentPeer = -1
            }
        case .serve(let link, let stripes, let from): serve(index, link, stripes, from)
        case .parentChanged(let stripe, let link): parentChanged(index, stripe, link)
        case .parentReplaced: break
        case .left:
            queue.insert(.gone, at: now + .milliseconds(1), target: index, cargo: lives[Int(index)])
        case .refused, .ended, .punch, .childrenChanged, .linkMoved, .train: break
        }
    }

    private mutating func parentChanged(_ index: Int32, _ stripe: Int, _ link: Int) {
        let peer = hosts[Int(index)].peers[link]
        if stripe == 0 {
            hosts[Int(index)].parentLink = link
            hosts[Int(index)].parentPeer = peer
        }
        if let repair = hosts[Int(index)].repair.value {
            repair.pointee.receiver.changeSource(
                now: now, roundTrip: hosts[Int(index)].node.roundTrip(of: link))
        }
        totals.moveCount += 1
        checkLoop(index, stripe)
    }
}
