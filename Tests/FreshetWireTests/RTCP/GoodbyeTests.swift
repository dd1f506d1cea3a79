import FreshetWire
import Testing

@Suite struct GoodbyeTests {
    @Test func readsSourcesAndReason() {
        // RFC 3550 §6.6 by hand: two sources, "bye".
        let wire = Wire(hex: "82CB0003 00000001 00000002 03627965")
        #expect(wire.firstPacket { $0.goodbyeCount } == 2)
        #expect(wire.firstPacket { $0.goodbyeSource(at: 1) } == 2)
        #expect(wire.firstPacket { $0.goodbyeSource(at: 2) } == nil)
        #expect(wire.firstPacket { $0.saysGoodbye(for: 2) } == true)
        #expect(wire.firstPacket { $0.saysGoodbye(for: 3) } == true)
        #expect(wire.firstPacket { $0.saysGoodbye(for: 4) } == false)
        #expect(wire.firstPacket { $0.goodbyeReason?.array } == Array("bye".utf8))
    }

    @Test func reasonsOfEveryLengthMakeTheRoundTrip() {
        for length in 0...300 {
            let reason = Wire((0..<length).map { UInt8(65 + $0 % 26) })
            let wire = Wire.compound { writer in reason.read { writer.writeGoodbye(ssrc: 4, reason: $0) } }
            let kept = Array(reason.bytes.prefix(255))
            #expect(wire.firstPacket { $0.goodbyeReason?.array } == (length == 0 ? nil : kept))
            #expect(wire.firstPacket { $0.saysGoodbye(for: 4) } == true)
        }
    }

    @Test func countsOnlyTheSourcesThatAreThere() {
        #expect(Wire(hex: "9FCB0001 00000001").firstPacket { $0.goodbyeCount } == 1)
        #expect(Wire(hex: "80CB0000").firstPacket { $0.goodbyeCount } == 0)
        #expect(Wire(hex: "81CB0002 00000001 09627965").firstPacket { $0.goodbyeReason?.array } == nil)
        #expect(Wire(hex: "81C90001 00000001").firstPacket { $0.saysGoodbye(for: 1) } == false)
    }
}
