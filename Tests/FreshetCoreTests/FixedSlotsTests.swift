import FreshetCore
import Testing

@Suite struct FixedSlotsTests {
    @Test func placesHoldOneElementEach() {
        let pool = PacketPool(slotCount: 4)
        var slots = FixedSlots<Packet>(capacity: 4)
        check(slots.isEmpty(2))
        if let packet = pool.allocate() { slots.put(packet, at: 2) }
        check(!slots.isEmpty(2) && slots.withElement(2) { $0.byteCount } == 0)
        if let packet = pool.allocate() { slots.put(packet, at: 2) }
        check(pool.usedCount == 1)
        check(slots.take(2) != nil)
        check(slots.take(2) == nil && slots.withElement(2) { $0.byteCount } == nil)
        check(pool.usedCount == 0)
    }
}
