import FreshetCore
import FreshetOverlay
import FreshetWire

/// How a receiver gets back what it misses: one of the repair nodes, or none, behind the same calls.
struct ReceiverRepair: ~Copyable {
    private var naive = Berth<NaiveRepair>()
    private var unicast = Berth<RepairReceiver>()
    private var group = Berth<GroupRepair>()
    private let ssrc: UInt32
    private let wireByteCount: Int
    private let flaw: HostPlan.Flaw
    private let source: Int32

    init(_ blueprint: HostBlueprint, host: Int32, life: Int32) {
        let scenario = blueprint.scenario
        var random = blueprint.random(host: host, life: life)
        ssrc = blueprint.ssrc
        wireByteCount = blueprint.carriedPacketByteCount
        flaw = blueprint.flaws[Int(host)]
        source = PeerNumber.make(node: blueprint.source, path: blueprint.firstPaths[Int(host)])
        let own = UInt32(truncatingIfNeeded: random.next())
        switch scenario.repair.mode {
        case .off: break
        case .naive:
            naive.put(
                NaiveRepair(
                    ssrc: ssrc, roundTrip: blueprint.roundTrips[Int(host)], latency: scenario.latency))
        case .unicast:
            unicast.put(
                RepairReceiver(
                    .init(latency: scenario.latency, ssrc: own, name: CanonicalName("simulated")),
                    random: random.split(by: 1)))
        case .group:
            group.put(
                GroupRepair(
                    blueprint.groupConfiguration(role: .member, ssrc: own), random: random.split(by: 1)))
        }
    }

    /// A media packet came; false when it is to be dropped.
    mutating func note(_ packet: borrowing Packet, isRepair: Bool, isLocal: Bool, now: Instant) -> Bool {
        let sequence = packet.info.extendedSequence
        naive.value?.pointee.note(sequence, now: now)
        group.value?.pointee.note(packet, isLocal: isLocal, now: now)
        let verdict = unicast.value?.pointee.note(
            sequence: sequence, isRetransmission: isRepair, mediaSSRC: packet.info.ssrc,
            byteCount: packet.byteCount, arrival: now)
        return verdict != .unasked
    }

    /// The source has sent packets up to `sequence`.
    mutating func noteHighest(_ sequence: Int64, now: Instant) {
        naive.value?.pointee.noteHighest(sequence, now: now)
        group.value?.pointee.noteHighest(sequence, now: now)
    }

    /// A datagram of control came.
    mutating func read(
        _ packet: borrowing Packet, from peer: Int32, isLocal: Bool, isFromSource: Bool, now: Instant
    ) {
        unicast.value?.pointee.read(packet.bytes, now: now)
        group.value?.pointee.read(
            packet.bytes, from: Peer(UInt32(bitPattern: peer)), isLocal: isLocal, isFromSource: isFromSource,
            now: now)
    }

    /// A request came that was read already.
    mutating func hear(_ request: HeardRequest, now: Instant) {
        group.value?.pointee.hear(request, now: now)
    }

    mutating func glance(at request: HeardRequest) -> Bool {
        group.value?.pointee.glance(at: request) ?? false
    }

    mutating func advance(to now: Instant) {
        unicast.value?.pointee.advance(to: now)
        group.value?.pointee.advance(to: now)
    }

    /// True when a run of packets changes nothing but counts and what is held, whatever is missing before it.
    var takesRuns: Bool { group.value != nil }

    /// Packets came in order, while nothing was missing, or it ``takesRuns``.
    mutating func passRun(_ run: PacketRun) {
        naive.value?.pointee.passRun(through: run.last)
        if unicast.value != nil { passSingly(run) }
        if group.value != nil { passInGroup(run) }
    }

    private mutating func passSingly(_ run: PacketRun) {
        for number in run.first...run.last {
            unicast.value?.pointee.note(
                sequence: number, isRetransmission: false, mediaSSRC: ssrc, byteCount: wireByteCount,
                arrival: run.arrival(of: number))
        }
    }

    private mutating func passInGroup(_ run: PacketRun) {
        group.value?.pointee.noteRun(
            run.first...run.last, byteCount: wireByteCount, from: run.log.pointee.shelf)
    }

    /// A repair passed a member of a group that misses nothing.
    mutating func passRepair(_ number: Int64, _ now: Instant) {
        group.value?.pointee.noteForeignRepair(number, now: now)
    }

    /// How the repair node stands.
    struct Standing {
        var nextDeadline: Instant?
        /// Something is to be put on the wire at once.
        var hasWork = false
        /// Something is missing, asked for or to be asked for: the next packet in order changes nothing.
        var isWaiting = false
        /// The next packet in order changes nothing but counts.
        var isQuiet = true
        /// The newest packet that the node knows of; `nil` where that is nobody's business.
        var newest: Int64?
        /// Who answers in the segment, while this member would not; -1: nobody, or this one might.
        var answerer: Int32 = -1
    }

    mutating func standing() -> Standing {
        if let node = group.value {
            let group = node.pointee.standing()
            return Standing(
                nextDeadline: group.nextDeadline, hasWork: group.hasWork,
                isWaiting: group.openHoleCount > 0 && !group.hasWork, isQuiet: group.openHoleCount == 0,
                newest: group.newest,
                answerer: group.answerer.map { PeerNumber.node(Int32(bitPattern: $0.number)) } ?? -1)
        }
        if unicast.value != nil {
            return Standing(
                nextDeadline: unicast.look { $0.nextDeadline } ?? nil,
                isQuiet: unicast.look { $0.openHoleCount == 0 && $0.highestSequence != nil } ?? true)
        }
        return Standing(
            nextDeadline: naive.look { $0.nextDeadline } ?? nil, isQuiet: naive.look { $0.isQuiet } ?? true)
    }

    /// Puts what is due on the wire.
    mutating func drain(_ line: inout HostLine) {
        if naive.value != nil { drainNaive(&line) }
        if unicast.value != nil { drainUnicast(&line) }
        let flaw = flaw
        group.drain(&line) { Self.send($0, to: $1, flaw, &$2) }
    }

    private mutating func drainNaive(_ line: inout HostLine) {
        guard let due = naive.look({ $0.nextDeadline }) ?? nil, due <= line.now else { return }
        var packet = line.allocateControl()
        var byteCount = 0
        let now = line.now
        packet.append(byteCount: 512) { byteCount = naive.value?.pointee.request(into: &$0, now: now) ?? 0 }
        if byteCount == 0 { return }
        packet.removeLast(512 - byteCount)
        Self.send(packet, to: .peer(source), flaw, &line)
    }

    private mutating func drainUnicast(_ line: inout HostLine) {
        let now = line.now
        while true {
            var byteCount: Int?
            var packet = line.allocateControl()
            packet.append(byteCount: 1400) {
                byteCount = unicast.value?.pointee.nextTransmit(into: &$0, now: now)
            }
            guard let byteCount else { return }
            packet.removeLast(1400 - byteCount)
            Self.send(packet, to: .peer(source), flaw, &line)
        }
    }

    private static func send(
        _ packet: consuming Packet, to scope: Outgoing.Scope, _ flaw: HostPlan.Flaw, _ line: inout HostLine
    ) {
        if flaw == .storm {
            for _ in 1..<40 { line.send(packet.share(), .control, to: scope) }
        }
        line.send(packet, .control, to: scope)
    }
}
