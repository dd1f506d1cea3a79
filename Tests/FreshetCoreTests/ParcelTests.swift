import FreshetCore
import Testing

@Suite struct ParcelTests {
    private let family = SlotFamily(slotByteCount: 256, headroomByteCount: 32)

    private func packet(_ byte: UInt8, of pool: PacketPool) throws -> Packet {
        guard var packet = pool.allocate() else { throw NoSlot() }
        packet.append([byte, byte, byte].span.bytes)
        packet.info.extendedSequence = Int64(byte)
        return packet
    }

    private struct NoSlot: Error {}

    private func open(_ parcel: inout Parcel, in pool: PacketPool) throws -> Packet {
        guard let packet = pool.trade(for: &parcel) else { throw NoSlot() }
        return packet
    }

    private func withdraw(from pool: PacketPool) throws -> Parcel {
        guard let parcel = pool.withdraw() else { throw NoSlot() }
        return parcel
    }

    @Test func whatIsTradedKeepsItsBytesItsInfoAndItsPlaceInMemory() throws {
        let (near, far) = (PacketPool(slotCount: 2, family: family), PacketPool(slotCount: 1, family: family))
        var parcel = try withdraw(from: PacketPool(slotCount: 1, family: family))
        var given = try packet(5, of: near)
        given.removeFirst(1)
        let place = given.unsafeBytes.baseAddress
        near.trade(given, for: &parcel)
        #expect(near.usedCount == 0 && near.freeCount == 2)
        let got = try open(&parcel, in: far)
        #expect(got.unsafeBytes.baseAddress == place && got.unsafeBytes.elementsEqual([5, 5]))
        #expect(got.info.extendedSequence == 5 && got.isUnique)
        #expect(far.usedCount == 1 && far.freeCount == 0)
    }

    @Test func aPoolWithoutAnEmptySlotTakesNothing() throws {
        let (near, far) = (PacketPool(slotCount: 1, family: family), PacketPool(slotCount: 1, family: family))
        var parcel = try withdraw(from: PacketPool(slotCount: 1, family: family))
        near.trade(try packet(1, of: near), for: &parcel)
        let blocker = try packet(2, of: far)
        #expect(throws: NoSlot.self) { _ = try open(&parcel, in: far) }
        _ = consume blocker
        #expect(try open(&parcel, in: far).info.extendedSequence == 1)
    }

    @Test func aSharedPacketStaysAndIsCopied() throws {
        let near = PacketPool(slotCount: 1, family: family)
        var parcel = try withdraw(from: PacketPool(slotCount: 1, family: family))
        let kept = try packet(3, of: near)
        near.trade(kept.share(), for: &parcel)
        #expect(kept.isUnique && near.usedCount == 1)
        let far = PacketPool(slotCount: 1, family: family)
        let copy = try open(&parcel, in: far)
        #expect(copy.unsafeBytes.elementsEqual([3, 3, 3]))
    }

    @Test func aSlotOutlivesThePoolThatItWasMadeFor() throws {
        let far = PacketPool(slotCount: 1, family: family)
        var parcel = try withdraw(from: far)
        do {
            let near = PacketPool(slotCount: 1, family: family)
            near.trade(try packet(9, of: near), for: &parcel)
        }
        // The far pool gave its only slot away: what it takes in is what the near one left.
        #expect(throws: NoSlot.self) { _ = try open(&parcel, in: far) }
        let other = PacketPool(slotCount: 1, family: family)
        let got = try open(&parcel, in: other)
        #expect(got.unsafeBytes.elementsEqual([9, 9, 9]))
    }
}
