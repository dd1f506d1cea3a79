import FreshetCore
import FreshetWire
import Testing

@Suite struct GroupReportTests {
    @Test func reportsStandAsTheirPageSays() {
        let layout = Wire(
            hex: "8BCC0007 00000007 46525348 01 80 0000 10203040 0007A120 00BC614F 000003E8")
        let report = GroupReport(
            senderSSRC: 7, mediaSSRC: 0x1020_3040, fractionLost: 128, interval: 500_000,
            stamp: 0x00BC_614F, delay: 1000)
        #expect(Wire.compound { $0.write(report) } == layout)
        #expect(layout.firstPacket { GroupReport($0) } == report)
        #expect(layout.bytes.count == GroupReport.byteCount)
        #expect(Wire(Array(layout.bytes.dropLast(4))).firstPacket { GroupReport($0) } == nil)
    }

    @Test func anOfferIsMarkedAndOtherMarksArePassedOver() {
        var wire = Wire(hex: "8BCC0007 00000007 46525348 01 80 0100 10203040 0007A120 00BC614F 000003E8")
        let offer = GroupReport(
            senderSSRC: 7, mediaSSRC: 0x1020_3040, fractionLost: 128, flags: .isOffer, interval: 500_000,
            stamp: 0x00BC_614F, delay: 1000)
        #expect(Wire.compound { $0.write(offer) } == wire)
        wire.bytes[14] = 0xFF
        #expect(wire.firstPacket { GroupReport($0) } == offer)
    }
}
