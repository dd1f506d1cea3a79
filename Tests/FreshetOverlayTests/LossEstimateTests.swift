import FreshetCore
import FreshetOverlay
import FreshetStages
import Testing

@Suite struct LossEstimateTests {
    private func run(_ estimate: inout LossEstimate, percent: Int, burst: Int, packets: Int, seed: UInt64 = 3)
    {
        var configuration = LinkModel.Configuration()
        configuration.loss = percent * 10_000
        configuration.burst = burst
        var link = LinkModel(configuration, seed: seed)
        var missing = 0
        for _ in 0..<packets {
            if case .lost = link.decide(now: .zero, byteCount: 100) {
                missing += 1
            } else {
                estimate.note(lostBefore: missing)
                missing = 0
            }
        }
    }

    @Test(arguments: [1, 5, 10, 20, 30])
    func theLossIsFound(percent: Int) {
        var estimate = LossEstimate()
        run(&estimate, percent: percent, burst: 1, packets: 20_000)
        #expect(abs(estimate.meanPartsPerMillion - percent * 10_000) < 5_000 + percent * 1_000)
        #expect(estimate.partsPerMillion >= estimate.meanPartsPerMillion)
        #expect(estimate.burst == 1)
    }

    @Test(arguments: [5, 20])
    func burstsAreFound(burst: Int) {
        var estimate = LossEstimate()
        run(&estimate, percent: 5, burst: burst, packets: 100_000)
        #expect(estimate.burst > burst / 2 && estimate.burst < burst * 2)
    }

    @Test func lossIsLearntSoonAndForgottenSlowly() {
        var estimate = LossEstimate()
        run(&estimate, percent: 0, burst: 1, packets: 5_000)
        #expect(estimate.partsPerMillion < 1_000)
        run(&estimate, percent: 20, burst: 1, packets: 1_000)
        #expect(estimate.partsPerMillion > 100_000)
        run(&estimate, percent: 20, burst: 1, packets: 5_000)
        run(&estimate, percent: 0, burst: 1, packets: 1_000)
        #expect(estimate.partsPerMillion > 80_000)
    }
}
