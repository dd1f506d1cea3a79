import FreshetCore
import FreshetNet
import Synchronization
import Testing

@testable import FreshetEngine

@Suite struct ParcelRingTests {
    private struct NoPacket: Error {}

    private let family = SlotFamily(slotByteCount: 128)

    private func allocate(_ pool: PacketPool) throws -> Packet {
        guard let packet = pool.allocate() else { throw NoPacket() }
        return packet
    }

    private func pop(_ ring: ParcelRing, _ pool: PacketPool) throws -> Packet {
        guard let packet = ring.pop(into: pool) else { throw NoPacket() }
        return packet
    }

    private func packet(_ value: Int, of pool: PacketPool) throws -> Packet {
        var packet = try allocate(pool)
        var value = value
        withUnsafeBytes(of: &value) { packet.append($0.bytes) }
        packet.info.extendedSequence = Int64(value)
        return packet
    }

    @Test func packetsAndTheirInfoComeOutAsTheyWentIn() throws {
        let ring = try ParcelRing(capacity: 4, family: family)
        let pool = PacketPool(slotCount: 8, family: family)
        for value in 1...4 {
            #expect(!ring.isFull)
            ring.push(try packet(value, of: pool), of: pool)
        }
        #expect(ring.isFull && ring.count == 4 && pool.usedCount == 0)
        for value in 1...4 {
            let packet = try pop(ring, pool)
            #expect(packet.info.extendedSequence == Int64(value) && packet.byteCount == 8)
            #expect(packet.unsafeBytes.loadUnaligned(as: Int.self) == value)
        }
        #expect(throws: NoPacket.self) { _ = try pop(ring, pool) }
    }

    @Test func anEmptyPoolLeavesThePacketInTheRing() throws {
        let ring = try ParcelRing(capacity: 2, family: family)
        let pool = PacketPool(slotCount: 1, family: family)
        ring.push(try packet(1, of: pool), of: pool)
        let blocker = try allocate(pool)
        #expect(throws: NoPacket.self) { _ = try pop(ring, pool) }
        #expect(ring.count == 1)
        _ = consume blocker
        _ = try pop(ring, pool)
        #expect(ring.count == 0)
    }

    @Test func aFullRingWhoseConsumerHasGoneHasNoRoom() throws {
        let ring = try ParcelRing(capacity: 2, family: family)
        let pool = PacketPool(slotCount: 4, family: family)
        for value in 1...2 {
            #expect(ring.hasRoomOrWaits())
            ring.push(try packet(value, of: pool), of: pool)
        }
        #expect(!ring.hasRoomOrWaits())
        ring.close()
        #expect(ring.isClosed && !ring.hasRoomOrWaits())
    }

    @Test func attachmentsChangeHandsAndAreReleasedWithTheRing() throws {
        let released = Released()
        do {
            let ring = try ParcelRing(capacity: 4, family: family)
            let pool = PacketPool(slotCount: 4, family: family)
            for _ in 0..<2 {
                var packet = try allocate(pool)
                packet.unsafeAttach(Unmanaged.passRetained(released).toOpaque()) {
                    Unmanaged<Released>.fromOpaque($0).takeRetainedValue().count += 1
                }
                ring.push(packet, of: pool)
            }
            #expect(released.count == 0)
            _ = ring.pop(into: pool)
            #expect(released.count == 1)
        }
        #expect(released.count == 2)
    }

    @Test func aSharedPacketIsCopiedAndStaysWithThoseWhoShareIt() throws {
        let ring = try ParcelRing(capacity: 2, family: family)
        let (pool, behind) = (
            PacketPool(slotCount: 2, family: family), PacketPool(slotCount: 2, family: family)
        )
        let kept = try packet(7, of: pool)
        ring.push(kept.share(), of: pool)
        #expect(kept.isUnique && pool.usedCount == 1)
        let copy = try pop(ring, behind)
        #expect(copy.info.extendedSequence == 7 && copy.unsafeBytes.loadUnaligned(as: Int.self) == 7)
        #expect(copy.unsafeBytes.baseAddress != kept.unsafeBytes.baseAddress && behind.usedCount == 1)
    }

    @Test func slotsAreTradedSoThatNoPoolGrowsOrRunsDry() throws {
        let ring = try ParcelRing(capacity: 2, family: family)
        let (pool, behind) = (
            PacketPool(slotCount: 2, family: family), PacketPool(slotCount: 2, family: family)
        )
        for value in 0..<1000 {
            let given = try packet(value, of: pool)
            let place = given.unsafeBytes.baseAddress
            ring.push(given, of: pool)
            let got = try pop(ring, behind)
            #expect(got.unsafeBytes.baseAddress == place, "a byte was copied")
        }
        #expect(pool.peakUsedCount == 1 && behind.peakUsedCount == 1)
        let all = [try allocate(pool).byteCount, try allocate(behind).byteCount]
        #expect(all == [0, 0] && pool.freeCount == 2 && behind.freeCount == 2)
    }

    private final class Released {
        var count = 0
    }

    @Test func twoThreadsKeepTheOrderOverManyPackets() throws {
        let count = 200_000
        let ring = try ParcelRing(capacity: 64, family: family)
        // Pools join the family before the threads start; each is touched by its own thread alone.
        nonisolated(unsafe) let producerPool = PacketPool(slotCount: 4, family: family)
        let producer = LoopThread(name: "producer") {
            var next = 0
            while next < count {
                if ring.isFull { continue }
                guard var packet = producerPool.allocate() else { continue }
                packet.append(byteCount: 8) { _ in }
                packet.info.extendedSequence = Int64(next)
                ring.push(packet, of: producerPool)
                next += 1
            }
            ring.finish()
        }
        let pool = PacketPool(slotCount: 4, family: family)
        var expected: Int64 = 0
        while !ring.isDrained {
            guard let packet = ring.pop(into: pool) else { continue }
            if packet.info.extendedSequence != expected { break }
            expected += 1
        }
        #expect(expected == Int64(count))
        producer?.join()
    }
}
