import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct PlaceMirrorTests {
    private let mirror = PlaceMirror(0, key: SipKey(low: 1, high: 2))
    private let home = PeerAddress("192.0.2.1:5004")!

    private func bytes(_ message: LinkMessage) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = message.write(into: &raw, ssrc: 0)
        return Array(bytes.prefix(count))
    }

    /// What the mirror answers to `asked`, and with how many bytes.
    private func answer(_ asked: [UInt8], from address: PeerAddress) -> (LinkMessage?, byteCount: Int) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = mirror.answer(asked.span.bytes, from: address, into: &raw)
        let told = Array(bytes.prefix(count))
        guard var packets = CompoundPacket(parsing: told.span.bytes, allowsReducedSize: true),
            let packet = packets.next()
        else { return (nil, count) }
        return (LinkMessage(packet), count)
    }

    @Test func whoAsksIsToldWhereItsDatagramsComeFromInNoMoreBytes() throws {
        let asked = bytes(.locate(nonce: 77))
        let told = answer(asked, from: home)
        #expect(asked.count == LinkMessage.locateByteCount && told.byteCount == asked.count)
        let cookie = mirror.cookie(for: home, nonce: 77)
        #expect(told.0 == .located(Sighting(nonce: 77, address: home, cookie: cookie)))
    }

    @Test func aCookieIsForOneAddressOneNonceAndOneMirror() throws {
        let cookie = mirror.cookie(for: home, nonce: 77)
        let port = try #require(PeerAddress("192.0.2.1:5005"))
        #expect(mirror.cookie(for: port, nonce: 77) != cookie)
        #expect(mirror.cookie(for: home, nonce: 78) != cookie)
        #expect(PlaceMirror(1, key: SipKey(low: 1, high: 2)).cookie(for: home, nonce: 77) != cookie)
        #expect(PlaceMirror(0, key: SipKey(low: 1, high: 3)).cookie(for: home, nonce: 77) != cookie)
    }

    @Test func whatIsShortOrSomethingElseIsNotAnswered() {
        var short = bytes(.locate(nonce: 77))
        short.removeLast(4)
        short[3] -= 1
        #expect(answer(short, from: home).byteCount == 0)
        let own = answer(bytes(.locate(nonce: 77)), from: home).0
        for message in [own, .hello(nonce: 1), .ping(token: 1, stamp: 2)].compactMap({ $0 }) {
            // Mirrors do not talk to each other without end either.
            #expect(answer(bytes(message), from: home).byteCount == 0, "\(message)")
        }
        var random = PRNG(seed: 5)
        for _ in 0..<5_000 {
            let noise = (0..<random.below(120)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(answer(noise, from: home).byteCount <= noise.count)
        }
    }
}
