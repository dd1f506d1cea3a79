import FreshetCore
import FreshetWire
import Testing

@Suite struct CompoundPacketTests {
    private let report = SenderReport(
        ssrc: 0x1020_3040, ntpTime: NTPTime(bits: 0x83AA_7E80_8000_0000), rtpTimestamp: 7, packetCount: 8,
        octetCount: 9)
    private let heartbeat = Heartbeat(
        ssrc: 0x1020_3040, flags: .isEnding, highestSequence: 0x1_0000_FFFF, packetCount: 123)

    private func kinds(_ wire: Wire, allowsReducedSize: Bool = false) -> [UInt8]? {
        wire.read { bytes -> [UInt8]? in
            guard var packets = CompoundPacket(parsing: bytes, allowsReducedSize: allowsReducedSize) else {
                return nil
            }
            var kinds: [UInt8] = []
            while let packet = packets.next() { kinds.append(packet.kind) }
            return kinds
        }
    }

    @Test func whatASenderSaysIsRead() {
        let wire = Wire.compound { writer in
            writer.write(report)
            writer.writeDescription(ssrc: report.ssrc, name: CanonicalName("freshet@example"))
            writer.write(heartbeat)
            writer.writeGoodbye(ssrc: report.ssrc)
        }
        #expect(kinds(wire) == [200, 202, 204, 203])
        wire.read { bytes in
            var packets = CompoundPacket(parsing: bytes)!
            let first = packets.next()!
            #expect(SenderReport(first) == report && first.reportBlockCount == 0)
            let second = packets.next()!
            #expect(second.canonicalName(of: report.ssrc)!.array == Array("freshet@example".utf8))
            let third = packets.next()!
            #expect(Heartbeat(third) == heartbeat)
            let last = packets.next()!
            let saysGoodbye = last.saysGoodbye(for: report.ssrc)
            #expect(saysGoodbye)
            if packets.next() != nil { Issue.record("a packet after the last") }
        }
    }

    @Test func senderReportStandsAsRFC3550DrawsIt() {
        // RFC 3550 §6.4.1, filled in by hand.
        let expected = Wire(hex: "80C80006 10203040 83AA7E80 80000000 00000007 00000008 00000009")
        #expect(Wire.compound { $0.write(report) } == expected)
    }

    @Test func refusesWrongDatagrams() {
        let wrong = [
            "", "80", "80C90001",  // nothing, too short, announces more than there is
            "40C90001 00000001",  // version 1
            "80C90001 00000001 80",  // a rest
            "80CA0001 00000001",  // no report in front
            "80210001 00000001",  // an RTP packet of payload type 33
            "A0C90002 00000001 00000004 80CB0000",  // padding before the last packet
            "A0C90002 00000001 00000003",  // padding not a multiple of 4
            "A0C90002 00000001 0000000C",  // padding over the header
        ]
        for hex in wrong { #expect(kinds(Wire(hex: hex)) == nil, "\(hex)") }
        #expect(kinds(Wire(hex: "80CA0001 00000001"), allowsReducedSize: true) == [202])
        #expect(kinds(Wire(hex: "A0C90002 00000001 00000004")) == [201])
    }
}
