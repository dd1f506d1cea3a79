import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct HeldPacketsTests {
    private let pool = PacketPool(slotCount: 64, slotByteCount: 128, headroomByteCount: 16)

    private func put(_ sequence: Int64, into held: inout HeldPackets, at now: Instant) {
        guard var packet = pool.allocate() else { return }
        packet.append(byteCount: 20) { bytes in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: 0, ssrc: 2, into: &bytes)
        }
        packet.info.extendedSequence = sequence
        packet.info.flags = .hasSequence
        packet.info.arrival = now
        held.put(packet, now: now)
    }

    @Test func theLastOnesAreKeptInWhateverOrderTheyCame() {
        var held = HeldPackets(capacity: 8, duration: .seconds(1))
        for sequence in [1, 2, 4, 5, 3] as [Int64] { put(sequence, into: &held, at: .zero) }
        for sequence in Int64(1)...5 { #expect(held.contains(sequence) == true) }
        #expect(!held.contains(0) && !held.contains(6))
        for sequence in Int64(6)...12 { put(sequence, into: &held, at: .zero) }
        #expect(!held.contains(4) && held.contains(5) && held.contains(12))
        held.removeAll()
        #expect(pool.usedCount == 0)
    }

    @Test func oldOnesGo() {
        var held = HeldPackets(capacity: 32, duration: .milliseconds(100))
        for sequence in Int64(1)...16 { put(sequence, into: &held, at: .zero + .milliseconds(20 * sequence)) }
        #expect(!held.contains(10) && held.contains(11) && held.range == 11...16)
        put(1_000_000, into: &held, at: .zero + .seconds(2))
        #expect(pool.usedCount == 1)
        held.removeAll()
    }

    @Test func aCopyIsMarkedAndItsOwn() {
        var held = HeldPackets(capacity: 8, duration: .seconds(1))
        put(5, into: &held, at: .zero)
        guard let copy = held.copy(5, from: pool) else {
            Issue.record("a packet that is held is not copied")
            return
        }
        let ssrc = copy.bytes.uint32(at: 8)
        let isUnique = copy.isUnique
        let isMarked = copy.info.flags.contains(.isRetransmission)
        #expect(ssrc == 3 && isUnique && isMarked)
        let none = held.copy(6, from: pool) == nil
        #expect(none)
        held.removeAll()
    }
}
