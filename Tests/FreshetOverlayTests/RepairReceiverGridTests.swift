import FreshetCore
import FreshetOverlay
import FreshetStages
import RepairLoop
import Testing

/// Both ends over two bad links. `repair-grid` runs the same with as many packets as wanted.
@Suite struct RepairReceiverGridTests {
    @Test(arguments: RepairPoint.grid.indices)
    func theGridHolds(index: Int) {
        let point = RepairPoint.grid[index]
        var scenario = point.scenario
        scenario.packets = 6_000
        scenario.seed = 8
        scenario.hasParity = true
        let outcome = RepairLoop.run(scenario)
        #expect(outcome.missed > 0, "\(point.name)")
        #expect(point.isMet(outcome), "\(point.name): \(outcome.lost), \(outcome.repairPercent) %")
        #expect(outcome.lost < 150, "\(point.name)")
    }

    @Test(arguments: [(7600, 100_000, 100), (7600, 200_000, 1000), (15_200, 200_000, 4000)])
    func `where a round trip holds more packets than a decoder keeps, copies take the place of parity`(
        rate: Int64, loss: Int, most: Int
    ) {
        var scenario = RepairLoop.Scenario()
        scenario.rate = rate
        scenario.roundTrip = .milliseconds(100)
        scenario.latency = .milliseconds(200)
        scenario.link.loss = loss
        scenario.packets = 40_000
        scenario.seed = 4
        scenario.hasParity = true
        let outcome = RepairLoop.run(scenario)
        #expect(outcome.lossPerMillion <= Double(most) && outcome.repairPercent <= 62, "\(outcome)")
        #expect((outcome.parity > 0) == (rate == 7600))
    }

    @Test(arguments: [false, true])
    func aPlainSenderIsRepairedToo(ranges: Bool) {
        var scenario = RepairLoop.Scenario()
        scenario.link.loss = 50_000
        scenario.packets = 6_000
        scenario.isFreshet = false
        scenario.usesRanges = ranges
        let outcome = RepairLoop.run(scenario)
        #expect(
            outcome.lost <= 1 && outcome.repairPercent < 15, "\(outcome.lost), \(outcome.repairPercent) %")
    }

    @Test func aGoodLinkCostsReportsOnly() {
        var scenario = RepairLoop.Scenario()
        scenario.packets = 6_000
        let outcome = RepairLoop.run(scenario)
        #expect(outcome.lost == 0 && outcome.repairs == 0 && outcome.receiver.requests == 0)
        #expect(outcome.controls < 120)
    }

    @Test func itWorksFromTheStartUnderHeavyLoss() {
        var lost = 0
        for seed in 1...20 as ClosedRange<UInt64> {
            var scenario = RepairLoop.Scenario()
            scenario.link.loss = 300_000
            scenario.packets = 760
            scenario.seed = seed
            lost += RepairLoop.run(scenario).lost
        }
        #expect(lost <= 25, "of 15,200: \(lost)")
    }

    @Test func reorderedPacketsAreNotAskedForAgainAndAgain() {
        var scenario = RepairLoop.Scenario()
        scenario.link.reorder = 50_000
        scenario.link.reorderDepth = 4
        scenario.packets = 8_000
        let outcome = RepairLoop.run(scenario)
        #expect(outcome.lost == 0 && outcome.repairPercent < 1, "\(outcome.repairPercent) %")
    }

    @Test func theSameSeedGivesTheSameRun() {
        var scenario = RepairPoint.grid[4].scenario
        scenario.packets = 3_000
        let first = RepairLoop.run(scenario)
        let second = RepairLoop.run(scenario)
        #expect(first.repairs == second.repairs && first.controlBytes == second.controlBytes)
    }
}
