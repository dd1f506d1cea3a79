import FreshetCore
import FreshetWire
import Testing

@testable import FreshetOverlay

/// What is said to a parent that is left.
@Suite struct FarewellsTests {
    static let address = PeerAddress(v4: 0x0A00_0001, port: 5000)

    @Test func aLeaveIsSaidAgainTwice() {
        var farewells = Farewells()
        #expect(farewells.due == nil)
        farewells.note(StripeSet(1), to: Self.address, token: 7, keepsPlace: true, now: .zero)
        var now = Instant.zero
        var count = 0
        while let due = farewells.due {
            now = due
            #expect(farewells.next(now: due - Nanoseconds(1)) == nil)
            let next = farewells.next(now: due)
            #expect(next?.address == Self.address)
            count += 1
        }
        #expect(count == Farewells.repeatCount)
        #expect(now == Instant.zero + Farewells.interval * 2)
    }

    @Test func whatIsWantedAgainIsNotLeftAgain() {
        var farewells = Farewells()
        farewells.note(
            [StripeSet(1), StripeSet(2)], to: Self.address, token: 7, keepsPlace: false, now: .zero)
        farewells.takeBack(StripeSet(1), from: Self.address)
        guard case .leave(_, let stripes, _)? = farewells.next(now: .zero + .seconds(1))?.message else {
            Issue.record("nothing is said")
            return
        }
        #expect(stripes == StripeSet(2))
        farewells.takeBack(StripeSet(2), from: Self.address)
        #expect(farewells.due == nil)
    }
}
