import FreshetCore
import FreshetOverlay
import Testing

@Suite struct HoleTableTests {
    private func hole(_ sequence: Int64, deadline: Int64 = 100) -> Hole {
        Hole(
            sequence: sequence, noticed: .zero, deadline: Instant(nanoseconds: deadline), nextRound: .zero)
    }

    @Test func holesAreFoundByNumberOnly() {
        var table = HoleTable(capacity: 20)
        #expect(table.capacity == 32)
        for sequence in [3, 7, 8, 20] as [Int64] { table.append(hole(sequence)) }
        #expect(table.find(7) == 1 && table.find(9) == nil && table.find(20) == 3 && table.find(21) == nil)
        #expect(table.index(from: 9) == 3 && table.index(from: 100) == 4)
    }

    @Test func settledHolesLeaveFromTheFront() {
        var table = HoleTable(capacity: 16)
        for sequence in 0..<4 as Range<Int64> { table.append(hole(sequence, deadline: 100 + sequence)) }
        table.fill(1)
        table.fill(1)
        #expect(table.openCount == 3)
        #expect(table.popSettled(now: Instant(nanoseconds: 50)) == nil)
        #expect(table.popSettled(now: Instant(nanoseconds: 100))?.sequence == 0)
        #expect(table.popSettled(now: Instant(nanoseconds: 100))?.isFilled == true)
        #expect(table.popSettled(now: Instant(nanoseconds: 100)) == nil)
        #expect(table.count == 2 && table.openCount == 2)
    }

    @Test func itWrapsAndGrowsAtBothEnds() {
        var table = HoleTable(capacity: 16)
        table.append(hole(1000))
        for step in 1...10 as ClosedRange<Int64> { table.prepend(hole(1000 - step)) }
        for step in 1...5 as ClosedRange<Int64> { table.append(hole(1000 + step)) }
        #expect(table.isFull)
        for index in 0..<16 { #expect(table[index].sequence == 990 + Int64(index)) }
        for _ in 0..<100 {
            table.fill(0)
            let old = table.popSettled(now: .zero)
            #expect(old != nil)
            table.append(hole((old?.sequence ?? 0) + 16))
        }
        #expect(table[0].sequence == 1090 && table.find(1105) == 15)
    }
}
