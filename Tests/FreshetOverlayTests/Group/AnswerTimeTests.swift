import FreshetCore
import FreshetOverlay
import Testing

@Suite struct AnswerTimeTests {
    @Test func theGuessHoldsUntilSomethingWasMeasured() {
        var time = AnswerTime(guess: .milliseconds(5))
        #expect(time.smoothed == .milliseconds(5))
        time.note(.milliseconds(1))
        #expect(time.smoothed == .milliseconds(1))
        for _ in 0..<50 { time.note(.milliseconds(1)) }
        #expect(time.timeout < .milliseconds(2))
    }

    @Test func nonsenseIsNotBelieved() {
        var time = AnswerTime(guess: .milliseconds(5), limit: .seconds(1))
        time.note(.seconds(2))
        time.note(.milliseconds(-1))
        #expect(time.smoothed == .milliseconds(5))
    }
}
