import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct PacketShelfTests {
    private let pool = PacketPool(slotCount: 600, slotByteCount: 64, headroomByteCount: 0)

    private func packet(_ sequence: Int64) -> Packet {
        guard var packet = pool.allocate() else { preconditionFailure("the pool is too small") }
        packet.append(byteCount: 20) { bytes in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: 0, ssrc: 2, into: &bytes)
        }
        packet.info.extendedSequence = sequence
        packet.info.flags = .hasSequence
        return packet
    }

    @Test("The shelf keeps the last packets")
    func last() {
        let shelf = PacketShelf(capacity: 6)
        #expect(shelf.capacity == 8)
        for sequence in Int64(1)...12 { shelf.put(packet(sequence)) }
        #expect(!shelf.contains(4) && shelf.contains(5) && shelf.contains(12))
        #expect(shelf.withPacket(7) { $0.info.extendedSequence } == 7)
        #expect(shelf.withPacket(4) { $0.info.extendedSequence } == nil)
        #expect(pool.usedCount == 8)
    }

    @Test("A history of runs on a shelf holds what one of single packets holds", arguments: 1...20)
    func runs(seed: UInt64) throws {
        var random = PRNG(seed: seed)
        let shelf = PacketShelf(capacity: 128)
        var single = HeldPackets(capacity: 32, duration: .seconds(1_000_000))
        var inRuns = HeldPackets(capacity: 32, duration: .seconds(1_000_000))
        var next: Int64 = 65_000
        for _ in 0..<200 {
            let count = random.chance(1, in: 8) ? 40 : Int64(random.below(9)) + 1
            let isRun = random.chance(2, in: 3)
            for sequence in next..<next + count {
                shelf.put(packet(sequence))
                let copy = packet(sequence)
                single.put(copy, now: .zero)
                if !isRun { inRuns.put(copy, now: .zero) }
            }
            if isRun { inRuns.putRun(next...next + count - 1, from: shelf) }
            // What is lost leaves a hole, and may come later.
            next += count + (random.chance(1, in: 2) ? Int64(random.below(4)) : 0)
            if random.chance(1, in: 3) {
                let late = packet(next - 2)
                if !single.contains(next - 2) { single.put(late, now: .zero) }
                if !inRuns.contains(next - 2) { inRuns.put(late, now: .zero) }
            }
            for sequence in next - 50...next {
                #expect(single.contains(sequence) == inRuns.contains(sequence), "\(sequence) of \(next)")
            }
            // Nothing is kept that is too old: the shelf's packets, and once more those of the other history at most.
            #expect(pool.usedCount <= 128 + 32 + 32)
            let hasCopies = try [
                #require(single.range?.upperBound), #require(inRuns.range?.upperBound),
            ]
            #expect(hasCopies[0] == hasCopies[1])
            let copy = inRuns.copy(hasCopies[0], from: pool)?.info.extendedSequence
            #expect(copy == hasCopies[0])
        }
    }
}
