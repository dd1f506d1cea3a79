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

    @Test func datagramsOfOthersAreRead() throws {
        // Sent by FFmpeg 5.1 (rtp_mpegts), GStreamer 1.22 (rtpbin) and twice by librist (ristreceiver, simple profile),
        // taken down on the loopback interface; host and user names made neutral at the same length.
        let ffmpeg = Wire(hex: "80C80006 B84DD9C7 EEABA6B3 6F1A9FBE 710BEDC7 00000000 00000000")
        #expect(kinds(ffmpeg) == [200])
        #expect(ffmpeg.firstPacket { SenderReport($0) }?.rtpTimestamp == 0x710B_EDC7)
        let gstreamer = Wire(
            hex: """
                80C80006 8F3E5E4D EEABA6BB DB81C714 8F778450 00000082 00028D98 81CA000C 8F3E5E4D
                011C7573 65723332 30393936 33383534 40686F73 742D3030 30303030 30300609 47537472
                65616D65 72000000
                """)
        #expect(kinds(gstreamer) == [200, 202])
        #expect(gstreamer.firstPacket { SenderReport($0) }?.packetCount == 130)
        var names: [String] = []
        gstreamer.forEachPacket { packet in
            if let name = packet.canonicalName(of: 0x8F3E_5E4D) {
                names.append(CanonicalName(copying: name).description)
            }
        }
        #expect(names == ["user3209963854@host-00000000"])
        let librist = Wire(
            hex: """
                80C90001 0A0B0C0C 81CA0007 0A0B0C0C 01127278 40313237 2E302E30 2E313A32 35333031
                00000000 80CC0003 0A0B0C0C 52495354 00780000
                """)
        #expect(kinds(librist) == [201, 202, 204])
        var ranges: [NACKRange?] = []
        librist.forEachPacket { packet in
            if RetransmissionRequest(packet)?.form == .range { ranges.append(packet.nackRange(at: 0)) }
        }
        #expect(ranges == [NACKRange(first: 120, additionalCount: 0)])
        // Extended reports and round trip probes go by unharmed.
        let probing = Wire(
            hex: """
                81C90007 0A0B0C0C 81CA0007 00000000 00000000 00000000 A6B36F1A 00000000 81CA0007
                0A0B0C0C 01127278 40313237 2E302E30 2E313A32 35333031 00000000 80CF0004 48ACADD7
                04000002 83AA9356 F94DE798 82CC0005 48ACADD7 52495354 83AA9356 F94DE819 00000000
                """)
        #expect(kinds(probing) == [201, 202, 207, 204])
        probing.forEachPacket { #expect(RetransmissionRequest($0) == nil) }
    }
}
