import FreshetWire
import Testing

@Suite struct SegmentMarkTests {
    @Test func marksStandAsTheirPageSays() {
        let layout = Wire(hex: "8DCC0003 00000007 46525348 01000000")
        #expect(Wire.compound { $0.write(SegmentMark(senderSSRC: 7)) } == layout)
        #expect(layout.firstPacket { SegmentMark($0) } == SegmentMark(senderSSRC: 7))
        #expect(Wire(hex: "8DCC0003 00000007 46525348 02000000").firstPacket { SegmentMark($0) } == nil)
    }
}
