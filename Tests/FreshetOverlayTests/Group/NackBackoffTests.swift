import FreshetCore
import FreshetOverlay
import Testing

@Suite struct NackBackoffTests {
    @Test func waitsStayInTheWindow() {
        var random = PRNG(seed: 1)
        for size in [1, 2, 100, 10_000, 1 << 40] as [UInt64] {
            for _ in 0..<2000 {
                let wait = NackBackoff.draw(window: .milliseconds(400), groupSize: size, random: &random)
                #expect(wait >= .zero && wait <= .milliseconds(400))
            }
        }
        #expect(NackBackoff.draw(window: .zero, groupSize: 5, random: &random) == .zero)
    }

    @Test func logarithmsAreThoseOfTheBooks() {
        // ln 2, ln 10 and ln 10,000 in 1/65536, to a few units.
        for (value, expected) in [(1, 0), (2, 45_426), (10, 150_902), (10_000, 603_609)] as [(UInt64, Int64)]
        {
            #expect(abs(NackBackoff.naturalLogarithm(of: value) - expected) <= 12)
        }
    }

    /// Of 10,000 about one waits less than λ'th part of the window (RFC 5401: e^(λt/T) - 1 of e^λ - 1).
    @Test func fewAreEarlyAndMostAreLate() {
        var random = PRNG(seed: 2)
        var early = 0
        var late = 0
        let window = Nanoseconds(10_210_000)
        for _ in 0..<1_000_000 {
            let wait = NackBackoff.draw(window: window, groupSize: 10_000, random: &random)
            if wait < .milliseconds(1) { early += 1 }
            if wait > .milliseconds(8) { late += 1 }
        }
        // (e - 1) / (e^10.21 - 1) of a million is 63; 1 - e^(8 - 10.21) is 0.89 of them.
        #expect(early >= 30 && early <= 110)
        #expect(late >= 870_000 && late <= 910_000)
    }
}
