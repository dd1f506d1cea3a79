import FreshetCore
import FreshetOverlay
import FreshetWire

/// How a source answers requests: one of the repair nodes, or none, behind the same calls.
struct SourceRepair: ~Copyable {
    private var naive: NaiveHistory?
    private var unicast = Berth<RepairSender>()
    private var group = Berth<GroupRepair>()

    init(_ blueprint: HostBlueprint, host: Int32, life: Int32) {
        let scenario = blueprint.scenario
        let random = blueprint.random(host: host, life: life)
        switch scenario.repair.mode {
        case .off: break
        case .naive: naive = NaiveHistory(ssrc: blueprint.ssrc)
        case .unicast:
            var configuration = RepairSender.Configuration(name: CanonicalName("simulated"))
            configuration.budgetFloor = 64 * blueprint.carriedPacketByteCount
            unicast.put(RepairSender(configuration, random: random))
        case .group:
            group.put(
                GroupRepair(
                    blueprint.groupConfiguration(role: .source, ssrc: blueprint.ssrc), random: random))
        }
    }

    /// A packet is sent.
    mutating func note(_ packet: borrowing Packet, now: Instant) {
        naive?.note(packet)
        unicast.value?.pointee.note(packet, now: now)
        group.value?.pointee.note(packet, now: now)
    }

    /// A datagram of control came.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        naive?.answer(packet.bytes, to: peer, &line)
        let number = Peer(UInt32(bitPattern: peer))
        unicast.value?.pointee.read(packet.bytes, from: number, now: line.now)
        group.value?.pointee.read(
            packet.bytes, from: number, isLocal: line.isFromOwnSegment, isFromSource: false, now: line.now)
    }

    mutating func advance(to now: Instant) {
        unicast.value?.pointee.advance(to: now)
        group.value?.pointee.advance(to: now)
    }

    var nextDeadline: Instant? {
        mutating get {
            if unicast.value != nil { return unicast.look { $0.nextDeadline } ?? nil }
            return group.look { $0.nextDeadline } ?? nil
        }
    }

    /// Puts what is due on the wire.
    mutating func drain(_ line: inout HostLine) {
        if unicast.value != nil { drainUnicast(&line) }
        group.drain(&line) { $2.send($0, .control, to: $1) }
    }

    private mutating func drainUnicast(_ line: inout HostLine) {
        let now = line.now
        while true {
            var transmit: RepairSender.Transmit?
            var packet = line.allocateControl()
            packet.append(byteCount: 512) {
                transmit = unicast.value?.pointee.nextTransmit(into: &$0, now: now)
            }
            guard let transmit else { break }
            packet.removeLast(512 - transmit.byteCount)
            line.send(packet, .control, to: .peer(Int32(bitPattern: transmit.peer.number)))
        }
        while let repair = unicast.value?.pointee.nextRepair(pool: line.mediaPool, now: now) {
            let peer = Int32(bitPattern: repair.peer.number)
            line.send(repair.takePacket(), .media, to: .peer(peer))
        }
    }
}
