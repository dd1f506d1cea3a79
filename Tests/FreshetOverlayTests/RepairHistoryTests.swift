import FreshetCore
import FreshetOverlay
import Testing

@Suite struct RepairHistoryTests {
    private let pool = PacketPool(slotCount: 200, slotByteCount: 64, headroomByteCount: 0)

    private func note(_ history: inout RepairHistory, _ sequence: Int64, at nanoseconds: Int64 = 0) {
        guard let packet = pool.allocate() else { return }
        history.note(packet, sequence: sequence, now: Instant(nanoseconds: nanoseconds))
    }

    @Test func itKeepsTheLastOnes() {
        var history = RepairHistory(capacity: 64, duration: .seconds(1))
        for sequence in 0..<100 as Range<Int64> { note(&history, sequence) }
        #expect(history.count == 64 && pool.usedCount == 64)
        #expect(
            !history.contains(35) && history.contains(36) && history.contains(99) && !history.contains(100))
        history.removeAll()
        #expect(pool.usedCount == 0 && history.highest == nil)
    }

    @Test func whatIsTooOldGoes() {
        var history = RepairHistory(capacity: 64, duration: Nanoseconds(10))
        for sequence in 0..<20 as Range<Int64> { note(&history, sequence, at: sequence) }
        #expect(history.count == 10 && history.nextExpiry == Instant(nanoseconds: 29))
        history.expire(Instant(nanoseconds: 100))
        #expect(history.count == 0 && history.nextExpiry == nil && pool.usedCount == 0)
    }

    @Test func numbersNeverSentAreNotThere() {
        var history = RepairHistory(capacity: 64, duration: .seconds(1))
        note(&history, 10)
        note(&history, 13)
        #expect(
            history.contains(10) && !history.contains(11) && !history.contains(12) && history.contains(13))
        note(&history, 5_000_000)
        #expect(history.count == 1 && !history.contains(13))
    }

    @Test func whatARelayGotLateTakesItsPlace() {
        var history = RepairHistory(capacity: 64, duration: .seconds(1))
        for sequence in [10, 11, 13, 14, 12, 12, 15] as [Int64] { note(&history, sequence, at: sequence) }
        #expect(history.count == 6 && history.highest == 15)
        for sequence in 10...15 as ClosedRange<Int64> {
            let isThere = history.contains(sequence)
            #expect(isThere)
        }
        let times = [history.lateSince(12), history.lateSince(13)]
        #expect(times == [Instant(nanoseconds: 12), nil])
        history.removeAll()
        #expect(pool.usedCount == 0)
    }

    @Test func aStreamMayBeginWithAPacketThatIsNotItsFirst() {
        var history = RepairHistory(capacity: 64, duration: Nanoseconds(100))
        for sequence in [12, 10, 13, 11] as [Int64] { note(&history, sequence, at: sequence) }
        #expect(history.count == 4 && history.lowest == 10)
        // What was kept and let go does not come in again.
        history.expire(Instant(nanoseconds: 111))
        #expect(history.lowest == 12)
        note(&history, 11, at: 111)
        #expect(!history.contains(11) && history.count == 2)
        history.removeAll()
        #expect(pool.usedCount == 0)
    }

    @Test func sixteenBitsMeanThePastNearest() {
        var history = RepairHistory(capacity: 64, duration: .seconds(1))
        #expect(history.extend(5) == nil)
        let epoch: Int64 = 3 * 65_536
        note(&history, epoch + 5)
        let found = [5, 6, 65_535].map { (low: UInt16) in history.extend(low) ?? 0 }
        #expect(found == [epoch + 5, epoch + 6 - 65_536, epoch - 1])
    }
}
