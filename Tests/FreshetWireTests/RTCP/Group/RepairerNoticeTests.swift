import FreshetWire
import Testing

@Suite struct RepairerNoticeTests {
    @Test func noticesStandAsTheirPageSays() {
        let layout = Wire(hex: "8ACC0004 00000007 46525348 01 01 0203 10203040")
        let notice = RepairerNotice(senderSSRC: 7, mediaSSRC: 0x1020_3040, flags: .isLeaving, rank: 0x0203)
        #expect(Wire.compound { $0.write(notice) } == layout)
        #expect(layout.firstPacket { RepairerNotice($0) } == notice)
        #expect(layout.bytes.count == RepairerNotice.byteCount)
    }
}
