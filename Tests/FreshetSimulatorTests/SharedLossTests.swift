import FreshetCore
import FreshetStages
import Testing

@testable import FreshetSimulator

struct SharedLossTests {
    /// Lost datagrams, and runs of them, of each member.
    private func tally(_ configuration: LinkModel.Configuration, members: Int, datagrams: Int) -> (
        lost: Int, runs: Int
    ) {
        var loss = SharedLoss(configuration, count: members, random: PRNG(seed: 3))
        var losers: [Int32] = []
        var before = Set<Int32>()
        var lost = 0
        var runs = 0
        for _ in 0..<datagrams {
            loss.next(into: &losers)
            #expect(Set(losers).count == losers.count)
            lost += losers.count
            runs += losers.count { !before.contains($0) }
            before = Set(losers)
        }
        return (lost, runs)
    }

    @Test("A class of members loses what as many single links lose", arguments: [1, 5, 20])
    func sameLaw(burst: Int) {
        var configuration = LinkModel.Configuration()
        configuration.loss = 30_000
        configuration.burst = burst
        let shared = tally(configuration, members: 100, datagrams: 10_000)
        var lost = 0
        var runs = 0
        for member in 0..<100 {
            var link = LinkModel(configuration, seed: UInt64(member))
            var wasLost = false
            for turn in 0..<10_000 {
                let now = Instant(nanoseconds: Int64(turn) * 1_000_000)
                let isLost = link.decide(now: now, byteCount: 1328) == .lost(.random)
                if isLost {
                    lost += 1
                    if !wasLost { runs += 1 }
                }
                wasLost = isLost
            }
        }
        #expect(abs(Double(shared.lost) / Double(lost) - 1) < 0.08)
        #expect(abs(Double(shared.runs) / Double(runs) - 1) < 0.08)
    }
}
