import FreshetCore
import Testing

@Suite struct PRNGTests {
    @Test func sameSeedGivesSameNumbers() {
        var a = PRNG(seed: 7)
        var b = PRNG(seed: 7)
        for _ in 0..<1000 { #expect(a.next() == b.next()) }
    }

    @Test func belowStaysBelow() {
        var random = PRNG(seed: 1)
        for bound in 1...1000 as ClosedRange<UInt64> { #expect(random.below(bound) < bound) }
    }

    @Test func chanceKeepsItsRatio() {
        var random = PRNG(seed: 2)
        var hits = 0
        for _ in 0..<100_000 where random.chance(1, in: 20) { hits += 1 }
        #expect((4_700...5_300).contains(hits))
    }

    @Test func splitStreamsDiffer() {
        let root = PRNG(seed: 3)
        var a = root.split(by: 1)
        var b = root.split(by: 2)
        #expect(a.next() != b.next())
    }
}
