import FreshetCore
import FreshetWire
import Testing

@Suite struct LinkMessageTests {
    private static let ticket = Ticket(
        epoch: 0x1020_3040, parent: MemberID(1), child: MemberID(2), stripes: StripeSet(rawValue: 1),
        backupStripes: StripeSet(rawValue: 6), era: 7, serial: 8, key: SipKey(low: 1, high: 2))

    static let samples: [LinkMessage] = {
        var path = AncestorPath()
        for number in 1...16 { path.append(MemberID(UInt32(number))) }
        return [
            .hello(nonce: 0x0102_0304_0506_0708), .cookie(nonce: 1, cookie: 2),
            .subscribe(
                Subscription(
                    cookie: 3, nonce: 4, stripes: StripeSet(0), fromSequence: -5, fromKeyframe: true,
                    ticket: ticket)),
            .accept(
                token: 1,
                Acceptance(
                    nonce: 4, stripes: StripeSet(0), backupStripes: StripeSet(1), starvingStripes: [],
                    highestSequence: 70_000)),
            .refuse(token: 1, Refusal(nonce: 4, stripes: StripeSet(0), reason: .loop)),
            .ping(token: 1, stamp: 9),
            .pong(token: 1, stamp: 9, NetworkCoordinate(x: -1, y: 2, height: 3, errorPerMille: 4)),
            .pulse(
                token: 1,
                Pulse(
                    stripes: StripeSet(3), starvingStripes: StripeSet(3), starvingLevel: 2,
                    highestSequence: 70_000)
            ),
            .activate(token: 1, Activation(nonce: 4, stripes: StripeSet(2), fromSequence: 70_001)),
            .path(token: 1, StripePath(stripe: 2, epoch: 3, ancestors: path)),
            .path(token: 1, StripePath(stripe: 2, epoch: 3, ancestors: AncestorPath())),
            .handover(token: 1, stripes: StripeSet(1), milliseconds: 1_000),
            .leave(token: 1, stripes: StripeSet(1), keepsPlace: true), .locate(nonce: 12),
            .located(Sighting(nonce: 12, address: PeerAddress("[2001:db8::1]:5004")!, cookie: 13)),
            .train(nonce: 14, index: 7), .trained(nonce: 14, index: 7, stamp: .max),
        ]
    }()

    private func wire(_ message: LinkMessage) -> Wire {
        var count = 0
        var wire = Wire(byteCount: LinkMessage.trainByteCount) {
            count = message.write(into: &$0, ssrc: 0x1020_3040)
        }
        wire.bytes.removeSubrange(count...)
        return wire
    }

    @Test(arguments: samples.indices) func whatIsWrittenIsRead(index: Int) {
        let message = LinkMessageTests.samples[index]
        #expect(wire(message).firstPacket { LinkMessage($0) } == message)
    }

    @Test func aCookieIsShorterThanTheHelloThatAskedForIt() {
        let hello = wire(.hello(nonce: 1)).bytes.count
        let cookie = wire(.cookie(nonce: 1, cookie: 2)).bytes.count
        #expect(
            hello == LinkMessage.helloByteCount && cookie == LinkMessage.cookieByteCount && cookie <= hello)
    }

    @Test func aMirrorsAnswerIsNoLongerThanWhatAskedForIt() {
        let asked = wire(.locate(nonce: 1)).bytes.count
        let told = wire(.located(Sighting(nonce: 1, address: PeerAddress(v4: 1, port: 2), cookie: 3))).bytes
            .count
        #expect(asked == LinkMessage.locateByteCount && told == asked)
        let train = wire(.train(nonce: 1, index: 2)).bytes.count
        #expect(train == LinkMessage.trainByteCount)
        #expect(wire(.trained(nonce: 1, index: 2, stamp: 3)).bytes.count == 32)
        var short = wire(.locate(nonce: 1))
        short.bytes.removeLast(4)
        short.bytes[3] -= 1
        #expect(short.firstPacket { LinkMessage($0) } == nil)
    }

    /// A hello that is shorter than its answer would be is no hello.
    @Test func aShortHelloIsIgnored() {
        var short = wire(.hello(nonce: 1))
        short.bytes.removeLast(4)
        short.bytes[3] -= 1
        #expect(short.firstPacket { LinkMessage($0) } == nil)
    }

    @Test func theLayoutIsTheDocumentedOne() {
        #expect(
            wire(.ping(token: 0xA1A2_A3A4, stamp: 0x0102_0304_0506_0708))
                == Wire(hex: "95CC0006 10203040 46525348 01000000 A1A2A3A4 01020304 05060708"))
        #expect(
            wire(.leave(token: 0xA1A2_A3A4, stripes: StripeSet(rawValue: 0x8001), keepsPlace: true))
                == Wire(hex: "9BCC0004 10203040 46525348 01018001 A1A2A3A4"))
    }

    @Test func noChangedDatagramTraps() {
        var random = PRNG(seed: 3)
        for message in LinkMessageTests.samples {
            let original = wire(message)
            for _ in 0..<1_000 {
                original.mutated(&random).forEachPacket { packet in
                    if let again = LinkMessage(packet) { #expect(again.subtype == packet.applicationSubtype) }
                }
            }
        }
    }
}
