internal import FreshetCore

/// How long a round that was asked for too soon waits: who asks again within a round trip of the last answer cannot have
/// missed that one yet.
struct RoundHoldOff {
    /// The peer's round trip; zero: it does not know it.
    var roundTrip: Nanoseconds
    /// How long from now an answer is of use.
    var window: Nanoseconds

    /// True when a round begun `elapsed` after the last answer is to be asked for once more; never where most of the
    /// time left would go by.
    func holds(since elapsed: Nanoseconds) -> Bool {
        elapsed < roundTrip && roundTrip - elapsed < window / 2
    }
}

/// What was answered to whom: so that a request heard twice is answered once.
///
/// A fixed table, two places to a key; an older answer gives way, and the worst that follows is one repair too many.
struct AnswerTable: Sendable {
    private struct Answer {
        var sequence: Int64
        var peer: UInt32
        var round: Int32
        var at: Instant
    }

    private var answers: [Answer]
    private let mask: Int

    /// A table for `capacity` answers, rounded up to a power of two.
    init(capacity: Int) {
        let size = capacity.roundedUpToPowerOfTwo(atLeast: 64)
        mask = size - 1
        let none = Answer(sequence: .min, peer: 0, round: 0, at: .zero)
        answers = Array(repeating: none, count: size)
    }

    /// Where the answer for this key stands, or may be put.
    private func place(_ sequence: Int64, _ peer: UInt32) -> (index: Int, isFound: Bool) {
        let first = Int(truncatingIfNeeded: sequence &+ Int64(peer) &* 0x9E37_79B1) & mask
        let second = first ^ 1
        if answers[first].sequence == sequence, answers[first].peer == peer { return (first, true) }
        if answers[second].sequence == sequence, answers[second].peer == peer { return (second, true) }
        return (answers[first].at <= answers[second].at ? first : second, false)
    }

    /// Notes an answer in `round`; false when that round, or a later one, was answered before, and while the peer can
    /// wait until the `holdOff` since its last answer is over.
    mutating func take(
        _ sequence: Int64, peer: UInt32, round: Int32, holdOff: RoundHoldOff, now: Instant
    ) -> Bool {
        let place = place(sequence, peer)
        if place.isFound {
            let answer = answers[place.index]
            if answer.round >= round || holdOff.holds(since: now - answer.at) { return false }
        }
        answers[place.index] = Answer(sequence: sequence, peer: peer, round: round, at: now)
        return true
    }

    /// Notes an answer outside of rounds; false when one was given less than `holdOff` ago.
    mutating func take(_ sequence: Int64, peer: UInt32, holdOff: Nanoseconds, now: Instant) -> Bool {
        let place = place(sequence, peer)
        if place.isFound, now - answers[place.index].at < holdOff { return false }
        answers[place.index] = Answer(sequence: sequence, peer: peer, round: -1, at: now)
        return true
    }

    /// Forgets all.
    mutating func removeAll() {
        for index in 0...mask { answers[index].sequence = .min }
    }
}
