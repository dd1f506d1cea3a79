public import FreshetCore
public import FreshetWire

/// What a member of a group is.
public enum GroupRole: UInt8, Sendable {
    /// Receives the stream, and answers on its segment when it ``GroupConfiguration/serves``.
    case member
    /// Receives the stream and is the repairer of its segment without election; others send it their digests.
    case designatedReceiver
    /// Sends the stream.
    case source
}

/// How a member tells that it misses something.
public enum GroupFeedback: UInt8, Sendable {
    /// It asks aloud, so that others hear it and need not.
    case multicast
    /// It asks the source alone: a plain RIST source, or a group on which only the source is heard.
    case unicast
    /// It never asks, but sends bitmaps to its designated receiver.
    case digest
}

/// Every parameter of ``GroupRepair``.
public struct GroupConfiguration: Sendable {
    /// What this member is.
    public var role = GroupRole.member
    /// How it asks.
    public var feedback = GroupFeedback.multicast
    /// The member's own SSRC; random, as RTCP wants it.
    public var ssrc: UInt32
    /// The SSRC of the stream, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// The member's canonical name, sent with its requests; `nil` sends none.
    public var name: CanonicalName?
    /// How long a hole is of interest: from its being noticed to its being given up.
    public var latency: Nanoseconds
    /// About how many members the group has, until the source says (RFC 5740's default).
    public var groupSizeEstimate: UInt64 = 10_000
    /// The group's round trip, until the source says or it was measured.
    public var groupRoundTrip: Nanoseconds = .milliseconds(100)
    /// No round trip above this is believed.
    public var roundTripLimit: Nanoseconds = .seconds(1)
    /// About how many members a segment has.
    public var segmentSizeEstimate: UInt64 = 256
    /// How long an answer from the own segment takes, until it was measured.
    public var segmentAnswerTime: Nanoseconds = .milliseconds(5)
    /// K: the window of waits before asking, in round trips. RFC 5401 takes 4, or 6 where requests are not
    /// heard by all.
    public var backoffFactor: Int64 = 6
    /// How long a host may take to read what was sent to it, at least as far as the window of waits reckons:
    /// on a network of a few microseconds a window of round trips would be over before anybody was heard.
    public var reactionTime: Nanoseconds = .milliseconds(1)
    /// Requests to the own segment before the whole group is asked.
    public var segmentRounds: UInt8 = 2
    /// How long a gap is taken for reordering before anything is done; grows by itself where packets do come late.
    public var reorderWait: Nanoseconds = .zero
    /// How many missing packets are tracked; the oldest is given up for more.
    public var holeCapacity = 512
    /// True when the member keeps packets and answers others on its segment. The source always keeps and answers.
    public var serves = true
    /// Packets kept to answer with.
    public var historyCapacity = 1024
    /// How long packets are kept.
    public var historyDuration: Nanoseconds = .seconds(2)
    /// How long the source leaves an answer to others; 0 where members ask their segments first.
    public var answerHoldOff: Nanoseconds = .zero
    /// Repair bytes the source sends for a thousand bytes of media.
    public var repairPerMille = 250
    /// The same for a member, on its own segment: two hundred who miss one packet in a hundred miss nearly
    /// every packet between them.
    public var segmentRepairPerMille = 1000
    /// Repair bytes it may send at once.
    public var repairBurst = 128 * 1024
    /// Of a thousand packets, how many one peer may ask for.
    public var askerPerMille = 125
    /// Packets one peer may ask for at once.
    public var askerBurst = 128
    /// Time between an elected repairer's notices, and between the source's advices.
    public var noticeInterval: Nanoseconds = .seconds(1)
    /// Time between a member's digests.
    public var digestInterval: Nanoseconds = .milliseconds(20)
    /// Who gets digests, or requests by unicast. Until it is given, the peer that the source's reports come
    /// from, or for digests the elected repairer.
    public var upstream: Peer?

    /// The defaults, for a member `ssrc` of the group of `mediaSSRC`, whose holes are given up after `latency`.
    public init(ssrc: UInt32, mediaSSRC: UInt32, latency: Nanoseconds) {
        self.ssrc = ssrc
        self.mediaSSRC = mediaSSRC
        self.latency = latency
    }

    /// Lets go of each packet shortly before its latency is over, but not within a tenth of a second: who plays when this
    /// member does has no use for it any more, and what nobody else holds is played without a copy.
    public mutating func holdUntilPlayout() {
        historyDuration = min(historyDuration, max(.milliseconds(100), latency - latency / 8))
    }
}

/// What a ``GroupRepair`` has done and seen, in packets unless it says otherwise.
public struct GroupCounts: Equatable, Sendable {
    /// Missing packets noticed.
    public var missing: UInt64 = 0
    /// Of those, filled by a late original: reordering, not loss.
    public var reordered: UInt64 = 0
    /// Filled by a repair that was asked for on the own segment.
    public var recoveredByNeighbour: UInt64 = 0
    /// Filled by a repair that was asked for in the group.
    public var recoveredBySource: UInt64 = 0
    /// Given up.
    public var lost: UInt64 = 0
    /// Datagrams of requests sent to the segment.
    public var segmentRequests: UInt64 = 0
    /// Datagrams of requests sent to the group or the source.
    public var groupRequests: UInt64 = 0
    /// Times that what was heard kept this member from asking for a packet.
    public var suppressed: UInt64 = 0
    /// Repairs sent.
    public var repairs: UInt64 = 0
    /// Bytes of repairs sent.
    public var repairBytes: UInt64 = 0
    /// Requests for packets that are not, or no longer, held, or were never sent.
    public var refused: UInt64 = 0
    /// Requests not answered because the asker asked for too much, or the allowance was used up.
    public var overLimit: UInt64 = 0
    /// Requests and notices of peers that are ignored because they promised what did not come.
    public var ignored: UInt64 = 0

    /// Nothing yet.
    public init() {}
}
