import FreshetWire
import Testing

@Suite struct SegmentMarkTests {
    @Test func marksStandAsTheirPageSays() {
        let layout = Wire(hex: "8DCC0003 00000007 46525348 010001F4")
        let mark = SegmentMark(senderSSRC: 7, patience: 500)
        #expect(Wire.compound { $0.write(mark) } == layout)
        #expect(layout.firstPacket { SegmentMark($0) } == mark)
        #expect(Wire(hex: "8DCC0003 00000007 46525348 02000000").firstPacket { SegmentMark($0) } == nil)
    }
}
