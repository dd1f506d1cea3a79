import FreshetCore
import FreshetWire
import Testing

@Suite struct ApplicationPacketTests {
    private let layout = Wire(
        hex: "8FCC0007 10203040 46525348 01 01 0000 0000000100000005 0000000000000009")

    @Test func theHeartbeatStandsAsItsPageSays() {
        let heartbeat = Heartbeat(
            ssrc: 0x1020_3040, flags: .isEnding, highestSequence: 0x1_0000_0005, packetCount: 9)
        #expect(Wire.compound { $0.write(heartbeat) } == layout)
        #expect(layout.firstPacket { Heartbeat($0) } == heartbeat)
        #expect(layout.bytes.count == Heartbeat.byteCount)
    }

    @Test func heartbeatsMakeTheRoundTrip() {
        var random = PRNG(seed: 32)
        for _ in 0..<10_000 {
            let heartbeat = Heartbeat(
                ssrc: UInt32(truncatingIfNeeded: random.next()),
                flags: random.chance(1, in: 2) ? [] : .isEnding,
                highestSequence: Int64(truncatingIfNeeded: random.next()), packetCount: random.next())
            #expect(Wire.compound { $0.write(heartbeat) }.firstPacket { Heartbeat($0) } == heartbeat)
        }
    }

    @Test func laterVersionsMayAddFieldsAndFlags() {
        var wire = layout
        wire.bytes[3] = 8
        wire.bytes[13] = 0xFF
        wire.bytes += [1, 2, 3, 4]
        #expect(wire.firstPacket { Heartbeat($0) }?.flags == [.isEnding, .answersRequests])
    }

    @Test func otherMessagesAreNotHeartbeats() {
        for (place, byte) in [(0, 0x80), (8, 0x47), (12, 2)] as [(Int, UInt8)] {
            var wire = layout
            wire.bytes[place] = byte
            #expect(wire.firstPacket { Heartbeat($0) } == nil)
        }
        #expect(Wire(hex: "80CC0002 00000001 46525348").firstPacket { Heartbeat($0) } == nil)
        #expect(Wire(hex: "80CC0001 00000001").firstPacket { $0.applicationName } == nil)
    }

    @Test func anyMessageMakesTheRoundTrip() {
        for length in 0...40 {
            let data = Wire((0..<length).map { UInt8($0) })
            let wire = Wire.compound { writer in
                data.read { writer.writeApplication(ssrc: 3, name: 0x5445_5354, subtype: 31, data: $0) }
            }
            #expect(wire.firstPacket { $0.applicationName } == 0x5445_5354)
            #expect(wire.firstPacket { $0.applicationSubtype } == 31)
            let filled = data.bytes + Array(repeating: 0, count: (4 - length % 4) % 4)
            #expect(wire.firstPacket { $0.applicationData.array } == filled)
        }
        #expect(Wire(hex: "80C90001 00000001").firstPacket { $0.applicationData.array } == [])
    }
}
