import FreshetCore
import FreshetOverlay
import Testing

@Suite struct ReportClockTests {
    @Test func nothingIsDueUntilTheSourceSaysSo() {
        var random = PRNG(seed: 1)
        var clock = ReportClock()
        let isDue = clock.take(now: .zero + .seconds(1000), random: &random)
        #expect(!isDue && clock.due == nil)
    }

    @Test func reportsComeAtTheRateAskedFor() {
        var random = PRNG(seed: 2)
        var reports = 0
        for member in 0..<200 {
            var clock = ReportClock()
            clock.set(.seconds(10), now: .zero, random: &random)
            for second in 0..<100 {
                if clock.take(now: .zero + .seconds(Int64(second)), random: &random) { reports += 1 }
            }
            #expect(clock.due != nil, "member \(member)")
        }
        #expect(reports >= 1700 && reports <= 2200)
    }

    @Test func aShorterIntervalBringsTheNextOneForward() {
        var random = PRNG(seed: 3)
        var clock = ReportClock()
        clock.set(.seconds(3600), now: .zero, random: &random)
        for _ in 0..<5 { clock.set(.seconds(1), now: .zero, random: &random) }
        #expect((clock.due ?? .distantFuture) <= .zero + .seconds(1))
        clock.set(.seconds(3600), now: .zero, random: &random)
        #expect((clock.due ?? .zero) <= .zero + .seconds(3600))
    }
}
