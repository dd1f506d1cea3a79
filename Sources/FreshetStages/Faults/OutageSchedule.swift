public import FreshetCore

/// When something is away that comes and goes by time: a link that is cut, a burst in which all is lost.
///
/// Outages are given ones, and random ones from a seed, whose moments do not depend on the packets. Time
/// counts from the link's beginning and must not go back. Where several links share a seed and take turns,
/// each random outage befalls one of them, so that there is always another.
public struct OutageSchedule: Sendable {
    /// One outage that is given.
    public struct Outage: Sendable, Equatable {
        /// When it begins.
        public var start: Nanoseconds
        /// How long it lasts.
        public var length: Nanoseconds

        /// An outage from `start` for `length`.
        public init(start: Nanoseconds, length: Nanoseconds) {
            self.start = start
            self.length = length
        }
    }

    /// Random outages; the default is none.
    public struct Chance: Sendable, Equatable {
        /// Mean time between outages; zero: there are none.
        public var meanUp = Nanoseconds.zero
        /// Mean length of one.
        public var meanDown = Nanoseconds.zero
        /// Shortest time between two.
        public var leastUp = Nanoseconds.zero
        /// No more than this many, all members' together; 0: no end.
        public var count = 0
        /// How many links take turns.
        public var memberCount = 1
        /// Which of them this is, from 0.
        public var member = 0
        /// The first outage may have begun before the beginning.
        public var isSteady = false

        /// No outages.
        public init() {}
    }

    private var given: ArraySlice<Outage>
    private let chance: Chance
    private var random: PRNG
    private var isDown = false
    private var isOurs = false
    private var nextChange: Nanoseconds
    /// How many outages have begun, those of others that take turns with this link not counted.
    public private(set) var beginCount = 0
    private var drawnCount = 0

    /// The schedule of `given` outages and those by `chance`, whose dice come from `seed`.
    public init(given: [Outage] = [], chance: Chance = Chance(), seed: UInt64) {
        self.given = given.sorted { $0.start < $1.start }[...]
        self.chance = chance
        random = PRNG(seed: seed)
        nextChange = .zero
        if chance.meanUp.count <= 0 || chance.meanDown.count <= 0 { return }
        let cycle = UInt64(chance.meanUp.count + chance.meanDown.count)
        // The die for the first state is drawn always, so that the others do not move.
        let isDownAtFirst = random.below(cycle) < UInt64(chance.meanDown.count)
        if chance.isSteady && isDownAtFirst { begin() } else { nextChange = upTime() }
    }

    /// True while the thing is away at `time` after the beginning.
    public mutating func isAway(at time: Nanoseconds) -> Bool {
        if chance.meanUp.count > 0 && chance.meanDown.count > 0 {
            while nextChange <= time { change() }
        }
        while let first = given.first, first.start + first.length <= time { dropGiven() }
        if let first = given.first, first.start <= time { return true }
        return isDown && isOurs
    }

    private mutating func dropGiven() {
        given.removeFirst()
        beginCount += 1
    }

    private mutating func change() {
        if isDown {
            isDown = false
            nextChange = nextChange + upTime()
        } else if chance.count > 0 && drawnCount >= chance.count {
            nextChange = Nanoseconds(.max)
        } else {
            begin()
        }
    }

    private mutating func begin() {
        isDown = true
        drawnCount += 1
        isOurs = random.below(UInt64(max(1, chance.memberCount))) == UInt64(chance.member)
        if isOurs { beginCount += 1 }
        nextChange = nextChange + span(chance.meanDown)
    }

    private mutating func upTime() -> Nanoseconds {
        chance.leastUp + span(chance.meanUp - min(chance.leastUp, chance.meanUp))
    }

    /// A span with the given mean, exponentially distributed.
    private mutating func span(_ mean: Nanoseconds) -> Nanoseconds {
        let product = Int128(mean.count) * Int128(OutageSchedule.negativeLogarithm(random.next()))
        return Nanoseconds(max(1, Int64(truncatingIfNeeded: product >> 24)))
    }

    /// −ln(die / 2⁶⁴) in units of 2⁻²⁴, by squaring: each turn gives one binary digit of log₂.
    static func negativeLogarithm(_ die: UInt64) -> Int64 {
        let number = max(die, 1)
        let zeros = number.leadingZeroBitCount
        var mantissa = (number << UInt64(zeros)) >> 32
        var digits: Int64 = 0
        for _ in 0..<24 {
            mantissa = (mantissa &* mantissa) >> 31
            digits <<= 1
            if mantissa >= 1 << 32 {
                mantissa >>= 1
                digits |= 1
            }
        }
        let logarithm = ((Int64(zeros) + 1) << 24) - digits
        // ln 2 × 2³².
        return Int64((Int128(logarithm) * 2_977_044_472) >> 32)
    }
}
