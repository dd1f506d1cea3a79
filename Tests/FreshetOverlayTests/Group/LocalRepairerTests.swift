import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct LocalRepairerTests {
    private func notice(_ ssrc: UInt32, rank: UInt16, isLeaving: Bool = false) -> RepairerNotice {
        RepairerNotice(
            senderSSRC: ssrc, mediaSSRC: 2, flags: isLeaving ? .isLeaving : [], rank: rank)
    }

    @Test func aloneOnASegmentAMemberIsElected() {
        var random = PRNG(seed: 1)
        var member = LocalRepairer(ssrc: 5, mayServe: true, interval: .seconds(1))
        member.advance(to: .zero, random: &random)
        #expect(!member.isElected)
        member.advance(to: .zero + .seconds(2), random: &random)
        #expect(member.isElected)
        let first = member.nextNotice(mediaSSRC: 2, now: .zero + .seconds(2))
        let second = member.nextNotice(mediaSSRC: 2, now: .zero + .seconds(2))
        #expect(first != nil && second == nil)
        member.advance(to: .zero + .seconds(3), random: &random)
        let third = member.nextNotice(mediaSSRC: 2, now: .zero + .seconds(3))
        #expect(third != nil)
    }

    @Test func theBetterOneStaysAndTheOtherYields() {
        var random = PRNG(seed: 2)
        var member = LocalRepairer(ssrc: 5, mayServe: true, interval: .seconds(1))
        member.advance(to: .zero, random: &random)
        member.advance(to: .zero + .seconds(2), random: &random)
        let now = Instant.zero + .seconds(2)
        member.read(notice(9, rank: member.rank), from: Peer(9), now: now, random: &random)
        #expect(member.isElected)
        member.read(notice(4, rank: member.rank), from: Peer(4), now: now, random: &random)
        #expect(!member.isElected && member.holder?.ssrc == 4)
    }

    @Test func anOfficeThatFallsSilentIsTakenUp() {
        var random = PRNG(seed: 3)
        var member = LocalRepairer(ssrc: 5, mayServe: true, interval: .seconds(1))
        member.advance(to: .zero, random: &random)
        member.read(notice(4, rank: 0), from: Peer(4), now: .zero, random: &random)
        member.advance(to: .zero + .seconds(2), random: &random)
        #expect(member.hasRepairer && !member.isElected)
        for second in 3..<10 { member.advance(to: .zero + .seconds(Int64(second)), random: &random) }
        #expect(member.isElected)
    }

    @Test func whoMayNotServeNeverIs() {
        var random = PRNG(seed: 4)
        var member = LocalRepairer(ssrc: 5, mayServe: false, interval: .seconds(1))
        for second in 0..<20 { member.advance(to: .zero + .seconds(Int64(second)), random: &random) }
        #expect(!member.isElected)
        member.read(notice(4, rank: 0), from: Peer(4), now: .zero + .seconds(20), random: &random)
        #expect(member.hasRepairer)
        member.read(
            notice(4, rank: 0, isLeaving: true), from: Peer(4), now: .zero + .seconds(21), random: &random)
        #expect(!member.hasRepairer)
    }
}
