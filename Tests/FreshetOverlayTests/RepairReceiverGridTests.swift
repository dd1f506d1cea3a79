import FreshetCore
import FreshetOverlay
import RepairLoop
import Testing

@Suite struct RepairReceiverGridTests {
    @Test(arguments: RepairPoint.grid.indices.filter { RepairPoint.grid[$0].residual == 1 })
    func theGridHolds(index: Int) {
        let point = RepairPoint.grid[index]
        var scenario = point.scenario
        scenario.packets = 20_000
        scenario.seed = 7
        let outcome = RepairLoop.run(scenario)
        #expect(outcome.missed > scenario.packets * point.lossPercent / 150, "\(point.name)")
        #expect(
            point.isMet(outcome), "\(point.name): \(outcome.lost), \(outcome.repairPercent) %")
    }
}
