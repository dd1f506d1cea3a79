import FreshetCore
import FreshetNet
import Testing

@Suite struct MonotonicClockTests {
    @Test func `the clock never goes back`() {
        var last = MonotonicClock.now
        for _ in 0..<10_000 {
            let now = MonotonicClock.now
            #expect(now >= last)
            last = now
        }
    }

    @Test func `the mapping turns the wall clock's now into the monotonic now`() {
        let mapping = ClockMapping()
        let before = MonotonicClock.now
        let mapped = mapping.instant(WallTime.now)
        let after = MonotonicClock.now
        #expect(mapped >= before - .microseconds(50) && mapped <= after + .microseconds(50))
        #expect(mapping.instant(mapping.wallTime(before)) == before)
    }

    @Test func `an NTP timestamp counts from 1900`() {
        #expect(WallTime(nanoseconds: 0).ntpTimestamp == UInt64(2_208_988_800) << 32)
        #expect(
            WallTime(nanoseconds: 1_500_000_000).ntpTimestamp == (UInt64(2_208_988_801) << 32) | 0x8000_0000)
    }
}
