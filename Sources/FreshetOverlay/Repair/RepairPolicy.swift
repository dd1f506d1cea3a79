public import FreshetCore

/// Decides, hole by hole and round by round, what to ask for: the part of repair that is arithmetic.
///
/// A copy is lost like any packet, with chance *p*. A packet for which *n* copies are sent stays lost with
/// chance *p*ⁿ⁺¹, so *n* follows from the residual loss wanted. When there is time for several rounds, the
/// copies of a later round are sent only for the few packets that still miss, so they cost next to nothing:
/// each round but the last asks for as few copies as the later ones can make up for, and the last for what is
/// left. What a round may cost, in expected bytes per media byte, is capped.
public struct RepairPolicy: Sendable {
    /// What is to be done for a hole.
    public enum Choice: Int, CaseIterable, Sendable {
        /// Nothing can come in time.
        case hopeless
        /// One copy now; more rounds can follow.
        case ask
        /// Several copies now: there is little time.
        case askTwice
        /// Parity over all that is missing: only one round fits, and copies would cost more than allowed.
        case parity
        /// It may only be late: wait a little.
        case wait
    }

    /// How to ask for a hole in the round that begins.
    public struct Plan: Equatable, Sendable {
        /// What kind of asking it is, for statistics.
        public var choice: Choice
        /// Copies of each packet, in quarters.
        public var quarterCopies: Int
        /// How often the request is sent.
        public var asks: Int
        /// When the next round begins, from now; `nil`: this is the last.
        public var nextRound: Nanoseconds?
        /// How long from now a request is of use.
        public var askWindow: Nanoseconds
    }

    /// What is known of the link.
    public struct Link: Sendable {
        /// The soonest an answer comes.
        public var soonest: Nanoseconds
        /// By when an answer has come.
        public var latest: Nanoseconds
        /// Between two requests.
        public var tick: Nanoseconds
        /// Loss in parts per million.
        public var loss: Int
        /// Mean packets lost in a row; 1: they are lost independently.
        public var burst: Int
        /// Mean time between two media packets.
        public var interval: Nanoseconds
        /// True when the source answers each round once, however often it is asked.
        public var answersOnce: Bool
        /// True when the source can answer with parity.
        public var hasParity: Bool

        /// A link of these properties.
        public init(
            soonest: Nanoseconds, latest: Nanoseconds, tick: Nanoseconds, loss: Int, burst: Int,
            interval: Nanoseconds, answersOnce: Bool, hasParity: Bool
        ) {
            self.soonest = soonest
            self.latest = latest
            self.tick = tick
            self.loss = loss
            self.burst = burst
            self.interval = interval
            self.answersOnce = answersOnce
            self.hasParity = hasParity
        }
    }

    /// The residual loss wanted where several rounds fit, in parts per 10⁹.
    public var target = 30
    /// The residual loss wanted where only one round fits, in parts per 10⁹: there every copy costs in full.
    public var targetOfOneRound = 10_000
    /// The most repair bytes per media byte that a round may be expected to cost, in parts per million.
    public var shareLimit = 580_000
    /// From which loss on parity is better than copies, in parts per million.
    public var parityFrom = 80_000
    /// The most copies in the last round.
    public var copyLimit = 8
    /// The most in a later round where losses come in bursts: what strikes one copy strikes those near it, so that few
    /// far apart serve better than many.
    public var copyLimitInBursts = 3

    /// The policy with the default goals.
    public init() {}

    /// How many rounds fit into `slack`, 8 at most: an answer to the last must still be able to come.
    public func rounds(in slack: Nanoseconds, _ link: Link) -> Int {
        if slack < link.soonest { return 0 }
        return min(8, 1 + Int((slack - link.soonest).count / max(link.latest.count, 1)))
    }

    /// How many transmissions in a row are all lost with a chance of at most `target` in 10⁹.
    static func transmissions(loss: Int, target: Int) -> Int {
        var chance = 1_000_000_000
        var count = 0
        while chance > target, count < 24 {
            chance = chance * min(loss, 900_000) / 1_000_000
            count += 1
        }
        return count
    }

    /// What to do for a hole with `slack` left, for which `spent` quarters of copies were asked for before.
    public func plan(slack: Nanoseconds, spent: Int, isFirst: Bool, _ link: Link) -> Plan {
        let rounds = rounds(in: slack, link)
        guard rounds > 0 else {
            return Plan(
                choice: .hopeless, quarterCopies: 0, asks: 0, nextRound: nil, askWindow: .zero)
        }
        let loss = max(link.loss, 2_000)
        let isOnly = isFirst && rounds == 1
        let wanted =
            4 * (RepairPolicy.transmissions(loss: loss, target: isOnly ? targetOfOneRound : target) - 1)
        let limit = quarterLimit(loss: loss, spent: spent)
        let isParity = isOnly && isParityBetter(loss: loss, window: slack - link.soonest, wanted, link)
        var quarters = isParity ? parityQuarters(loss: loss) : wanted - spent
        if rounds > 1 { quarters -= 4 * (copyLimit + 3 * (rounds - 2)) }
        let most = link.burst > 1 && !isFirst ? copyLimitInBursts : copyLimit
        quarters = max(4, min(quarters, 4 * most, limit))
        if rounds > 1 { return planEarly(quarters, rounds: rounds, slack: slack, loss: loss, link) }
        let window = slack - link.soonest
        let asks =
            link.answersOnce ? max(2, min(64, Int(window.count / max(link.tick.count, 1)))) : quarters / 4
        var choice: Choice = quarters > 4 ? .askTwice : .ask
        if isParity { choice = .parity }
        return Plan(
            choice: choice, quarterCopies: quarters, asks: asks, nextRound: nil, askWindow: window)
    }

    private func planEarly(
        _ quarters: Int, rounds: Int, slack: Nanoseconds, loss: Int, _ link: Link
    ) -> Plan {
        // The rounds share the slack evenly; waiting longer than needed for an answer saves asking in vain.
        let even = (slack - link.soonest) / Int64(rounds)
        let next = max(link.latest, min(even, link.latest + link.latest / 4))
        var repeats = max(2, RepairPolicy.transmissions(loss: loss, target: 1_000_000))
        // Where losses come in bursts, requests are lost in bursts too: they are sent until an answer should be here.
        if link.burst > 1 { repeats = 64 }
        return Plan(
            choice: quarters > 4 ? .askTwice : .ask, quarterCopies: quarters,
            asks: link.answersOnce ? repeats : max(1, quarters / 4), nextRound: next, askWindow: next)
    }

    /// Copies and parity together, in quarters, for each packet of a round that has no second. Parity serves whichever
    /// packets still miss, so a little more than the mean need suffices; the more, the fewer holes share it.
    private func parityQuarters(loss: Int) -> Int { 8 + loss / 33_000 }

    /// True when parity leaves fewer holes than copies for the same bytes: enough holes share it, and they do
    /// not come all at once; or as many copies as wanted would cost too much.
    private func isParityBetter(loss: Int, window: Nanoseconds, _ wanted: Int, _ link: Link) -> Bool {
        guard link.hasParity, loss >= parityFrom, link.burst == 1 else { return false }
        let sharing = Int(window.count / max(link.interval.count, 1)) * loss / 1_000_000
        return sharing >= 3 || wanted > 4 * shareLimit / loss
    }

    /// The most quarters of copies whose expected cost stays inside `shareLimit`: a packet comes to this round with a
    /// chance of lossⁿ⁺¹ after n copies.
    private func quarterLimit(loss: Int, spent: Int) -> Int {
        var chance = loss
        for _ in 0..<(spent / 4) { chance = chance * loss / 1_000_000 }
        if chance == 0 { return 4 * copyLimit }
        return min(4 * copyLimit, 4 * shareLimit / chance)
    }
}
