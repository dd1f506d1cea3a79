import FreshetWire
import Testing

@Suite struct LossNoticeTests {
    private let layout = Wire(hex: "89CC0006 00000007 46525348 01 00 01F4 10203040 00050003 FFFF0000")

    @Test func noticesStandAsTheirPageSays() {
        let notice = LossNotice(senderSSRC: 7, mediaSSRC: 0x1020_3040, lifetime: 500)
        let entries = [
            NACKEntry(packetID: 5, lostMask: 3), NACKEntry(packetID: 0xFFFF, lostMask: 0),
        ]
        #expect(Wire.compound { $0.write(notice, entries: entries.span) } == layout)
        #expect(layout.firstPacket { LossNotice($0) } == notice)
        let count = layout.firstPacket { LossNotice($0)?.entryCount }
        #expect(count == 2)
        #expect(layout.firstPacket { $0.noticeEntry(at: 1) } == entries[1])
        #expect(layout.firstPacket { $0.noticeEntry(at: 2) } == nil)
    }

    @Test func noNoticeIsWrittenOfNothing() {
        let notice = LossNotice(senderSSRC: 7, mediaSSRC: 2, lifetime: 500)
        let entries: [NACKEntry] = []
        let wire = Wire.compound { $0.write(notice, entries: entries.span) }
        #expect(wire.bytes.isEmpty)
    }
}
