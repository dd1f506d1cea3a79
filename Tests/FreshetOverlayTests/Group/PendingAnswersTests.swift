import FreshetCore
import FreshetOverlay
import Testing

@Suite struct PendingAnswersTests {
    private let now = Instant.zero + .seconds(10)
    private let holdOff = Nanoseconds.milliseconds(10)

    @Test func manyRequestsAreOneAnswer() {
        var answers = PendingAnswers(capacity: 16)
        for round in 0..<5 {
            let isNew = answers.request(7, scope: .group, due: now, holdOff: holdOff, now: now)
            #expect(isNew == (round == 0))
        }
        answers.advance(to: now)
        let first = answers.next()?.sequence
        let second = answers.next()?.sequence
        #expect(first == 7 && second == nil)
        answers.finish(7, now: now)
        let soon = now + .milliseconds(9)
        let isTooSoon = !answers.request(7, scope: .group, due: soon, holdOff: holdOff, now: soon)
        #expect(isTooSoon)
        let later = now + .milliseconds(11)
        let isNew = answers.request(7, scope: .group, due: later, holdOff: holdOff, now: later)
        #expect(isNew)
    }

    @Test func aRepairThatIsHeardIsNotGivenAgain() {
        var answers = PendingAnswers(capacity: 16)
        _ = answers.request(7, scope: .segment, due: now + holdOff, holdOff: holdOff, now: now)
        let time = answers.noteRepair(7, now: now + .milliseconds(2))
        #expect(time == .milliseconds(2))
        answers.advance(to: now + .seconds(1))
        let next = answers.next()?.sequence
        #expect(next == nil)
    }

    @Test func oneAskerIsAnsweredAloneAndTwoTogether() {
        var answers = PendingAnswers(capacity: 16)
        _ = answers.request(7, scope: .segment, onlyAsker: Peer(1), due: now, holdOff: holdOff, now: now)
        _ = answers.request(8, scope: .segment, onlyAsker: Peer(1), due: now, holdOff: holdOff, now: now)
        _ = answers.request(8, scope: .segment, onlyAsker: Peer(2), due: now, holdOff: holdOff, now: now)
        answers.advance(to: now)
        let first = answers.next()?.destination
        let second = answers.next()?.destination
        #expect(first == .peer(Peer(1)))
        #expect(second == .segment)
    }

    @Test func onlyASecondRequestShowsThatNobodyAnswered() {
        var answers = PendingAnswers(capacity: 16)
        let first = answers.isUnanswered(7, patience: holdOff, now: now)
        let soon = answers.isUnanswered(7, patience: holdOff, now: now + .milliseconds(2))
        let later = answers.isUnanswered(7, patience: holdOff, now: now + .milliseconds(12))
        #expect(!first && !soon && later)
        _ = answers.noteRepair(7, now: now + .milliseconds(13))
        let again = answers.isUnanswered(7, patience: holdOff, now: now + .milliseconds(30))
        #expect(!again)
    }
}
