import FreshetCore
import FreshetWire

/// A request of another member, read once for all who hear it: a host with hundreds of members of a group, which all
/// hear the same datagram, tells each what it says by ``GroupRepair/hear(_:now:)``.
public struct HeardRequest: Sendable {
    let ask: Ask
    let mediaSSRC: UInt32
    let entry: NACKEntry

    /// What `control` says, which came from `peer`; `nil` when it says anything else, or asks for more than one entry
    /// names, which is left to ``GroupRepair/read(_:from:isLocal:isFromSource:now:)``.
    public init?(_ control: RawSpan, from peer: Peer, isLocal: Bool) {
        guard var packets = CompoundPacket(parsing: control, allowsReducedSize: true) else { return nil }
        var ask = Ask(peer: peer, isLocal: isLocal)
        var found: (mediaSSRC: UInt32, entry: NACKEntry)?
        while let packet = packets.next() {
            if let request = RetransmissionRequest(packet) {
                guard found == nil, request.form == .bitmask, request.entryCount == 1,
                    let entry = packet.nackEntry(at: 0)
                else { return nil }
                ask.ssrc = request.senderSSRC
                found = (request.mediaSSRC, entry)
            } else if let mark = SegmentMark(packet) {
                guard found == nil, isLocal else { return nil }
                ask.note(mark)
            } else if packet.kind != RTCPPacket.Kind.receiverReport,
                packet.kind != RTCPPacket.Kind.sourceDescription
            {
                return nil
            }
        }
        guard let found else { return nil }
        self.ask = ask
        mediaSSRC = found.mediaSSRC
        entry = found.entry
    }
}
