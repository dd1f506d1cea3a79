import FreshetCore
import Testing

@testable import FreshetOverlay

/// Who asks at once.
@Suite struct CallerRoleTests {
    static func hole(atOnce: Bool, better: UInt8 = 0) -> GroupHole {
        var hole = GroupHole(sequence: 1, noticed: .zero, due: .zero, scope: .segment)
        hole.asks = 1
        hole.wasAskedAtOnce = atOnce
        hole.wasAskedFirst = !atOnce
        hole.betterHeard = better
        return hole
    }

    @Test func whoWasFirstAndAnsweredCallsNext() {
        var role = CallerRole(limit: 2)
        role.judge(Self.hole(atOnce: false), isAnswered: false)
        #expect(!role.isCaller)
        role.judge(Self.hole(atOnce: false), isAnswered: true)
        #expect(role.isCaller)
    }

    @Test func ofManyCallersAFewStay() {
        var first = CallerRole(limit: 2, isCaller: true)
        first.judge(Self.hole(atOnce: true, better: 1), isAnswered: true)
        #expect(first.isCaller)
        first.judge(Self.hole(atOnce: true, better: 2), isAnswered: true)
        #expect(!first.isCaller)
    }

    @Test func whoAsksInVainGivesTheRoleUp() {
        var role = CallerRole(limit: 2, isCaller: true)
        for _ in 0..<3 { role.judge(Self.hole(atOnce: true), isAnswered: false) }
        #expect(role.isCaller)
        role.judge(Self.hole(atOnce: true), isAnswered: false)
        #expect(!role.isCaller)
    }

    @Test func whoCalledForWhatTheWholeSegmentMissesNeedsTwoOfItsOwn() {
        var role = CallerRole(limit: 2, isCaller: true)
        role.meetSharedLoss()
        #expect(!role.isCaller)
        for _ in 0..<3 {
            role.judge(Self.hole(atOnce: false), isAnswered: true)
            role.meetSharedLoss()
        }
        #expect(!role.isCaller)
        for _ in 0..<2 { role.judge(Self.hole(atOnce: false), isAnswered: true) }
        #expect(role.isCaller)
    }

    @Test func whereLossesAreSharedNobodyCalls() {
        var role = CallerRole(limit: 2, sharedShare: CallerRole.sharedStart)
        for _ in 0..<100 {
            for _ in 0..<9 { role.judge(Self.hole(atOnce: false), isAnswered: true) }
            role.meetSharedLoss()
            #expect(!role.isCaller)
        }
        // They are no more: after a while its own losses make it a caller again.
        for _ in 0..<200 { role.judge(Self.hole(atOnce: false), isAnswered: true) }
        #expect(role.isCaller)
    }

    @Test func whoMetACrowdHasToBeFirstMoreOften() {
        var role = CallerRole(limit: 2, isCaller: true)
        for better in UInt8(1)...20 { role.judge(betterHeard: better) }
        #expect(!role.isCaller)
        role.judge(Self.hole(atOnce: false), isAnswered: true)
        #expect(!role.isCaller)
        role.judge(Self.hole(atOnce: false), isAnswered: true)
        #expect(role.isCaller)
    }
}
