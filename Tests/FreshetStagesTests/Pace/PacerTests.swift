import FreshetCore
import FreshetStages
import Testing

@Suite struct PacerTests {
    private func at(_ nanoseconds: Int64) -> Instant { Instant(nanoseconds: nanoseconds) }

    @Test func departuresFollowTheMediaTimeToTheNanosecond() {
        var pacer = Pacer()
        let start = at(1_000_000_007)
        #expect(pacer.departure(of: MediaTime(ticks: 5_000), now: start) == start)
        for step in 1...1_000_000 as ClosedRange<Int64> {
            let ticks = step * 3_553
            let expected = start + Nanoseconds(Int64(Int128(ticks) * 1000 / 27))
            #expect(pacer.departure(of: MediaTime(ticks: 5_000 + ticks), now: start) == expected)
        }
    }

    @Test func aLateWakeUpMovesNoLaterDeparture() {
        var pacer = Pacer()
        let start = at(0)
        _ = pacer.departure(of: MediaTime(ticks: 0), now: start)
        var random = PRNG(seed: 4)
        for step in 1...10_000 as ClosedRange<Int64> {
            let expected = at(step * 1_000_000)
            let now = expected + Nanoseconds(Int64(random.below(4_000_000)))
            #expect(pacer.departure(of: MediaTime(ticks: step * 27_000), now: now) == expected)
        }
        #expect(pacer.restartCount == 0)
    }

    @Test func speedStretchesAndSqueezesTheSchedule() {
        for (speed, second) in [(2_000_000, 500_000_000), (500_000, 2_000_000_000), (1_001_000, 999_000_999)]
        {
            var configuration = Pacer.Configuration()
            configuration.speedPartsPerMillion = Int64(speed)
            var pacer = Pacer(configuration)
            _ = pacer.departure(of: MediaTime(ticks: 0), now: at(0))
            for step in 1...50 as ClosedRange<Int64> {
                let departure = pacer.departure(of: MediaTime(ticks: 27_000_000 * step), now: at(0))
                #expect(abs(departure.nanoseconds - Int64(second) * step) <= step)
            }
        }
    }

    @Test func aBacklogGoesOutFasterButNotAtOnce() {
        var pacer = Pacer()
        _ = pacer.departure(of: MediaTime(ticks: 0), now: at(0))
        // A stall of 200 ms, then a packet every 1 ms of stream: four times as fast until the schedule is
        // met.
        var now = at(200_000_000)
        var metAt: Int64?
        for step in 1...1000 as ClosedRange<Int64> {
            let departure = pacer.departure(of: MediaTime(ticks: step * 27_000), now: now)
            let gap = departure - now
            if step > 1, metAt == nil {
                #expect(gap == .microseconds(250) || departure == at(step * 1_000_000))
            }
            if departure > now { now = departure }
            if departure == at(step * 1_000_000), metAt == nil { metAt = step }
        }
        // 200 ms late, 3/4 ms made good with each: met after 266 packets.
        #expect(metAt.map { (260...270).contains($0) } == true)
        #expect(pacer.restartCount == 0)
    }

    @Test func aHostThatWakesLateEveryTimeKeepsUp() {
        var pacer = Pacer()
        var now = at(0)
        var worst: Int64 = 0
        // A packet every 1 ms of stream; every sleep ends 10 ms late.
        for step in 0..<20_000 as Range<Int64> {
            let departure = pacer.departure(of: MediaTime(ticks: step * 27_000), now: now)
            if departure > now { now = departure + .milliseconds(10) }
            worst = max(worst, now.nanoseconds - step * 1_000_000)
        }
        #expect(pacer.restartCount == 0)
        #expect(worst < 40_000_000)
    }

    @Test func aLongStallStartsTheScheduleAnew() {
        var pacer = Pacer()
        _ = pacer.departure(of: MediaTime(ticks: 0), now: at(0))
        let late = at(2_000_000_000)
        #expect(pacer.departure(of: MediaTime(ticks: 27_000), now: late) == late)
        #expect(pacer.restartCount == 1)
        #expect(pacer.departure(of: MediaTime(ticks: 54_000), now: late) == late + .milliseconds(1))
    }

    @Test func aLeapOfTheTimelineHoldsNothingForEver() {
        var pacer = Pacer()
        _ = pacer.departure(of: MediaTime(ticks: 0), now: at(0))
        let far = MediaTime(ticks: 27_000_000 * 3600)
        #expect(pacer.departure(of: far, now: at(5)) == at(5))
        #expect(pacer.restartCount == 1)
    }

    @Test func delayAndLeadMoveTheStart() {
        var configuration = Pacer.Configuration()
        configuration.delay = .milliseconds(30)
        var delayed = Pacer(configuration)
        #expect(delayed.departure(of: MediaTime(ticks: 9), now: at(100)) == at(30_000_100))

        configuration.delay = .zero
        configuration.lead = .seconds(1)
        var leading = Pacer(configuration)
        var now = at(0)
        for step in 0...2000 as ClosedRange<Int64> {
            let departure = leading.departure(of: MediaTime(ticks: step * 27_000), now: now)
            if departure > now { now = departure }
        }
        // Two seconds of stream, one of them ahead of its time.
        #expect(now == at(1_000_000_000))
        #expect(leading.restartCount == 0)
    }

    /// A live source of a packet a millisecond whose clock is off by `partsPerMillion`, with `jitter` of the
    /// network; returns how long each packet waited.
    private func waits(
        _ count: Int64, partsPerMillion: Int64, jitter: UInt64, follows: Bool = true
    ) -> [Int64] {
        var configuration = Pacer.Configuration()
        configuration.followsSource = follows
        var pacer = Pacer(configuration)
        var random = PRNG(seed: 9)
        var result: [Int64] = []
        var previous = at(0)
        for step in 0..<count {
            let media = MediaTime(ticks: step * 27_000)
            let sent = step * 1_000_000 - step * partsPerMillion
            let arrival = max(previous, at(sent + Int64(random.below(jitter + 1))))
            pacer.arrived(media, now: arrival, isBlocked: false)
            let departure = max(pacer.departure(of: media, now: arrival), arrival)
            result.append((departure - arrival).count)
            previous = arrival
        }
        return result
    }

    @Test(arguments: [-200, 200] as [Int64])
    func aLiveSourcesClockIsFollowed(partsPerMillion: Int64) {
        // Ten minutes: 120 ms apart at 200 ppm if nothing were done.
        let followed = waits(600_000, partsPerMillion: partsPerMillion, jitter: 3_000_000)
        #expect(followed.suffix(300_000).allSatisfy { $0 <= 12_000_000 })
        // All but two in a hundred have time to spare, so departures are even.
        let late = followed.suffix(300_000).filter { $0 == 0 }.count
        #expect(late < 6_000)
    }

    @Test func withoutFollowingAFastSourceFillsTheLine() {
        let waited = waits(600_000, partsPerMillion: 200, jitter: 0, follows: false)
        #expect(waited.last.map { $0 > 100_000_000 } == true)
    }

    @Test func aFileIsNotTakenForALiveSource() {
        var configuration = Pacer.Configuration()
        configuration.followsSource = true
        var pacer = Pacer(configuration)
        _ = pacer.departure(of: MediaTime(ticks: 0), now: at(0))
        for step in 1...60_000 as ClosedRange<Int64> {
            // Held 512 packets ahead, always full.
            pacer.arrived(MediaTime(ticks: (step + 512) * 27_000), now: at(step * 1_000_000), isBlocked: true)
            let departure = pacer.departure(of: MediaTime(ticks: step * 27_000), now: at(step * 1_000_000))
            #expect(departure == at(step * 1_000_000))
        }
    }
}
