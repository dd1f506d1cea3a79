import FreshetCore
import Testing

@testable import FreshetOverlay

/// Requests that are heard when the packet has come already.
@Suite struct SettledHolesTests {
    static func hole(_ sequence: Int64) -> GroupHole {
        var hole = GroupHole(sequence: sequence, noticed: .zero, due: .zero, scope: .segment)
        hole.asks = 1
        return hole
    }

    @Test func aLateRequestIsCounted() {
        var settled = SettledHoles()
        #expect(settled.settle(Self.hole(7)) == nil)
        #expect(settled.hear(7, .segment, isBetter: false)?.requestCount == 2)
        let entry = settled.hear(7, .segment, isBetter: true)
        #expect(entry?.requestCount == 3)
        #expect(entry?.betterHeard == 1)
        #expect(settled.hear(8, .segment, isBetter: true) == nil)
        #expect(settled.hear(7, .group, isBetter: true) == nil)
    }

    @Test func theOldestIsGivenBackForANewOne() {
        var settled = SettledHoles()
        for sequence in Int64(0)..<16 { #expect(settled.settle(Self.hole(sequence)) == nil) }
        #expect(settled.settle(Self.hole(16))?.sequence == 0)
        settled.removeAll()
        #expect(settled.hear(16, .segment, isBetter: false) == nil)
    }
}
