public import FreshetCore
public import FreshetWire

/// Tells whoever asks from which address its datagrams come, and remembers nobody (the binding request of STUN, RFC 8489,
/// without its attributes). A coordinator has two, at two ports: a NAT that maps a port by where its datagrams go shows
/// itself by two addresses (RFC 5780 §4.3).
///
/// It also tells when each packet of a train came (``LinkMessage/train(nonce:index:)``), by which a member measures its
/// uplink.
///
/// The answer is never longer than the question, so nobody can make a mirror send more than was sent to it, and its
/// cookie lets whoever shows it to the coordinator prove that it hears what is sent to that address.
public struct PlaceMirror: Sendable {
    private let index: UInt8
    private let key: SipKey

    /// The `index`-th mirror, whose cookies are made under the coordinator's `key`.
    public init(_ index: Int, key: SipKey) {
        self.index = UInt8(truncatingIfNeeded: index)
        self.key = key
    }

    /// The cookie of `address` for `nonce`.
    public func cookie(for address: PeerAddress, nonce: UInt64) -> UInt64 {
        var hash = SipHash(key: key)
        hash.combine(UInt64(index))
        hash.combine(nonce)
        hash.combine(address.high)
        hash.combine(address.low)
        hash.combine(UInt64(address.port))
        return hash.tag()
    }

    /// Writes the answer to `datagram`, which came from `address` at `arrival`, into `bytes`; its length, never more than
    /// the datagram's, 0 when there is none.
    public func answer(
        _ datagram: RawSpan, from address: PeerAddress, arrival: Instant = .zero,
        into bytes: inout MutableRawSpan
    ) -> Int {
        guard datagram.byteCount >= LinkMessage.locateByteCount,
            var packets = CompoundPacket(parsing: datagram, allowsReducedSize: true),
            let packet = packets.next()
        else { return 0 }
        switch LinkMessage(packet) {
        case .locate(let nonce):
            let cookie = cookie(for: address, nonce: nonce)
            let sighting = Sighting(nonce: nonce, address: address, cookie: cookie)
            return LinkMessage.located(sighting).write(into: &bytes, ssrc: 0)
        case .train(let nonce, let index):
            let stamp = UInt64(bitPattern: arrival.nanoseconds)
            return LinkMessage.trained(nonce: nonce, index: index, stamp: stamp).write(into: &bytes, ssrc: 0)
        default: return 0
        }
    }
}
