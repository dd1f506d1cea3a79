import FreshetCore
import FreshetOverlay
import Testing

@Suite struct RoundTripTests {
    @Test func theFirstAnswerIsTaken() {
        var trip = RoundTrip()
        #expect(trip.soonest(.milliseconds(3)) == .milliseconds(3))
        #expect(trip.latest(margin: .zero, .milliseconds(9)) == .milliseconds(9))
        trip.note(.milliseconds(40))
        #expect(trip.smoothed == .milliseconds(40) && trip.soonest(.zero) == .milliseconds(40))
    }

    @Test func steadyAnswersNarrowTheSpread() {
        var trip = RoundTrip()
        for _ in 0..<60 { trip.note(.milliseconds(40)) }
        #expect(trip.latest(margin: .zero, .zero) < .microseconds(40_100))
        var random = PRNG(seed: 1)
        for _ in 0..<400 { trip.note(.milliseconds(40) + .microseconds(Int64(random.below(10_000)))) }
        #expect(trip.latest(margin: .zero, .zero) > .milliseconds(48))
        #expect(trip.soonest(.zero) < .milliseconds(42))
    }

    @Test func aLongerRouteIsLearnt() {
        var trip = RoundTrip()
        for _ in 0..<60 { trip.note(.milliseconds(40)) }
        for _ in 0..<200 { trip.note(.milliseconds(80)) }
        #expect(trip.soonest(.zero) > .milliseconds(78))
    }

    @Test func absurdAnswersAreLeftOut() {
        var trip = RoundTrip()
        trip.note(.seconds(11))
        trip.note(Nanoseconds(-1))
        #expect(trip.smoothed == nil)
    }
}
