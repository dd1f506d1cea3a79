import FreshetCore
import FreshetStages
import Testing

/// A source that sends a datagram of 1316 bytes at 8 Mbit/s with a clock of its own, over a path with jitter.
struct SteadySource {
    var random: PRNG
    var driftPartsPerMillion: Int64 = 0
    var jitter: Int64 = 20_000_000
    var pathDelay: Int64 = 3_000_000
    var interval: Int64 = 35_532  // ticks of 27 MHz: 1.316 ms
    var index: Int64 = 0

    init(seed: UInt64, drift: Int64 = 0, jitter: Nanoseconds = .milliseconds(20)) {
        random = PRNG(seed: seed)
        driftPartsPerMillion = drift
        self.jitter = jitter.count
    }

    /// When media time `ticks` is sent, on our clock.
    func sent(_ ticks: Int64) -> Int64 {
        let nominal = ticks * 1000 / 27
        return 1_000_000_000 + nominal + nominal / 1_000_000 * driftPartsPerMillion
    }

    /// The next packet: its 90 kHz timestamp without wrap, and its arrival.
    mutating func next() -> (timestamp: Int64, arrival: Instant) {
        let ticks = index * interval
        index += 1
        let delay = jitter > 0 ? Int64(random.below(UInt64(jitter))) : 0
        return (ticks / 300, Instant(nanoseconds: sent(ticks) + pathDelay + delay))
    }
}

@Suite struct SourceClockTests {
    /// The error of the recovered drift after `seconds`, in parts per billion; arrivals sorted as a network
    /// queue would.
    private func driftError(seed: UInt64, drift: Int64, jitter: Nanoseconds, seconds: Int64) -> Int64 {
        var source = SteadySource(seed: seed, drift: drift, jitter: jitter)
        var clock = SourceClock(urgentExcess: .milliseconds(200))
        while true {
            let (timestamp, arrival) = source.next()
            if arrival.nanoseconds > 1_000_000_000 + seconds * 1_000_000_000 { break }
            clock.observe(MediaTime(ticks90k: timestamp), arrival: arrival)
        }
        return clock.driftPartsPerBillion - drift * 1000
    }

    @Test(arguments: [-100, 0, 37, 100] as [Int64])
    func driftIsWithinFivePartsPerMillionAfterTenSeconds(drift: Int64) {
        for seed in 0..<100 as Range<UInt64> {
            let error = driftError(seed: seed, drift: drift, jitter: .milliseconds(20), seconds: 10)
            #expect(error.magnitude <= 5000, "seed \(seed)")
        }
        for seed in 0..<10 as Range<UInt64> {
            #expect(
                driftError(seed: seed, drift: drift, jitter: .milliseconds(10), seconds: 10).magnitude <= 5000
            )
        }
    }

    @Test(arguments: [-100, 0, 100] as [Int64])
    func driftIsWithinOnePartPerMillionAfterAMinute(drift: Int64) {
        for seed in 0..<2 as Range<UInt64> {
            let error = driftError(seed: seed, drift: drift, jitter: .milliseconds(5), seconds: 60)
            #expect(error.magnitude <= 1000, "seed \(seed)")
        }
    }
}
