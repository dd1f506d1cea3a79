import FreshetCore
import FreshetOverlay

extension Berth<GroupRepair> {
    /// Puts what the member of a group, source or receiver, wants to send on the wire: control by `send`, then repairs.
    func drain(
        _ line: inout HostLine, send: (consuming Packet, Outgoing.Scope, inout HostLine) -> Void
    ) {
        guard let node = value else { return }
        let now = line.now
        while true {
            var transmit: (destination: Destination, byteCount: Int)?
            var packet = line.allocateControl()
            packet.append(byteCount: 512) { transmit = node.pointee.nextTransmit(into: &$0, now: now) }
            guard let transmit else { break }
            packet.removeLast(512 - transmit.byteCount)
            send(packet, Outgoing.Scope(transmit.destination), &line)
        }
        while let repair = node.pointee.nextRepair(pool: line.mediaPool, now: now) {
            let scope = Outgoing.Scope(repair.destination)
            line.send(repair.takePacket(), .media, to: scope)
        }
    }
}

extension Outgoing.Scope {
    /// The way to what a node calls `destination`.
    init(_ destination: Destination) {
        switch destination {
        case .peer(let peer): self = .peer(Int32(bitPattern: peer.number))
        case .group: self = .group(path: 0)
        case .segment: self = .segment(path: 0)
        }
    }
}
