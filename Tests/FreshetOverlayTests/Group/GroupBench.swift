import FreshetCore
import FreshetOverlay
import FreshetWire

/// What happened to one lost packet.
struct LossRecord {
    /// When the first who asked had seen that it is missing.
    var firstSeen: Instant?
    var groupRequests = 0
    var segmentRequests = 0
    var sourceRepairs = 0
    var memberRepairs = 0
    var firstSourceRepair: Instant?
    var missing = 0
    var healed = 0
}

/// One node and where it stands.
final class Member {
    var node: GroupRepair
    let island: Int
    let delay: Nanoseconds
    var timer = Instant.distantFuture
    var seen: [Int64: Instant] = [:]

    init(_ node: consuming GroupRepair, island: Int, delay: Nanoseconds) {
        self.node = node
        self.island = island
        self.delay = delay
    }
}

final class SharedPacket {
    let packet: Packet
    init(_ packet: consuming Packet) { self.packet = packet }
}

/// A group in virtual time: one source, members on islands (segments) or alone, and every datagram between
/// them. Two members are their delays apart; to another island the way over the backbone comes on top.
final class GroupBench {
    private struct Event {
        enum Kind: UInt8 { case timer, control, media }
        var time: Int64
        var order: UInt64
        var kind: Kind
        var isLocal: Bool
        var member: Int32
        var sender: Int32
        var payload: Int
    }

    private var heap: [Event] = []
    private var order: UInt64 = 0
    private var datagrams: [[UInt8]] = []
    private var tickets: [SharedPacket?] = []
    private var freed = 0
    private(set) var now = Instant.zero
    let pool: PacketPool
    var members: [Member] = []
    var random: PRNG
    /// One way between two islands, beside both members' own delays.
    var backbone = Nanoseconds.zero
    /// Datagrams of control lost, and repairs lost, in a thousand.
    var controlLoss: UInt64 = 0
    var repairLoss: UInt64 = 0
    /// The source's first repair of each packet comes to nobody.
    var dropsFirstSourceRepair = false
    /// Says whether a member misses a packet as it is first sent.
    var isLost: (Int64, Int) -> Bool = { _, _ in false }
    var records: [Int64: LossRecord] = [:]
    /// From the moment a loss was seen to its repair, for each that was repaired.
    var repairTimes: [Nanoseconds] = []
    var reportCount = 0
    var offerCount = 0
    var controlCount = 0

    init(seed: UInt64, slots: Int = 8192) {
        random = PRNG(seed: seed)
        pool = PacketPool(slotCount: slots, slotByteCount: 192, headroomByteCount: 16)
    }

    deinit {
        members = []
        tickets = []
    }

    static let mediaSSRC: UInt32 = 0x1020_3040

    /// Adds a member; the first one is the source.
    func add(
        island: Int = -1, delay: Nanoseconds, _ change: (inout GroupConfiguration) -> Void = { _ in }
    ) {
        let ssrc = UInt32(truncatingIfNeeded: random.next())
        var configuration = GroupConfiguration(
            ssrc: members.isEmpty ? GroupBench.mediaSSRC : ssrc, mediaSSRC: GroupBench.mediaSSRC,
            latency: .seconds(1))
        if members.isEmpty {
            configuration.role = .source
        } else {
            configuration.serves = false
            configuration.holeCapacity = 16
        }
        change(&configuration)
        let node = GroupRepair(configuration, random: random.split(by: UInt64(members.count)))
        members.append(Member(node, island: island, delay: delay))
    }

    // MARK: Events

    private func push(
        _ kind: Event.Kind, at time: Instant, member: Int, sender: Int = 0, payload: Int = 0,
        isLocal: Bool = false
    ) {
        order += 1
        heap.append(
            Event(
                time: time.nanoseconds, order: order, kind: kind, isLocal: isLocal, member: Int32(member),
                sender: Int32(sender), payload: payload))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard comes(child, before: parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func comes(_ a: Int, before b: Int) -> Bool {
        heap[a].time != heap[b].time ? heap[a].time < heap[b].time : heap[a].order < heap[b].order
    }

    private func pop() -> Event {
        let event = heap[0]
        let last = heap.removeLast()
        guard !heap.isEmpty else { return event }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, comes(child + 1, before: child) { child += 1 }
            guard comes(child, before: parent) else { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return event
    }

    /// Runs everything up to `instant`.
    func run(to instant: Instant) {
        while let first = heap.first, first.time <= instant.nanoseconds { handle(pop()) }
        now = instant
    }

    private func handle(_ event: Event) {
        now = Instant(nanoseconds: event.time)
        let index = Int(event.member)
        let member = members[index]
        switch event.kind {
        case .timer:
            guard member.timer == now else { return }
            member.timer = .distantFuture
            member.node.advance(to: now)
        case .control:
            let bytes = datagrams[event.payload]
            member.node.read(
                bytes.span.bytes, from: Peer(UInt32(event.sender)), isLocal: event.isLocal,
                isFromSource: event.sender == 0, now: now)
        case .media:
            guard let ticket = tickets[event.payload] else { return }
            receive(ticket, member, isLocal: event.isLocal)
        }
        drain(index)
    }

    private func receive(_ ticket: SharedPacket, _ member: Member, isLocal: Bool) {
        let before = member.node.counts
        let sequence = ticket.packet.info.extendedSequence
        if member.node.configuration.serves {
            member.node.note(ticket.packet, isLocal: isLocal, now: now)
        } else {
            member.node.note(
                sequence, isRetransmission: ticket.packet.info.flags.contains(.isRetransmission),
                byteCount: 1328, isLocal: isLocal, now: now)
        }
        let after = member.node.counts
        if after.missing > before.missing {
            let count = Int64(after.missing - before.missing)
            for missing in sequence - count..<sequence {
                member.seen[missing] = now
                records[missing, default: LossRecord()].missing += 1
            }
        }
        let recovered = after.recoveredByNeighbour + after.recoveredBySource
        if recovered > before.recoveredByNeighbour + before.recoveredBySource {
            records[sequence]?.healed += 1
            if let seen = member.seen.removeValue(forKey: sequence) { repairTimes.append(now - seen) }
        }
    }

    /// Sends what a node wants to send, and sets its timer.
    func drain(_ index: Int) {
        let member = members[index]
        var storage = [UInt8](repeating: 0, count: GroupRepair.datagramByteCount)
        while true {
            var span = storage.mutableSpan
            var bytes = span.mutableBytes
            guard let sent = member.node.nextTransmit(into: &bytes, now: now) else { break }
            controlCount += 1
            datagrams.append(Array(storage[..<sent.byteCount]))
            observe(datagrams.count - 1, sent.destination, member)
            spread(.control, datagrams.count - 1, from: index, to: sent.destination, loss: controlLoss)
        }
        while let repair = member.node.nextRepair(pool: pool, now: now) {
            let sequence = repair.packet.info.extendedSequence
            if index == 0 {
                records[sequence, default: LossRecord()].sourceRepairs += 1
                if records[sequence]?.firstSourceRepair == nil {
                    records[sequence]?.firstSourceRepair = now
                    if dropsFirstSourceRepair { continue }
                }
            } else {
                records[sequence, default: LossRecord()].memberRepairs += 1
            }
            let destination = repair.destination
            tickets.append(SharedPacket(repair.packet.share()))
            spread(.media, tickets.count - 1, from: index, to: destination, loss: repairLoss)
        }
        if let deadline = member.node.nextDeadline, deadline < member.timer {
            member.timer = max(deadline, now)
            push(.timer, at: member.timer, member: index)
        }
    }

    private func spread(
        _ kind: Event.Kind, _ payload: Int, from sender: Int, to destination: Destination, loss: UInt64
    ) {
        for index in members.indices where index != sender {
            let isLocal = members[index].island >= 0 && members[index].island == members[sender].island
            switch destination {
            case .group: break
            case .segment: if !isLocal { continue }
            case .peer(let peer): if Int(peer.number) != index { continue }
            }
            if random.chance(loss, in: 1000) { continue }
            let way = members[sender].delay + members[index].delay + (isLocal ? .zero : backbone)
            push(kind, at: now + way, member: index, sender: sender, payload: payload, isLocal: isLocal)
        }
    }

    private func observe(_ datagram: Int, _ destination: Destination, _ member: Member) {
        let bytes = datagrams[datagram]
        guard var packets = CompoundPacket(parsing: bytes.span.bytes, allowsReducedSize: true) else { return }
        while let packet = packets.next() {
            if let report = GroupReport(packet) {
                if report.flags.contains(.isOffer) { offerCount += 1 } else { reportCount += 1 }
            }
            guard let request = RetransmissionRequest(packet) else { continue }
            for index in 0..<request.entryCount {
                guard let entry = packet.nackEntry(at: index) else { continue }
                for bit in 0...16 where (UInt32(entry.lostMask) << 1 | 1) & 1 << UInt32(bit) != 0 {
                    let sequence = Int64(entry.packetID) + Int64(bit)
                    if destination == .segment {
                        records[sequence, default: LossRecord()].segmentRequests += 1
                    } else {
                        records[sequence, default: LossRecord()].groupRequests += 1
                        let isFirst = records[sequence]?.firstSeen == nil
                        if isFirst { records[sequence]?.firstSeen = member.seen[sequence] ?? now }
                    }
                }
            }
        }
    }

    /// Gives member `index` a datagram of control that nobody here sent.
    func give(_ datagram: [UInt8], to index: Int, from peer: UInt32, isLocal: Bool) {
        members[index].node.read(
            datagram.span.bytes, from: Peer(peer), isLocal: isLocal, isFromSource: peer == 0, now: now)
        drain(index)
    }

    /// The source sends packet `sequence` now.
    func send(_ sequence: Int64) {
        guard var packet = pool.allocate() else { preconditionFailure("the bench holds too many packets") }
        packet.append(byteCount: 128) { span in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: 0,
                ssrc: GroupBench.mediaSSRC, into: &span)
        }
        packet.info.flags = .hasSequence
        packet.info.extendedSequence = sequence
        packet.info.ssrc = GroupBench.mediaSSRC
        packet.info.headerByteCount = 12
        packet.info.arrival = now
        members[0].node.note(packet, now: now)
        tickets.append(SharedPacket(packet))
        let ticket = tickets.count - 1
        // What nobody can still want goes, so that the pool need not hold the whole stream.
        while freed < ticket - 2048 {
            tickets[freed] = nil
            freed += 1
        }
        for index in members.indices.dropFirst() where !isLost(sequence, index) {
            let way = members[0].delay + members[index].delay + backbone
            push(.media, at: now + way, member: index, payload: ticket)
        }
        drain(0)
    }

    /// The source sends packet `sequence` and its neighbours, two milliseconds apart.
    func sendAround(_ sequence: Int64) {
        for number in sequence - 1...sequence + 1 {
            send(number)
            run(to: now + .milliseconds(2))
        }
    }

    /// Every node is called for the first time.
    func start() {
        for index in members.indices {
            members[index].node.advance(to: now)
            drain(index)
        }
    }
}

/// The value below which `share` in a thousand of `values` are.
func percentile(_ values: [Int], _ share: Int) -> Int {
    if values.isEmpty { return 0 }
    return values.sorted()[min(values.count - 1, values.count * share / 1000)]
}
