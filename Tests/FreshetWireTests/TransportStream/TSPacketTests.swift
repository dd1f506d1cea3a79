import FreshetCore
import FreshetWire
import Testing

@Suite struct TSPacketTests {
    /// A packet whose first bytes are `hex`, filled up with 0xFF.
    static func packet(_ hex: String) -> Wire {
        var wire = Wire(hex: hex)
        while wire.bytes.count < 188 { wire.bytes.append(0xFF) }
        return wire
    }

    @Test func readsAPlainPayloadPacket() throws {
        // §2.4.3.2 by hand: PUSI, PID 0x100, payload only, counter 7.
        let wire = TSPacketTests.packet("47 41 00 17 00 00 01 E0")
        let packet = try #require(wire.read { TSPacket(parsing: $0) })
        #expect(packet.pid == 0x100 && packet.continuityCounter == 7 && packet.scrambling == 0)
        #expect(packet.flags == [.startsUnit, .hasPayload])
        #expect(packet.payloadOffset == 4 && packet.payloadByteCount == 184)
        #expect(wire.read { TSPacket.pid(of: $0) } == 0x100)
    }

    @Test func readsAnAdaptationFieldWithAClock() throws {
        // Field of 7 bytes: discontinuity, random access, PCR of base 1 and extension 299; then payload.
        let wire = TSPacketTests.packet("47 01 00 3F 07 D0 00 00 00 00 FF 2B AA")
        let packet = try #require(wire.read { TSPacket(parsing: $0) })
        #expect(
            packet.flags == [
                .hasAdaptation, .hasPayload, .isDiscontinuity, .isRandomAccess, .hasClockReference,
            ])
        #expect(packet.clockReference == 599 && packet.payloadOffset == 12 && packet.continuityCounter == 15)
    }

    @Test func readsStuffingAndMarks() throws {
        let null = try #require(TSPacketTests.packet("47 1F FF 10").read { TSPacket(parsing: $0) })
        #expect(null.pid == TSPacket.nullPID)
        let marked = try #require(TSPacketTests.packet("47 A1 00 D0").read { TSPacket(parsing: $0) })
        #expect(marked.flags == [.hasTransportError, .hasPriority, .hasPayload] && marked.scrambling == 3)
        // Adaptation field alone, 183 bytes long, no flags.
        let stuffing = try #require(TSPacketTests.packet("47 01 00 20 B7 00").read { TSPacket(parsing: $0) })
        #expect(stuffing.flags == [.hasAdaptation] && stuffing.payloadByteCount == 0)
    }

    @Test func doesNotBelieveAFieldThatContradictsItself() throws {
        // 184 bytes of field, or 183 with a payload behind: no packet has that room.
        for hex in ["47 01 00 20 B8 10", "47 01 00 30 B7 10"] {
            let packet = try #require(TSPacketTests.packet(hex).read { TSPacket(parsing: $0) })
            #expect(packet.payloadByteCount == 0 && packet.flags == [])
        }
        // The flag of a PCR in a field too short for one.
        let packet = try #require(TSPacketTests.packet("47 01 00 30 06 10").read { TSPacket(parsing: $0) })
        #expect(!packet.flags.contains(.hasClockReference) && packet.payloadOffset == 11)
    }

    @Test func refusesWhatIsNoPacket() {
        #expect(Wire(Array(repeating: 0x47, count: 187)).read { TSPacket(parsing: $0) } == nil)
        #expect(TSPacketTests.packet("48").read { TSPacket(parsing: $0) } == nil)
        #expect(TSPacketTests.packet("47").read { TSPacket(parsing: $0, at: 1) } == nil)
        #expect(TSPacketTests.packet("47").read { TSPacket(parsing: $0, at: -1) } == nil)
    }

    @Test func neverTrapsAndNeverPointsOutside() {
        var random = PRNG(seed: 40)
        for turn in 0..<100_000 {
            var wire = TSPacketTests.packet(turn & 1 == 0 ? "47 01 00 3F 07 D0 00 00 00 00 FF 2B AA" : "47")
            if turn & 1 == 1 {
                for place in 1..<16 { wire.bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
            } else {
                wire = wire.mutated(&random)
            }
            guard let packet = wire.read({ TSPacket(parsing: $0) }) else { continue }
            #expect((4...188).contains(packet.payloadOffset))
        }
    }
}
