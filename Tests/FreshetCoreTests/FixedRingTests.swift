import FreshetCore
import Testing

@Suite struct FixedRingTests {
    @Test func elementsComeOutInOrderAcrossTheSeam() {
        var ring = FixedRing<Int>(capacity: 3)
        var expected = 0
        for value in 0..<100 {
            if ring.isFull {
                check(ring.popFirst() == expected)
                expected += 1
            }
            ring.append(value)
        }
        check(ring.count == 3 && ring.freeCount == 0)
        check(ring[0] == 97 && ring[2] == 99)
        check(ring.popLast() == 99)
        ring.prepend(5)
        check(
            ring.popFirst() == 5 && ring.popFirst() == 97 && ring.popFirst() == 98 && ring.popFirst() == nil)
    }

    @Test func whatIsLeftIsDroppedWithTheRing() {
        let pool = PacketPool(slotCount: 4)
        do {
            var ring = PacketBatch(capacity: 4)
            for _ in 0..<3 { if let packet = pool.allocate() { ring.append(packet) } }
            _ = ring.popFirst()
            check(pool.usedCount == 2)
        }
        check(pool.usedCount == 0)
    }

    @Test func elementsCanBeChangedInPlace() {
        var ring = FixedRing<Int>(capacity: 2)
        ring.append(1)
        ring[0] += 4
        check(ring.popFirst() == 5)
    }
}
