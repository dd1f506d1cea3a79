import FreshetCore
import FreshetOverlay
import FreshetWire

/// A small seeded network of tree nodes and their coordinator in virtual time: every link message crosses it as bytes,
/// every control message as JSON text. Delay follows from places on a plane; loss, crashes and cut ways are switched on by
/// tests. Hop repair is a plain model (asked from the parent after a hole, then from the backup), since repair has nodes of
/// its own.
final class TreeWorld {
    struct Settings {
        var seed: UInt64 = 1
        var viewers = 20
        var children = 4
        var sourceChildren = 4
        var stripeCount = 1
        var packetInterval: Nanoseconds = .milliseconds(10)
        var latency: Nanoseconds = .milliseconds(800)
        var lossPerMille: UInt64 = 0
        /// Sides of the plane, in microseconds of one-way delay.
        var extent: Int64 = 40_000
        var accessDelay: Int64 = 3_000
        var standbys = 0
        var checksText = true
        /// Between one join and the next.
        var joinInterval: Nanoseconds = .milliseconds(5)
        /// Of a thousand viewers so many are behind a NAT that maps them the same way towards everybody, and behind one
        /// that does not.
        var conePerMille: UInt64 = 0
        var symmetricPerMille: UInt64 = 0
        var configure: (inout CoordinatorConfiguration) -> Void = { _ in }
    }

    final class Host {
        var node: TreeNode
        let x: Int64
        let y: Int64
        var isAlive = true
        /// Frozen hosts neither send nor receive (SIGSTOP); deaf ones send and hear nothing.
        var isFrozen = false
        var isDeaf = false
        var wake = Instant.distantFuture
        var connection: UInt32 = 0
        var joined = Instant.zero
        var firstPacket: Instant?
        var firstSequence: Int64?
        /// Packets that came in time, counted from the first; and how many were due.
        var inTime: [UInt8] = []
        var sentPackets = 0
        var history: [Int64] = []
        var movedAt: [Instant] = []
        var hasLeft = false
        var hasEnded = false

        init(node: consuming TreeNode, x: Int64, y: Int64) {
            self.node = node
            self.x = x
            self.y = y
        }
    }

    enum Kind {
        case packet(Int64)
        case datagram([UInt8])
        case control(ControlMessage)
        case toCoordinator(ControlMessage)
        case wake
        case coordinatorWake
        case emit
        case repair(Int64, Int)
        case repaired(Int64)
        case call(Int)
    }

    struct Event {
        var at: Instant
        var order: UInt64
        var node: Int
        var peer: Int
        var kind: Kind
        /// From where a datagram seems to come, and to where it was sent.
        var way: (from: PeerAddress, to: PeerAddress)?
    }

    let settings: Settings
    var now = Instant.zero
    var random: PRNG
    var hosts: [Host] = []
    var nats: [Int: Nat] = [:]
    var coordinator: Coordinator
    var isCoordinatorUp = true
    var coordinatorWake = Instant.distantFuture
    var heap: [Event] = []
    var order: UInt64 = 0
    var emitted: [Instant] = []
    var isEmitting = true
    var calls: [() -> Void] = []
    var nextConnection: UInt32 = 1
    var hostOfConnection: [UInt32: Int] = [:]
    var hostOfMember: [MemberID: Int] = [:]
    var problems: [String] = []
    var controlBytes = 0
    var maximalDepth = 0
    static let firstSequence: Int64 = 70_000
    /// A decoder can start at every so many packets.
    static let keyframeInterval: Int64 = 20

    init(_ settings: Settings) {
        self.settings = settings
        random = PRNG(seed: settings.seed)
        coordinator = TreeWorld.makeCoordinator(settings, random: random.split(by: 1))
        for index in 0...(settings.viewers + settings.standbys) { addHost(index) }
        at(.zero) { [unowned self] in connect(0) }
        for index in hosts.indices.dropFirst() {
            at(.milliseconds(50) + settings.joinInterval * Int64(index)) { [unowned self] in connect(index) }
        }
        schedule(.milliseconds(20), 0, 0, .emit)
    }

    static func makeCoordinator(_ settings: Settings, random: PRNG) -> Coordinator {
        var configuration = CoordinatorConfiguration()
        configuration.stream = "show"
        configuration.stripeCount = settings.stripeCount
        if settings.conePerMille + settings.symmetricPerMille > 0 {
            configuration.mirrorPorts = mirrorPorts
            configuration.mirrorKey = mirrorKey
        }
        settings.configure(&configuration)
        return Coordinator(configuration: configuration, key: SipKey(low: 5, high: 6), random: random)
    }

    func addHost(_ index: Int) {
        var configuration = TreeNodeConfiguration()
        configuration.join.stream = "show"
        configuration.join.addresses = [TreeWorld.address(index)]
        configuration.join.childLimit = UInt32(settings.children)
        if index == 0 {
            configuration.join.role = .source
            configuration.join.epoch = 0xABC0
            configuration.join.childLimit = UInt32(settings.sourceChildren)
        } else if index > settings.viewers, index <= settings.viewers + settings.standbys {
            configuration.join.role = .standby
        }
        if settings.conePerMille + settings.symmetricPerMille > 0 {
            nats[index] = makeNat(index)
            if index > 0 { configuration.coordinator = TreeWorld.coordinatorAddress }
            if nats[index] != nil { configuration.join.addresses = [TreeWorld.insideAddress] }
        }
        if settings.children == 0, index > 0 { configuration.join.forwards = false }
        let x = Int64(random.below(UInt64(settings.extent)))
        let y = Int64(random.below(UInt64(settings.extent)))
        let node = TreeNode(
            configuration: configuration, random: random.split(by: UInt64(1000 + index)), now: now)
        hosts.append(Host(node: node, x: x, y: y))
    }

    static func address(_ index: Int) -> PeerAddress {
        PeerAddress(v4: 0x0A00_0000 | UInt32(index), port: 5004)
    }

    static func index(of address: PeerAddress) -> Int { Int((address.v4 ?? 0) & 0xFF_FFFF) }

    // MARK: Time

    func at(_ span: Nanoseconds, _ body: @escaping () -> Void) {
        calls.append(body)
        schedule(span, 0, 0, .call(calls.count - 1))
    }

    func schedule(
        _ span: Nanoseconds, _ node: Int, _ peer: Int, _ kind: Kind,
        way: (from: PeerAddress, to: PeerAddress)? = nil
    ) {
        order += 1
        push(Event(at: now + span, order: order, node: node, peer: peer, kind: kind, way: way))
    }

    private func isBefore(_ a: Event, _ b: Event) -> Bool {
        a.at == b.at ? a.order < b.order : a.at < b.at
    }

    private func push(_ event: Event) {
        heap.append(event)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 4
            guard isBefore(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func pop() -> Event? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if heap.isEmpty { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in (4 * parent + 1)...(4 * parent + 4) where child < heap.count {
                if isBefore(heap[child], heap[least]) { least = child }
            }
            if least == parent { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    func run(until end: Nanoseconds) {
        while let first = heap.first, first.at <= Instant.zero + end {
            guard let event = pop() else { return }
            now = event.at
            handle(event)
        }
        now = Instant.zero + end
    }

    func delay(_ a: Int, _ b: Int) -> Nanoseconds {
        let dx = hosts[a].x - hosts[b].x
        let dy = hosts[a].y - hosts[b].y
        let root = Int64(Double(dx * dx + dy * dy).squareRoot())
        return .microseconds(2 * settings.accessDelay + root)
    }

    // MARK: Events

    private func handle(_ event: Event) {
        switch event.kind {
        case .call(let index): calls[index]()
        case .emit: emit()
        case .coordinatorWake:
            guard isCoordinatorUp, coordinatorWake <= now else { return }
            coordinatorWake = .distantFuture
            coordinator.advance(to: now)
            drainCoordinator()
        case .toCoordinator(let message):
            guard isCoordinatorUp, hosts[event.node].connection == UInt32(event.peer) else { return }
            coordinator.receive(
                message, from: UInt32(event.peer), observed: TreeWorld.address(event.node), now: now)
            drainCoordinator()
        default:
            let host = hosts[event.node]
            guard host.isAlive else { return }
            if host.isFrozen {
                if case .wake = event.kind { host.wake = .distantFuture }
                return
            }
            handle(event, host)
            drain(event.node)
        }
    }

    private func handle(_ event: Event, _ host: Host) {
        let sender = event.way?.from ?? TreeWorld.address(event.peer)
        if let way = event.way, !letsIn(event.node, from: way.from, at: way.to) { return }
        switch event.kind {
        case .packet(let sequence):
            if !host.isDeaf { take(sequence, at: event.node, from: sender) }
        case .datagram(let bytes):
            if !host.isDeaf {
                _ = host.node.read(bytes.span.bytes, from: sender, now: now)
            }
        case .control(let message):
            guard event.peer == Int(host.connection) else { return }
            host.node.receive(message, now: now)
            if case .welcome(let welcome) = message { hostOfMember[welcome.member] = event.node }
        case .wake:
            if host.wake <= now {
                host.wake = .distantFuture
                host.node.advance(to: now)
            }
        case .repair(let sequence, let tries): askRepair(sequence, tries, event.node)
        case .repaired(let sequence):
            if !host.isDeaf { take(sequence, at: event.node, from: sender) }
        default: break
        }
    }

    private func emit() {
        guard isEmitting, hosts[0].isAlive else { return }
        let sequence = TreeWorld.firstSequence + Int64(emitted.count)
        emitted.append(now)
        take(sequence, at: 0, from: nil)
        drain(0)
        schedule(settings.packetInterval, 0, 0, .emit)
    }

    private func take(_ sequence: Int64, at index: Int, from sender: PeerAddress?) {
        let host = hosts[index]
        let link = sender.flatMap { host.node.link(to: $0) }
        if sender != nil, link == nil { return }
        let before = host.node.highestSequence
        let noted = host.node.note(sequence, from: link, now: now)
        guard noted.isNew else { return }
        if index > 0 { noteDelivery(sequence, host) }
        host.history.append(sequence)
        if host.history.count > 600 { host.history.removeFirst(200) }
        for child in host.node.forwardLinks(of: noted.stripe) {
            forward(sequence, from: index, to: Int(child))
        }
        guard settings.lossPerMille > 0, sender != nil, let before, sequence > before + 1,
            sequence - before < 200
        else {
            return
        }
        for hole in (before + 1)..<sequence { schedule(.milliseconds(40), index, 0, .repair(hole, 0)) }
    }

    private func forward(_ sequence: Int64, from index: Int, to link: Int) {
        guard let address = hosts[index].node.address(of: link) else { return }
        send(.packet(sequence), from: index, to: address)
        hosts[index].sentPackets += 1
    }

    func send(_ kind: Kind, from: Int, to: Int, way: (from: PeerAddress, to: PeerAddress)) {
        guard hosts.indices.contains(to) else { return }
        if settings.lossPerMille > 0, random.chance(settings.lossPerMille, in: 1000) { return }
        schedule(delay(from, to) + .microseconds(Int64(random.below(500))), to, from, kind, way: way)
    }

    /// Hop repair as a model: the parent is asked, then backups; the answer takes a round trip.
    private func askRepair(_ hole: Int64, _ tries: Int, _ index: Int) {
        let host = hosts[index]
        let stripe = Int(hole % Int64(settings.stripeCount))
        guard tries < 6, !host.history.contains(hole), hole >= host.firstSequence ?? hole else { return }
        let parent = host.node.parent(of: stripe)
        if let other = hostOfMember[parent] {
            let peer = hosts[other]
            let wait = delay(index, other) + delay(index, other)
            if peer.isAlive, !peer.isFrozen, peer.history.contains(hole),
                !random.chance(settings.lossPerMille * 2, in: 1000)
            {
                schedule(wait, index, other, .repaired(hole))
            }
            schedule(wait + .milliseconds(30), index, 0, .repair(hole, tries + 1))
            return
        }
        schedule(.milliseconds(60), index, 0, .repair(hole, tries + 1))
    }

    private func noteDelivery(_ sequence: Int64, _ host: Host) {
        if host.firstPacket == nil {
            host.firstPacket = now
            // The stripes' parents may be a keyframe apart: the one after the first is whole.
            host.firstSequence = (sequence / TreeWorld.keyframeInterval + 2) * TreeWorld.keyframeInterval
        }
        guard let first = host.firstSequence, sequence >= first else { return }
        let place = Int(sequence - first)
        while host.inTime.count <= place { host.inTime.append(0) }
        let sent = emitted[Int(sequence - TreeWorld.firstSequence)]
        if now - sent <= settings.latency { host.inTime[place] = 1 }
    }

    // MARK: Draining

    func drain(_ index: Int) {
        let host = hosts[index]
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            guard let transmit = host.node.nextTransmit(into: &raw) else { break }
            send(.datagram(Array(bytes.prefix(transmit.byteCount))), from: index, to: transmit.address)
        }
        while let message = host.node.nextMessage() {
            let text = message.text
            controlBytes += text.count
            if settings.checksText { check(message, text) }
            guard hosts[index].connection != 0 else { continue }
            schedule(delay(index, 0), index, Int(host.connection), .toCoordinator(message))
        }
        while let event = host.node.nextEvent() { handle(event, index) }
        if let deadline = host.node.nextDeadline, deadline < host.wake {
            host.wake = max(deadline, now)
            schedule(max(deadline, now) - now, index, 0, .wake)
        }
    }

    private func check(_ message: ControlMessage, _ text: [UInt8]) {
        let again = try? ControlMessage(parsing: text.span.bytes)
        if again != message { problems.append("a \(message.type) changes on its way") }
    }

    private func handle(_ event: TreeEvent, _ index: Int) {
        switch event {
        case .serve(let link, let stripes, let from):
            let host = hosts[index]
            let start =
                from ?? (host.node.highestSequence ?? 0) / TreeWorld.keyframeInterval
                * TreeWorld.keyframeInterval
            for sequence in host.history
            where sequence >= start && stripes.has(Int(sequence % Int64(settings.stripeCount))) {
                forward(sequence, from: index, to: link)
            }
        case .parentChanged: hosts[index].movedAt.append(now)
        case .ended: hosts[index].hasEnded = true
        case .punch(let address): send(.datagram([0]), from: index, to: address)
        case .left:
            hosts[index].hasLeft = true
            drainSoon(index)
        case .refused(let reason): problems.append("\(index) was refused: \(reason)")
        default: break
        }
    }

    private func drainSoon(_ index: Int) {
        at(.milliseconds(1)) { [unowned self] in
            drain(index)
            hosts[index].isAlive = false
            hosts[index].connection = 0
        }
    }

    private func drainCoordinator() {
        while let output = coordinator.nextMessage() {
            let text = output.message.text
            controlBytes += text.count
            if settings.checksText { check(output.message, text) }
            guard let index = hosts.firstIndex(where: { $0.connection == output.connection }) else {
                continue
            }
            schedule(delay(0, index), index, Int(output.connection), .control(output.message))
        }
        if let deadline = coordinator.nextDeadline, deadline < coordinatorWake {
            coordinatorWake = max(deadline, now)
            schedule(max(deadline, now) - now, 0, 0, .coordinatorWake)
        }
    }

    // MARK: What tests do

    func connect(_ index: Int) {
        let host = hosts[index]
        host.connection = nextConnection
        hostOfConnection[nextConnection] = index
        nextConnection += 1
        host.joined = now
        host.node.connected(now: now)
        drain(index)
    }

    /// The process is killed: its control connection breaks, its neighbours hear nothing more.
    func crash(_ index: Int) {
        hosts[index].isAlive = false
        let connection = hosts[index].connection
        hosts[index].connection = 0
        at(.milliseconds(5)) { [unowned self] in
            guard isCoordinatorUp else { return }
            coordinator.disconnected(connection, now: now)
            drainCoordinator()
        }
    }

    func stopCoordinator() {
        isCoordinatorUp = false
        for host in hosts where host.isAlive {
            host.connection = 0
            host.node.disconnected(now: now)
        }
    }

    func restartCoordinator() {
        isCoordinatorUp = true
        coordinator = TreeWorld.makeCoordinator(settings, random: random.split(by: 99))
        coordinatorWake = .distantFuture
        for index in hosts.indices where hosts[index].isAlive {
            at(.milliseconds(Int64(random.below(500)))) { [unowned self] in connect(index) }
        }
    }
}
