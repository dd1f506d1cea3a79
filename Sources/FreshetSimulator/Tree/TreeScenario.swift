public import FreshetCore

/// A relay tree on a simulated internet: who joins, who goes, what breaks, and what must hold.
public struct TreeScenario: Sendable {
    /// How the tree is healed and holes are filled.
    public enum Scheme: String, Sendable, CaseIterable {
        /// What ships: warm backups called on silence, repair hop by hop.
        case freshet
        /// Probabilistic resilient multicast (Banerjee, Lee, Bhattacharjee, Srinivasan, SIGMETRICS 2003):
        /// randomized forwarding and triggered requests, on a tree that notices a dead parent by missing
        /// heartbeats. The measure for the other one.
        case prm
    }

    /// What viewers can forward.
    public enum Uplinks: String, Sendable, CaseIterable {
        /// Half of them as many streams as `children`, a third half as many, the rest none.
        case mixed
        /// Everybody as many streams as `children`.
        case equal
    }

    /// What breaks all at once.
    public enum Strike: String, Sendable, CaseIterable {
        /// Nothing.
        case none
        /// A share of all viewers, by chance; silently, as when the power goes.
        case crash
        /// Everybody in one metropolis, the largest that is not more than the share.
        case region
        /// Everybody who forwards stripe 0.
        case stripe
        /// The coordinator; it is back after `lasting`, knowing nobody, and viewers go on dying meanwhile.
        case coordinator
        /// The source's child with most below it.
        case primary
        /// Relays one by one, one every `every`.
        case relays
        /// Relays stop hearing, one every `every`, and are well again after `lasting`.
        case deaf
        /// Everybody is held up at once, for half of `lasting` to one and a half of it, once every `every`: as on one
        /// machine with too much to do.
        case stall
    }

    /// A mistake planted on purpose, to show that a checker finds it.
    public enum Flaw: String, Sendable, CaseIterable {
        /// None.
        case none
        /// Nodes do not hear who is above them, nor miss anybody, and the coordinator puts one below its own branch.
        case cycle
        /// Viewers take twice the children that their uplink carries.
        case slots
        /// Nodes that lost their parent do not look for another.
        case split
    }

    /// What errors and results call it.
    public var name: String
    /// One sentence.
    public var summary = ""
    /// When the run ends.
    public var duration = Nanoseconds.seconds(60)
    /// How long a packet may come behind its usual time.
    public var latency = Nanoseconds.milliseconds(500)
    /// Viewers at first.
    public var nodeCount = 1000
    /// They come within this span from the start, evenly.
    public var joinsWithin = Nanoseconds.seconds(10)
    /// Packets are counted from here on.
    public var measureFrom = Nanoseconds.seconds(20)
    /// Bits per second of the stream.
    public var rate = 5_000_000
    /// Packets a second it is sent in; blocks of `rate` / `packetRate` bits.
    public var packetRate = 50
    /// Stripes.
    public var stripeCount = 1
    /// Children of one viewer, whole streams.
    public var children = 8
    /// Children of the source.
    public var sourceChildren = 8
    /// The round trip between any two hosts, instead of places on a plane; zero: as the places say. Everybody forwards to
    /// ``children`` then.
    public var roundTrip = Nanoseconds.zero
    /// What viewers can forward.
    public var uplinks = Uplinks.mixed
    /// Standby relays.
    public var standbyCount = 0
    /// Packets in a million that are lost on the way to a viewer, at least and at most: each has a value of its
    /// own.
    public var lossFrom = 0
    /// The other end.
    public var lossTo = 0
    /// Of all pairs of viewers so many in a million do not reach each other, whatever the coordinator thinks: a firewall, a
    /// NAT, a table that is full.
    public var strangerShare = 0
    /// Joins and leaves a second, in thousandths: as many of the one as of the other.
    public var churnPerThousandSeconds = 0
    /// When that begins.
    public var churnFrom = Nanoseconds.seconds(20)
    /// Of those who go, so many in a million crash; half of the crashes are of a process, whose connections
    /// are reset, and half of a machine, of which nobody hears.
    public var crashShare = 500_000
    /// What breaks at once.
    public var strike = Strike.none
    /// When.
    public var strikeAt = Nanoseconds.seconds(30)
    /// Of how many, in parts per million.
    public var strikeShare = 200_000
    /// For how long.
    public var strikeLasting = Nanoseconds.seconds(5)
    /// How often again, for strikes that recur.
    public var strikeEvery = Nanoseconds.seconds(1)
    /// How trees are healed.
    public var scheme = Scheme.freshet
    /// A planted mistake.
    public var flaw = Flaw.none
    /// What must hold.
    public var limits = TreeLimits()

    /// A scenario called `name`.
    public init(name: String) { self.name = name }

    /// The time from one packet to the next.
    var interval: Nanoseconds { Nanoseconds(1_000_000_000 / Int64(packetRate)) }
    /// Bytes of one packet.
    var packetByteCount: Int { rate / 8 / packetRate }
}

/// What must hold in a tree. Shares are in parts per million.
public struct TreeLimits: Sendable {
    /// Least of the packets that must come in time.
    public var inTime = 0
    /// Most bytes beyond the stream itself, for each byte of it.
    public var overhead = 1_000_000
    /// Most bytes of control for each byte of media.
    public var control = 1_000_000
    /// Most members between the source and a viewer, the source counted.
    public var depth = 14
    /// Nobody who is there goes without packets for longer.
    public var split = Nanoseconds.seconds(3)
    /// Least of the viewers that no packet is missing at, from the strike on.
    public var whole = 0
    /// From the strike to when everybody who is there is fed again.
    public var healed = Nanoseconds.seconds(3600)
    /// The longest gap of a viewer.
    public var gap = Nanoseconds.seconds(3600)
    /// The slowest of a hundred first packets after a join.
    public var firstPacket = Nanoseconds.seconds(3600)

    /// Wide ones.
    public init() {}
}
