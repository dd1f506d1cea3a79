import FreshetCore
import FreshetOverlay
import Testing

@Suite struct LatencyControlTests {
    private func second(_ tenths: Int) -> Instant { Instant(nanoseconds: Int64(tenths) * 100_000_000) }

    @Test func itGrowsAtOnceAndShrinksSlowly() {
        var control = LatencyControl(initial: .milliseconds(100))
        for _ in 0..<1000 { control.note(completion: .milliseconds(240)) }
        control.update(
            now: second(0), roundTrip: .milliseconds(50), roundsInHalves: 5, jitter: .milliseconds(2))
        let high = control.target
        #expect(high >= .milliseconds(240) && high <= .milliseconds(280))
        for _ in 0..<60_000 { control.note(completion: .milliseconds(30)) }
        for tenths in 1...10 {
            control.update(
                now: second(tenths), roundTrip: .milliseconds(20), roundsInHalves: 4, jitter: .zero)
        }
        #expect(control.target < high && control.target.count >= high.count / 100 * 98, "1 % a second")
        for tenths in 11...4000 {
            control.update(
                now: second(tenths), roundTrip: .milliseconds(20), roundsInHalves: 4, jitter: .zero)
        }
        #expect(control.target >= .milliseconds(40) && control.target < .milliseconds(42))
    }

    @Test func percentilesAreOfWhatWasSeen() {
        var control = LatencyControl(initial: .zero)
        #expect(control.completion(leaving: 1) == nil)
        for value in 1...1000 as ClosedRange<Int64> { control.note(completion: .milliseconds(value)) }
        let median = control.completion(leaving: 500) ?? .zero
        #expect(median > .milliseconds(480) && median < .milliseconds(580))
    }
}
