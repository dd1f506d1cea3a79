import FreshetCore
import Testing

@Suite struct PacketPoolTests {
    @Test func slotsComeHomeWhenTheLastTicketIsDropped() {
        let pool = PacketPool(slotCount: 2)
        var first = pool.allocate()
        var second = pool.allocate()
        check(first != nil && second != nil && pool.freeCount == 0)
        check(isEmpty(pool))
        first = nil
        check(pool.usedCount == 1 && !isEmpty(pool))
        second = nil
        check(pool.usedCount == 0 && pool.peakUsedCount == 2)
    }

    private func isEmpty(_ pool: PacketPool) -> Bool {
        if pool.allocate() != nil { return false }
        return true
    }

    @Test func aSharedPacketLivesAsLongAsItsLastTicket() {
        let pool = PacketPool(slotCount: 1)
        guard var packet = pool.allocate() else { return check(Bool(false)) }
        packet.append(byteCount: 3) { $0.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self) }
        var other: Packet? = packet.share()
        check(!packet.isUnique)
        _ = consume packet
        check(pool.usedCount == 1)
        check(other?.unsafeBytes[0] == 7)
        other = nil
        check(pool.usedCount == 0)
    }

    @Test func slotsAreReusedLastInFirstOut() {
        let pool = PacketPool(slotCount: 1000)
        for _ in 0..<10_000 { _ = pool.allocate() }
        check(pool.peakUsedCount == 1)
    }

    @Test func infoIsFreshInAReusedSlot() {
        let pool = PacketPool(slotCount: 1)
        if let packet = pool.allocate() { packet.info.ssrc = 9 }
        check(pool.allocate()?.info.ssrc == 0)
    }
}
