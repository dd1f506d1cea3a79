import FreshetCore
import FreshetWire
import Testing

@Suite struct ReportsTests {
    @Test func readsBlocksOfBothReports() throws {
        // RFC 3550 §6.4.1 and §6.4.2 by hand: an SR with one block, an RR with two.
        let block = "0A0B0C0D 40FFFFFE 00010005 00000009 B7052000 00054000"
        let wire = Wire(hex: "81C8000C 00000001 0000000000000000 00000000 00000000 00000000 \(block)")
        let found = try #require(wire.firstPacket { $0.reportBlock(at: 0) })
        #expect(found.ssrc == 0x0A0B_0C0D && found.fractionLost == 64 && found.cumulativeLost == -2)
        #expect(found.highestSequence == 0x1_0005 && found.jitter == 9)
        #expect(found.lastReport == 0xB705_2000 && found.delaySinceLastReport == 0x0005_4000)
        let second = Wire(hex: "82C9000D 00000001 \(block) \(block)")
        #expect(second.firstPacket { $0.reportBlockCount } == 2)
        #expect(second.firstPacket { $0.reportBlock(at: 1) } == found)
        #expect(second.firstPacket { $0.reportBlock(at: 2) } == nil)
        #expect(second.firstPacket { SenderReport($0) } == nil)
    }

    @Test func countsOnlyTheBlocksThatAreThere() {
        // An RR that announces 31 and brings none.
        #expect(Wire(hex: "9FC90001 00000001").firstPacket { $0.reportBlockCount } == 0)
        #expect(Wire(hex: "9FC80001 00000001").firstPacket { $0.reportBlockCount } == 0)
        #expect(Wire(hex: "80C80001 00000001").firstPacket { SenderReport($0) } == nil)
    }

    @Test func blocksMakeTheRoundTrip() {
        var random = PRNG(seed: 31)
        for _ in 0..<10_000 {
            let block = ReportBlock(
                ssrc: UInt32(truncatingIfNeeded: random.next()), fractionLost: UInt8(random.below(256)),
                cumulativeLost: Int32(random.below(1 << 24)) - (1 << 23),
                highestSequence: UInt32(truncatingIfNeeded: random.next()),
                jitter: UInt32(truncatingIfNeeded: random.next()),
                lastReport: UInt32(truncatingIfNeeded: random.next()),
                delaySinceLastReport: UInt32(truncatingIfNeeded: random.next()))
            let wire = Wire.compound { $0.writeReceiverReport(ssrc: 5, block: block) }
            #expect(wire.firstPacket { $0.reportBlock(at: 0) } == block)
        }
    }

    @Test func aTotalTooLargeIsHeldAtItsLimit() {
        for (total, held) in [(Int32.max, 0x7F_FFFF), (.min, -0x80_0000)] as [(Int32, Int32)] {
            let block = ReportBlock(
                ssrc: 1, fractionLost: 255, cumulativeLost: total, highestSequence: 0, jitter: 0,
                lastReport: 0,
                delaySinceLastReport: 0)
            let wire = Wire.compound { $0.writeReceiverReport(ssrc: 5, block: block) }
            let found = wire.firstPacket { $0.reportBlock(at: 0) }
            #expect(found?.cumulativeLost == held && found?.fractionLost == 255)
        }
    }
}
