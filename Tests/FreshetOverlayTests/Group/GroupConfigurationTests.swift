import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What a member keeps for its neighbours.
@Suite struct GroupConfigurationTests {
    /// Gives a member with `latency` a packet each millisecond, and says of the packets held at the age of `age`
    /// milliseconds how many only the line behind holds any more.
    private static func uniqueCount(latency: Nanoseconds, age: Int, of count: Int) -> Int {
        let pool = PacketPool(slotCount: 2048, slotByteCount: 128)
        var configuration = GroupConfiguration(ssrc: 2, mediaSSRC: 4, latency: latency)
        configuration.holdUntilPlayout()
        var member = GroupRepair(configuration, random: PRNG(seed: 1))
        var line = PacketBatch(capacity: 1024)
        var uniqueCount = 0
        for step in 0..<age + count {
            guard var packet = pool.allocate() else { break }
            packet.append(byteCount: 64) {
                RTPHeader.write(
                    sequenceNumber: UInt16(truncatingIfNeeded: step), timestamp: 0, ssrc: 4, into: &$0)
            }
            packet.info.flags = .hasSequence
            packet.info.extendedSequence = Int64(step)
            packet.info.ssrc = 4
            packet.info.headerByteCount = 12
            member.note(packet, now: .zero + .milliseconds(Int64(step)))
            line.append(packet)
            if line.count > age, let played = line.popFirst(), played.isUnique { uniqueCount += 1 }
        }
        return uniqueCount
    }

    @Test("When a packet is played nobody else holds it, and shortly before all of them are held")
    func packetsAreHeldUntilTheyArePlayed() {
        #expect(Self.uniqueCount(latency: .milliseconds(200), age: 200, of: 300) == 300)
        #expect(Self.uniqueCount(latency: .milliseconds(200), age: 170, of: 300) == 0)
        // A short latency is no reason to have nothing for those who wait longer.
        #expect(Self.uniqueCount(latency: .milliseconds(20), age: 95, of: 300) == 0)
    }
}
