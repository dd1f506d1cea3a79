import Testing

@testable import FreshetOverlay

@Suite struct SequenceRunsTests {
    @Test("Runs that touch are one, and the oldest of too many is given back")
    func runs() {
        var runs = SequenceRuns()
        #expect(runs.append(1, 3) == nil && runs.append(4, 6) == nil)
        #expect(runs.count == 1)
        for first in [10, 20, 30] as [Int64] { #expect(runs.append(first, first + 5) == nil) }
        #expect(runs.contains(1) && runs.contains(6) && !runs.contains(7) && runs.contains(35))
        #expect(!runs.contains(0) && !runs.contains(36) && !runs.contains(19))
        let oldest = runs.append(40, 41)
        #expect(oldest?.first == 1 && oldest?.last == 6)
        #expect(!runs.contains(6) && runs.contains(10) && runs.contains(41))
        while runs.removeFirst() != nil {}
        #expect(!runs.contains(41))
    }
}
