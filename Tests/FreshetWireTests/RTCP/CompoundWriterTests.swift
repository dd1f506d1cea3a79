import FreshetCore
import FreshetWire
import Testing

@Suite struct CompoundWriterTests {
    @Test func everythingASenderSaysFitsTheRoomNamedForIt() {
        let longest = CanonicalName(String(repeating: "n", count: CanonicalName.capacity))
        let wire = Wire(byteCount: CompoundWriter.sufficientByteCount) { span in
            var writer = CompoundWriter(&span)
            writer.write(
                SenderReport(
                    ssrc: 2, ntpTime: NTPTime(bits: 3), rtpTimestamp: 4, packetCount: 5, octetCount: 6))
            writer.writeDescription(ssrc: 2, name: longest)
            writer.write(Heartbeat(ssrc: 2, highestSequence: 7, packetCount: 8))
            Wire(Array(repeating: 65, count: 60)).read { writer.writeGoodbye(ssrc: 2, reason: $0) }
            let (count, hasOverflowed) = (writer.byteCount, writer.hasOverflowed)
            #expect(!hasOverflowed && count % 4 == 0)
        }
        #expect(wire.bytes.count == 256)
    }

    @Test func aPacketThatDoesNotFitIsLeftOutWhole() {
        // Room for the RR and half an SDES: the RR stands alone, and what would fit behind is not written either.
        let wire = Wire.compound(byteCount: 20) { writer in
            writer.writeReceiverReport(ssrc: 1)
            writer.writeDescription(ssrc: 1, name: CanonicalName("eleven bytes"))
            writer.writeGoodbye(ssrc: 1)
            let hasOverflowed = writer.hasOverflowed
            #expect(hasOverflowed)
        }
        #expect(wire == Wire(hex: "80C90001 00000001"))
    }

    @Test func writesIntoAPacketOfThePool() {
        let pool = PacketPool(slotCount: 1)
        guard var packet = pool.allocate() else {
            Issue.record("no packet")
            return
        }
        var count = 0
        packet.append(byteCount: CompoundWriter.sufficientByteCount) { span in
            var writer = CompoundWriter(&span)
            writer.writeReceiverReport(ssrc: 1)
            writer.writeGoodbye(ssrc: 1)
            count = writer.byteCount
        }
        packet.setByteCount(count)
        let bytes = packet.bytes.array
        #expect(Wire(bytes) == Wire(hex: "80C90001 00000001 81CB0001 00000001"))
    }

    @Test func mutatedDatagramsNeverTrap() {
        var random = PRNG(seed: 34)
        let seeds = [
            Wire.compound { writer in
                writer.write(
                    SenderReport(
                        ssrc: 2, ntpTime: NTPTime(bits: 3), rtpTimestamp: 4, packetCount: 5, octetCount: 6))
                writer.writeDescription(ssrc: 2, name: CanonicalName("name"))
                writer.write(Heartbeat(ssrc: 2, highestSequence: 7, packetCount: 8))
                writer.writeGoodbye(ssrc: 2)
            },
            Wire(
                hex:
                    "80C90001 00000001 81CD0003 00000007 0A0B0C0D 01008001 80CC0003 0A0B0C0C 52495354 01000009"
            ),
        ]
        var readCount = 0
        for turn in 0..<100_000 {
            let isRead = seeds[turn & 1].mutated(&random).forEachPacket { packet in
                _ = SenderReport(packet)
                for index in 0..<packet.reportBlockCount { _ = packet.reportBlock(at: index) }
                _ = packet.canonicalName(of: 2)?.byteCount
                _ = packet.goodbyeReason?.byteCount
                _ = packet.saysGoodbye(for: 2)
                _ = packet.applicationData.byteCount
                _ = Heartbeat(packet)
                if let request = RetransmissionRequest(packet) {
                    for index in 0..<request.entryCount { #expect(packet.nackEntry(at: index) != nil) }
                }
            }
            if isRead { readCount += 1 }
        }
        #expect(readCount > 1_000)
    }
}
