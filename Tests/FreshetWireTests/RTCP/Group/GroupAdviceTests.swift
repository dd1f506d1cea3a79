import FreshetCore
import FreshetWire
import Testing

@Suite struct GroupAdviceTests {
    private let layout = Wire(
        hex: "88CC0008 10203040 46525348 01 03 0000 000186A0 00002710 0007A120 00BC614F 0A0B0C0D")
    private let advice = GroupAdvice(
        ssrc: 0x1020_3040, flags: [.isSourceSpecific, .hasGroupCaller], groupRoundTrip: 100_000,
        groupSize: 10_000,
        reportInterval: 500_000, stamp: 0x00BC_614F, caller: 0x0A0B_0C0D)

    @Test func adviceStandsAsItsPageSays() {
        #expect(Wire.compound { $0.write(advice) } == layout)
        #expect(layout.firstPacket { GroupAdvice($0) } == advice)
        #expect(layout.bytes.count == GroupAdvice.byteCount)
    }

    @Test func otherMessagesAreNotAdvice() {
        for (place, byte) in [(0, 0x80), (0, 0x89), (8, 0x47), (12, 2)] as [(Int, UInt8)] {
            var wire = layout
            wire.bytes[place] = byte
            #expect(wire.firstPacket { GroupAdvice($0) } == nil)
        }
        #expect(Wire(hex: "88CC0003 10203040 46525348 01000000").firstPacket { GroupAdvice($0) } == nil)
    }

    @Test func laterVersionsMayAddFieldsAndFlags() {
        var wire = layout
        wire.bytes[3] = 9
        wire.bytes[13] = 0xFF
        wire.bytes += [1, 2, 3, 4]
        #expect(wire.firstPacket { GroupAdvice($0) } == advice)
    }
}
