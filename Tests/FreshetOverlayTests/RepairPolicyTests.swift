import FreshetCore
import FreshetOverlay
import Testing

@Suite struct RepairPolicyTests {
    private func link(_ percent: Int, burst: Int = 1, once: Bool = true, parity: Bool = false)
        -> RepairPolicy.Link
    {
        RepairPolicy.Link(
            soonest: .milliseconds(100), latest: .milliseconds(106), tick: .milliseconds(5),
            loss: percent * 10_000,
            burst: burst, interval: .microseconds(1316), answersOnce: once, hasParity: parity)
    }

    /// Copies in quarters, round after round, when nothing ever comes.
    private func rounds(_ latency: Int64, _ link: RepairPolicy.Link) -> [Int] {
        let policy = RepairPolicy()
        var slack = Nanoseconds.milliseconds(latency)
        var spent = 0
        var result: [Int] = []
        while true {
            let plan = policy.plan(slack: slack, spent: spent, isFirst: result.isEmpty, link)
            if plan.choice == .hopeless { return result }
            result.append(plan.quarterCopies)
            spent += plan.quarterCopies
            guard let next = plan.nextRound else { return result }
            slack = slack - next
        }
    }

    @Test func nothingIsAskedForInVain() {
        let policy = RepairPolicy()
        #expect(policy.plan(slack: .milliseconds(99), spent: 0, isFirst: true, link(5)).choice == .hopeless)
        #expect(policy.plan(slack: .milliseconds(101), spent: 0, isFirst: true, link(5)).choice != .hopeless)
    }

    @Test func asManyRoundsAsFit() {
        #expect(rounds(150, link(5)).count == 1)
        #expect(rounds(250, link(5)).count == 2)
        #expect(rounds(400, link(20)).count == 3)
    }

    @Test func copiesAreKeptForTheLastRound() {
        #expect(rounds(250, link(1)).first == 4)
        #expect(rounds(400, link(20)) == [4, 4, 32], "1, 1 and 8 copies")
        let ten = rounds(300, link(10))
        #expect(ten.first == 4 && ten.last! >= 20)
    }

    @Test func oneRoundCostsNoMoreThanItsShare() {
        for percent in [1, 5, 10, 20, 30, 50] {
            let quarters = rounds(150, link(percent))[0]
            #expect(quarters * percent <= max(4 * 58, 4 * percent), "\(percent) %: \(quarters)")
        }
    }

    @Test func parityServesWhereCopiesCostTooMuch() {
        let policy = RepairPolicy()
        #expect(
            policy.plan(slack: .milliseconds(200), spent: 0, isFirst: true, link(20, parity: true)).choice
                == .parity)
        #expect(
            policy.plan(slack: .milliseconds(200), spent: 0, isFirst: true, link(1, parity: true)).choice
                == .askTwice)
        #expect(
            policy.plan(slack: .milliseconds(400), spent: 0, isFirst: true, link(20, parity: true)).choice
                == .ask)
        let bursts = link(20, burst: 9, parity: true)
        #expect(policy.plan(slack: .milliseconds(200), spent: 0, isFirst: true, bursts).choice == .askTwice)
    }

    @Test func burstsAreMetByFewCopies() {
        let policy = RepairPolicy()
        let slack = Nanoseconds.milliseconds(150)
        let apart = policy.plan(slack: slack, spent: 4, isFirst: false, link(5))
        let bursts = policy.plan(slack: slack, spent: 4, isFirst: false, link(5, burst: 5))
        #expect(apart.quarterCopies > 12 && bursts.quarterCopies == 12)
    }

    @Test func requestsToOthersAreCopies() {
        let plan = RepairPolicy().plan(
            slack: .milliseconds(150), spent: 0, isFirst: true, link(10, once: false))
        #expect(plan.asks == plan.quarterCopies / 4)
        let early = RepairPolicy().plan(
            slack: .milliseconds(300), spent: 0, isFirst: true, link(10, once: false))
        #expect(early.asks == 1)
    }
}
