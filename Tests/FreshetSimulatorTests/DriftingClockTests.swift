import FreshetCore
import Testing

@testable import FreshetSimulator

struct DriftingClockTests {
    @Test(
        "The time of a reading is the first at which the clock shows it",
        arguments: [-200, -1, 0, 1, 37, 500])
    func inverse(drift: Int64) {
        let clock = DriftingClock(offset: .milliseconds(123_456), drift: drift)
        var random = PRNG(seed: 1)
        for _ in 0..<2000 {
            let reading = Instant(nanoseconds: 123_456_000_000 + Int64(random.below(1 << 44)))
            let time = clock.time(of: reading)
            #expect(clock.reading(at: time) >= reading)
            #expect(clock.reading(at: time - Nanoseconds(1)) < reading)
        }
    }

    @Test("A clock of +100 ppm gains 6 ms in a minute")
    func gain() {
        let clock = DriftingClock(drift: 100)
        #expect(clock.reading(at: Instant(nanoseconds: 60_000_000_000)).nanoseconds == 60_006_000_000)
    }
}
