import FreshetCore
import FreshetOverlay
import FreshetWire

extension TreeNode {
    /// What the node has said since it was asked last, and to whom; datagrams that are no link messages are left out.
    mutating func takeSaid() -> [(to: PeerAddress, message: LinkMessage)] {
        var found: [(to: PeerAddress, message: LinkMessage)] = []
        while true {
            var bytes = [UInt8](repeating: 0, count: 256)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            guard let transmit = nextTransmit(into: &raw) else { return found }
            let datagram = span.bytes.extracting(first: transmit.byteCount)
            guard var packets = CompoundPacket(parsing: datagram, allowsReducedSize: true),
                let packet = packets.next(), let message = LinkMessage(packet)
            else { continue }
            found.append((transmit.address, message))
        }
    }
}
