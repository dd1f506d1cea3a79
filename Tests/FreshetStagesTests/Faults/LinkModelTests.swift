import FreshetCore
import FreshetStages
import Testing

@Suite struct LinkModelTests {
    private func configuration(_ change: (inout LinkModel.Configuration) -> Void) -> LinkModel.Configuration {
        var configuration = LinkModel.Configuration()
        change(&configuration)
        return configuration
    }

    /// The verdicts on `count` packets of 1328 bytes, one a millisecond.
    private func verdicts(
        _ count: Int, seed: UInt64, _ change: (inout LinkModel.Configuration) -> Void
    ) -> [LinkModel.Verdict] {
        var link = LinkModel(configuration(change), seed: seed)
        return (0..<count).map { link.decide(now: milliseconds(Int64($0)), byteCount: 1328) }
    }

    private func departure(_ verdict: LinkModel.Verdict) -> Instant? {
        guard case .delivered(let departure, _, _) = verdict else { return nil }
        return departure
    }

    @Test func aPlainLinkDelaysAndNothingElse() {
        let verdicts = verdicts(1000, seed: 1) { $0.delay = .milliseconds(7) }
        for (index, verdict) in verdicts.enumerated() {
            let instant = milliseconds(Int64(index) + 7)
            #expect(verdict == .delivered(departure: instant, copyDeparture: nil, corruption: nil))
        }
    }

    @Test func `a detour is taken for every other span`() {
        let departures = verdicts(100, seed: 1) {
            $0.delay = .milliseconds(5)
            $0.detour = .milliseconds(40)
            $0.detourEvery = .milliseconds(20)
        }.map(departure)
        for index in 0..<100 {
            #expect(departures[index] == milliseconds(Int64(index + 5 + (index / 20 % 2) * 40)))
        }
    }

    @Test(arguments: [(10_000, 1), (50_000, 1), (50_000, 5), (10_000, 20), (300_000, 3), (700_000, 1)])
    func lossAndBurstsHaveTheirMeans(loss: Int, burst: Int) {
        let count = 400_000
        let isLost = verdicts(count, seed: 3) {
            $0.loss = loss
            $0.burst = burst
        }.map { $0 == .lost(.random) }
        let lost = isLost.filter { $0 }.count
        let expected = count * loss / 1_000_000
        #expect(abs(lost - expected) < expected / 10)
        var burstCount = 0
        for index in isLost.indices where isLost[index] && (index == 0 || !isLost[index - 1]) {
            burstCount += 1
        }
        let mean = 100 * lost / burstCount
        // Independent losses fall together by chance: 1 / (1 − p).
        let ideal = burst == 1 ? 100_000_000 / (1_000_000 - loss) : burst * 100
        #expect(abs(mean - ideal) <= ideal / 10, "mean burst \(mean) of 100, expected \(ideal)")
    }

    @Test(arguments: [1, 40])
    func `losses by time last as long for a sparse flow as for a dense one`(interval: Int64) {
        var link = LinkModel(
            configuration {
                $0.loss = 50_000
                $0.burstTime = .milliseconds(26)
            }, seed: 12)
        let isLost = (0..<200_000).map {
            link.decide(now: milliseconds(Int64($0) * interval), byteCount: 1328) == .lost(.random)
        }
        let lost = isLost.filter { $0 }.count
        #expect(abs(lost - 10_000) < 1500)
        let runs = zip(isLost, isLost.dropFirst()).filter { !$0 && $1 }.count
        if interval == 1 { #expect(abs(lost / runs - 26) <= 4) } else { #expect(lost / runs <= 2) }
    }

    @Test func `a cut link passes nothing, and what passes else meets the same dice`() {
        let change: (inout LinkModel.Configuration) -> Void = {
            $0.loss = 50_000
            $0.jitter = .milliseconds(5)
        }
        let plain = verdicts(1000, seed: 2, change)
        let cut = verdicts(1000, seed: 2) {
            change(&$0)
            $0.cuts = [.init(start: .milliseconds(100), length: .milliseconds(30))]
        }
        for index in 0..<1000 {
            #expect(cut[index] == ((100..<130).contains(index) ? .lost(.cut) : plain[index]))
        }
    }

    @Test func theSameSeedGivesTheSameFate() {
        let change: (inout LinkModel.Configuration) -> Void = {
            $0.jitter = .milliseconds(30)
            $0.loss = 50_000
            $0.burst = 4
            $0.reorder = 20_000
            $0.duplicate = 10_000
            $0.corrupt = 1000
            $0.rate = 12_000_000
        }
        #expect(verdicts(50_000, seed: 9, change) == verdicts(50_000, seed: 9, change))
        #expect(verdicts(1000, seed: 9, change) != verdicts(1000, seed: 10, change))
    }

    @Test func oneSettingDoesNotShiftTheDiceOfAnother() {
        let plain = verdicts(20_000, seed: 4) { $0.jitter = .milliseconds(30) }
        let lossy = verdicts(20_000, seed: 4) {
            $0.jitter = .milliseconds(30)
            $0.loss = 200_000
            $0.duplicate = 100_000
        }
        for (before, after) in zip(plain, lossy) {
            guard let instant = departure(after) else { continue }
            #expect(instant == departure(before))
        }
    }

    @Test func jitterKeepsItsRangeAndItsShape() {
        for shape in [LinkModel.JitterShape.uniform, .normal] {
            let delays = verdicts(100_000, seed: 5) {
                $0.delay = .milliseconds(10)
                $0.jitter = .milliseconds(60)
                $0.jitterShape = shape
            }.enumerated().map { (departure($1) ?? .zero) - milliseconds(Int64($0)) }
            #expect(delays.allSatisfy { $0 >= .milliseconds(10) && $0 <= .milliseconds(70) })
            let mean = delays.reduce(0) { $0 + $1.count } / 100_000
            #expect(abs(mean - 40_000_000) < 300_000)
            let within = delays.filter { abs($0.count - 40_000_000) <= 10_000_000 }.count
            // A third of the range is one standard deviation to either side of a normal distribution: 68.3 %.
            #expect(abs(within - (shape == .normal ? 68_270 : 33_333)) < 1500)
        }
    }

    @Test func anOrderedLinkKeepsTheOrder() {
        let departures = verdicts(20_000, seed: 6) {
            $0.jitter = .milliseconds(30)
            $0.isOrdered = true
        }.compactMap(departure)
        #expect(zip(departures, departures.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test func reorderedPacketsAreOvertakenByAFew() {
        let verdicts = verdicts(50_000, seed: 7) {
            $0.reorder = 10_000
            $0.reorderDepth = 8
        }
        let order = verdicts.enumerated().map { (departure($1) ?? .zero, $0) }.sorted { $0 < $1 }
        var heldBackCount = 0
        var deepest = 0
        var highest = -1
        for (_, index) in order {
            if index < highest {
                heldBackCount += 1
                deepest = max(deepest, highest - index)
            }
            highest = max(highest, index)
        }
        #expect((400...600).contains(heldBackCount))
        #expect((7...9).contains(deepest))
    }

    @Test func theRateSpacesPacketsAndTheQueueIsBounded() {
        // 1328 bytes a millisecond are 10.6 Mbit/s into a link of 5: a bit more than half is dropped.
        let verdicts = verdicts(20_000, seed: 8) {
            $0.rate = 5_000_000
            $0.queue = .milliseconds(50)
        }
        let departures = verdicts.compactMap(departure)
        #expect(abs(departures.count - 20_000 * 5000 / 10_624) < 50)
        for (earlier, later) in zip(departures, departures.dropFirst()) {
            #expect((later - earlier).count >= 2_124_800)
        }
        for (index, verdict) in verdicts.enumerated() {
            guard let instant = departure(verdict) else {
                #expect(verdict == .lost(.queueFull))
                continue
            }
            #expect(instant - milliseconds(Int64(index)) <= .milliseconds(53))
        }
    }

    @Test func longPacketsDoNotPass() {
        var link = LinkModel(configuration { $0.mtu = 1200 }, seed: 1)
        #expect(link.decide(now: .zero, byteCount: 1201) == .lost(.tooLong))
        #expect(departure(link.decide(now: .zero, byteCount: 1200)) == .zero)
    }
}
