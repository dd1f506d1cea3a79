public import FreshetCore
public import FreshetOverlay
public import FreshetStages

/// A network, who is on it, what breaks, and what must hold: everything a run needs beside its seed.
public struct Scenario: Sendable {
    /// What errors and results call it.
    public var name: String
    /// One sentence.
    public var summary = ""
    /// How long the source sends.
    public var duration = Nanoseconds.seconds(10)
    /// What the source sends.
    public var stream = StreamPlan()
    /// How long a packet may wait in a receiver's reorder buffer.
    public var latency = Nanoseconds.milliseconds(100)
    /// How receivers get back what they miss.
    public var repair = RepairPlan()
    /// The networks that hosts are attached to.
    public var segments: [SegmentPlan] = []
    /// The hosts.
    public var hosts: [HostPlan] = []
    /// What breaks, and when.
    public var faults: [FaultPlan] = []
    /// What must hold.
    public var limits = Limits()
    /// False: every receiver is told of every packet by itself. The outcome is the same, only slower.
    public var collapses = true

    /// An empty scenario called `name`.
    public init(name: String) { self.name = name }
}

/// What a source sends.
public struct StreamPlan: Sendable {
    /// Bits per second of media packets, RTP header included.
    public var rate = 5_000_000
    /// Bytes of a media packet, RTP header included.
    public var packetByteCount = 1328
    /// How often the source tells the highest sequence number.
    public var heartbeat = Nanoseconds.milliseconds(100)
    /// Bytes of a packet's payload that are really carried; the others only count.
    public var carriedByteCount = 16

    /// 5 Mbit/s of seven TS packets each.
    public init() {}

    /// The time from one packet to the next.
    public var interval: Nanoseconds {
        Nanoseconds(Int64(packetByteCount) * 8 * 1_000_000_000 / Int64(max(rate, 1)))
    }
}

/// How receivers get back what they miss.
public struct RepairPlan: Sendable {
    /// The mechanism.
    public enum Mode: String, Sendable, CaseIterable {
        /// Nothing is asked for.
        case off
        /// Asks at once and again after each round trip, knowing nothing of deadlines' reach, budgets or
        /// others: the measure for the real ones.
        case naive
        /// The repair of a unicast link: `RepairReceiver` and `RepairSender`.
        case unicast
        /// The repair of a group: `GroupRepair` at everybody.
        case group
    }

    /// The mechanism.
    public var mode = Mode.unicast
    /// How members of a group ask.
    public var feedback = GroupFeedback.multicast
    /// Members of a group answer on their segment.
    public var serves = true
    /// About how many members a group is believed to have at first.
    public var groupSizeEstimate = 10_000

    /// The default.
    public init() {}
}

/// A network that hosts are attached to, and its line to the core.
public struct SegmentPlan: Sendable {
    /// Its name; that of copies ends with a number.
    public var name: String
    /// How many there are alike.
    public var count = 1
    /// Which of the independent networks it belongs to. Hosts with attachments to several use them as paths.
    public var path = 0
    /// Towards the core.
    public var up = LinkModel.Configuration()
    /// From the core.
    public var down = LinkModel.Configuration()

    /// A segment called `name` with a perfect line.
    public init(name: String) { self.name = name }
}

/// Some hosts alike.
public struct HostPlan: Sendable {
    /// What hosts do.
    public enum Role: String, Sendable, CaseIterable {
        /// Sends the stream.
        case source
        /// Plays it.
        case receiver
    }

    /// A mistake planted on purpose, to show that a checker finds it.
    public enum Flaw: String, Sendable, CaseIterable {
        /// None.
        case none
        /// The player is given packets as they come.
        case order
        /// Packets wait twice the latency.
        case deadline
        /// Every request is sent forty times.
        case storm
    }

    /// Their name; that of several ends with a number.
    public var name: String
    /// A planted mistake.
    public var flaw = Flaw.none
    /// What they do.
    public var role = Role.receiver
    /// How many there are on each copy of their segments.
    public var count = 1
    /// Which segments they are attached to, one for each path.
    public var segments: [String] = []
    /// From the host to its segment.
    public var up = LinkModel.Configuration()
    /// From the segment to the host.
    public var down = LinkModel.Configuration()
    /// Their clocks run at most this much fast or slow, in parts per million.
    public var drift = 0
    /// They come at a moment of their own within this span from the start.
    public var joinsWithin = Nanoseconds.zero

    /// One receiver called `name`.
    public init(name: String) { self.name = name }
}

/// Something that breaks, once or again and again.
public struct FaultPlan: Sendable {
    /// What breaks.
    public enum Action: String, Sendable, CaseIterable {
        /// A segment's line to the core carries nothing, or a host's to its segment.
        case cut
        /// A host is gone without a word, and comes back as new.
        case crash
        /// A host says goodbye, and comes back as new.
        case leave
    }

    /// Which way of a line.
    public enum Direction: String, Sendable, CaseIterable {
        /// Towards the core, from it, both.
        case up, down, both
    }

    /// What breaks.
    public var action: Action
    /// When for the first time.
    public var at = Nanoseconds.zero
    /// How often again; zero: once.
    public var every = Nanoseconds.zero
    /// Up to this much later, by chance.
    public var jitter = Nanoseconds.zero
    /// How many times, when it recurs.
    public var times = 1
    /// Names of segments or hosts; one of them by chance each time.
    public var targets: [String] = []
    /// Which way of the line.
    public var direction = Direction.both
    /// For how long at least; zero: for good.
    public var lasting = Nanoseconds.zero
    /// Up to this much longer, by chance.
    public var lastingJitter = Nanoseconds.zero

    /// `action` once at the start.
    public init(_ action: Action) { self.action = action }
}

/// What must hold. A run that breaks one of them stops there. Shares are in parts per million.
public struct Limits: Sendable {
    /// Most packets that players may miss, of all they should get.
    public var residual = 1_000_000
    /// Most bytes of repair for the bytes of media.
    public var repair = 1_000_000
    /// Most requests that name one packet, by anybody.
    public var asksPerPacket = 64
    /// Most requests for each lost packet on the average of a second, in hundredths.
    public var asksPerLoss = 800
    /// Most of the requests for packets that could not come in time any more.
    public var hopelessAsks = 100_000
    /// How soon after the last fault everything must be whole again.
    public var heal = Nanoseconds.seconds(2)

    /// Wide ones.
    public init() {}
}
