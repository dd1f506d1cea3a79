public import FreshetCore

/// One seeded model of a bad link: what happens to each packet that enters it, and when it leaves.
///
/// A pure state machine used wherever Freshet imitates a network. A packet's way through the link:
///
/// ```
///  cut? ─▶ MTU ─▶ queue and rate ─▶ loss ─▶ delay, jitter, reorder ─▶ (corruption) ─▶ out, perhaps twice
/// ```
///
/// For every packet the same number of dice is drawn, whatever the settings. So the packet with index *k*
/// meets the same dice whenever the seed is the same, and changing the loss, say, changes no other packet's
/// delay.
///
/// Bursts follow the Gilbert model (E. N. Gilbert, "Capacity of a burst-noise channel", 1960; the two-state
/// case of Gilbert–Elliott in which the bad state loses all): with mean loss *p* and mean burst length *b*
/// the link turns bad with probability p / (b (1 − p)) and good again with 1 / b, at each packet. A sparse
/// flow would then stay in the bad state for long; with a burst *time* the same two states change by time,
/// whoever sends (``OutageSchedule``).
public struct LinkModel: Sendable {
    /// How jitter is distributed over its range.
    public enum JitterShape: Sendable {
        /// Every delay alike.
        case uniform
        /// Around the middle of the range, which is three standard deviations to either side.
        case normal
    }

    /// What a link does; the default is nothing. Ratios are in parts per million.
    public struct Configuration: Sendable {
        /// Every packet takes this long.
        public var delay = Nanoseconds.zero
        /// And up to this long on top, each by its own dice.
        public var jitter = Nanoseconds.zero
        /// How the jitter is distributed.
        public var jitterShape = JitterShape.uniform
        /// Packets leave in the order in which they came, whatever their jitter.
        public var isOrdered = false
        /// How much longer every packet takes while the route is the longer one.
        public var detour = Nanoseconds.zero
        /// After so long the route becomes the longer one, after as long again the shorter, and so on; 0: never.
        public var detourEvery = Nanoseconds.zero
        /// Share of packets lost.
        public var loss = 0
        /// Mean number of packets lost in a row; 1 or less: each by itself.
        public var burst = 1
        /// Mean time for which everything is lost in a row; not zero: takes the place of ``burst``.
        public var burstTime = Nanoseconds.zero
        /// When the link is cut, from its beginning.
        public var cuts: [OutageSchedule.Outage] = []
        /// And when it is cut by chance.
        public var randomCuts = OutageSchedule.Chance()
        /// The seed of the random cuts; links that take turns have one in common. `nil`: the link's own.
        public var cutSeed: UInt64?
        /// Share of packets held back so that later ones overtake them.
        public var reorder = 0
        /// Most packets that overtake one held back (1 to this many, by the packets' mean spacing).
        public var reorderDepth = 10
        /// Share of packets that leave twice.
        public var duplicate = 0
        /// Share of packets in which one bit is flipped.
        public var corrupt = 0
        /// Bits per second that the link carries; 0: no limit.
        public var rate = 0
        /// Longest wait for the rate; a packet that would wait longer is dropped.
        public var queue = Nanoseconds.milliseconds(100)
        /// Longest packet in bytes; 0: no limit.
        public var mtu = 0

        /// A link that does nothing.
        public init() {}
    }

    /// Why a packet does not arrive.
    public enum Loss: Sendable, Equatable {
        /// By the dice.
        case random
        /// The queue in front of the link was full.
        case queueFull
        /// Longer than the MTU.
        case tooLong
        /// The link was cut.
        case cut
    }

    /// What happens to one packet.
    public enum Verdict: Sendable, Equatable {
        /// It is lost.
        case lost(Loss)
        /// It leaves at `departure`, and once more at `copyDeparture` when that is set. When `corruption` is
        /// set, bit `corruption % (8 × byteCount)` is flipped.
        case delivered(departure: Instant, copyDeparture: Instant?, corruption: UInt64?)
    }

    private let configuration: Configuration
    private var random: PRNG
    private var isBad = false
    private var busyUntil = Instant.zero
    private var lastDeparture = Instant.zero
    private var lastEntry: Instant?
    private var meanInterval: Int64 = 0
    private var beginning: Instant?
    private var bursts: OutageSchedule?
    private var cuts: OutageSchedule?

    private let lossThreshold: UInt64
    private let badThreshold: UInt64
    private let goodThreshold: UInt64
    private let reorderThreshold: UInt64
    private let duplicateThreshold: UInt64
    private let corruptThreshold: UInt64

    /// A link with the given behaviour; all its chance comes from `seed`. Its time counts from `beginning`,
    /// or from its first packet when that is `nil`.
    public init(_ configuration: Configuration, seed: UInt64, beginning: Instant? = nil) {
        self.configuration = configuration
        self.beginning = beginning
        random = PRNG(seed: seed)
        lossThreshold = LinkModel.threshold(configuration.loss, of: 1_000_000)
        reorderThreshold = LinkModel.threshold(configuration.reorder, of: 1_000_000)
        duplicateThreshold = LinkModel.threshold(configuration.duplicate, of: 1_000_000)
        corruptThreshold = LinkModel.threshold(configuration.corrupt, of: 1_000_000)
        let loss = max(0, min(configuration.loss, 1_000_000))
        let rest = 1_000_000 - loss
        // A loss above one half needs bursts at least this long.
        let burst = max(1, configuration.burst, rest > 0 ? (loss + rest - 1) / rest : 1)
        badThreshold = LinkModel.threshold(loss, of: burst * rest)
        goodThreshold = rest == 0 ? 0 : LinkModel.threshold(1, of: burst)
        if loss > 0 && rest > 0 && configuration.burstTime > .zero {
            var chance = OutageSchedule.Chance()
            chance.meanDown = configuration.burstTime
            chance.meanUp = Nanoseconds(
                configuration.burstTime.count.multipliedFullWidthQuotient(by: Int64(rest), loss))
            chance.isSteady = true
            bursts = OutageSchedule(chance: chance, seed: random.split(by: 1).first)
        }
        if !configuration.cuts.isEmpty || configuration.randomCuts.meanUp > .zero {
            cuts = OutageSchedule(
                given: configuration.cuts, chance: configuration.randomCuts,
                seed: configuration.cutSeed ?? random.split(by: 2).first)
        }
    }

    /// How often the link has been cut so far.
    public var cutCount: Int { cuts?.beginCount ?? 0 }

    /// The 64-bit number below which a die falls `part` times in `whole`.
    private static func threshold(_ part: Int, of whole: Int) -> UInt64 {
        if part <= 0 { return 0 }
        if part >= whole { return .max }
        return UInt64(truncatingIfNeeded: (UInt128(part) << 64) / UInt128(whole))
    }

    /// The dice of one packet: always drawn all, in this order.
    private struct Dice {
        var loss: UInt64
        var jitter: UInt64
        var reorder: UInt64
        var depth: UInt64
        var duplicate: UInt64
        var copyJitter: UInt64
        var corrupt: UInt64
        var bit: UInt64

        init(_ random: inout PRNG) {
            loss = random.next()
            jitter = random.next()
            reorder = random.next()
            depth = random.next()
            duplicate = random.next()
            copyJitter = random.next()
            corrupt = random.next()
            bit = random.next()
        }
    }

    /// What happens to the next packet, of `byteCount` bytes, which enters the link at `now`. Instants must
    /// not go back.
    public mutating func decide(now: Instant, byteCount: Int) -> Verdict {
        let dice = Dice(&random)
        noteEntry(now)
        let age = age(now)
        let isLost = isLost(dice.loss, age)
        if cuts?.isAway(at: age) == true { return .lost(.cut) }
        if configuration.mtu > 0 && byteCount > configuration.mtu { return .lost(.tooLong) }
        guard let sent = transmit(byteCount, now: now) else { return .lost(.queueFull) }
        if isLost { return .lost(.random) }
        let start = sent + configuration.delay + detour(age)
        var departure = start + jitter(dice.jitter)
        if dice.reorder < reorderThreshold {
            let depth =
                1 + Int64(dice.depth.multipliedFullWidth(by: UInt64(max(1, configuration.reorderDepth))).high)
            // Half an interval more, so that the last of them is clearly ahead.
            departure = departure + Nanoseconds(meanInterval * depth + meanInterval / 2)
        } else if configuration.isOrdered {
            departure = max(departure, lastDeparture)
            lastDeparture = departure
        }
        let copy = dice.duplicate < duplicateThreshold ? start + jitter(dice.copyJitter) : nil
        return .delivered(
            departure: departure, copyDeparture: copy.map { max($0, departure) },
            corruption: dice.corrupt < corruptThreshold ? dice.bit : nil)
    }

    private mutating func noteEntry(_ now: Instant) {
        if let lastEntry {
            // Pauses say nothing about the spacing of packets.
            let interval = min(max(0, (now - lastEntry).count), 1_000_000_000)
            meanInterval += (interval - meanInterval) / 16
        }
        lastEntry = now
    }

    private mutating func age(_ now: Instant) -> Nanoseconds {
        guard let beginning else {
            self.beginning = now
            return .zero
        }
        return now - beginning
    }

    private mutating func isLost(_ die: UInt64, _ age: Nanoseconds) -> Bool {
        if bursts != nil { return bursts?.isAway(at: age) == true }
        if configuration.burst <= 1 { return die < lossThreshold }
        if isBad {
            isBad = die >= goodThreshold
        } else {
            isBad = die < badThreshold
        }
        return isBad
    }

    private func detour(_ age: Nanoseconds) -> Nanoseconds {
        guard configuration.detourEvery > .zero else { return .zero }
        return age.count / configuration.detourEvery.count & 1 == 1 ? configuration.detour : .zero
    }

    /// When the packet has been put on the link; `nil` when its queue is full.
    private mutating func transmit(_ byteCount: Int, now: Instant) -> Instant? {
        guard configuration.rate > 0 else { return now }
        let start = max(busyUntil, now)
        if start - now > configuration.queue { return nil }
        let bits = Int64(byteCount) * 8
        busyUntil =
            start + Nanoseconds(bits.multipliedFullWidthQuotient(by: 1_000_000_000, configuration.rate))
        return busyUntil
    }

    private func jitter(_ die: UInt64) -> Nanoseconds {
        let range = UInt64(max(0, configuration.jitter.count))
        if range == 0 { return .zero }
        switch configuration.jitterShape {
        case .uniform:
            return Nanoseconds(Int64(die.multipliedFullWidth(by: range).high))
        case .normal:
            let share = UInt64(NormalQuantiles.share(die))
            return Nanoseconds(Int64(truncatingIfNeeded: (UInt128(share) * UInt128(range)) >> 16))
        }
    }
}

extension PRNG {
    /// The first number of a generator that is needed for nothing else.
    fileprivate var first: UInt64 {
        var copy = self
        return copy.next()
    }
}

extension Int64 {
    /// `self × factor ÷ divisor` without overflow in between.
    fileprivate func multipliedFullWidthQuotient(by factor: Int64, _ divisor: Int) -> Int64 {
        Int64(truncatingIfNeeded: Int128(self) * Int128(factor) / Int128(divisor))
    }
}
