public import FreshetCore

/// Sums of a run of a tree, over all members, from the moment that packets are counted.
public struct TreeTotals: Sendable {
    /// Packets that were due at players.
    public var dueCount: Int64 = 0
    /// Those of them that were there.
    public var inTimeCount: Int64 = 0
    /// Packets that came for the first time.
    public var deliveredCount: Int64 = 0
    /// Of those, within the latency of being sent, the way counted in.
    public var promptCount: Int64 = 0
    /// Packets that came again.
    public var duplicateCount: Int64 = 0
    /// Packets put on the wire, lost ones too.
    public var sentCount: Int64 = 0
    /// Of those, what the source sent.
    public var sourceCount: Int64 = 0
    /// Of those, repairs.
    public var repairCount: Int64 = 0
    /// Bytes of link messages and of repair's control, UDP and IP headers counted.
    public var linkByteCount: Int64 = 0
    /// Of those, repair's.
    public var repairControlByteCount: Int64 = 0
    /// Bytes of messages to and from the coordinator, headers counted.
    public var coordinatorByteCount: Int64 = 0
    /// Messages of the coordinator and to it.
    public var coordinatorMessageCount: Int64 = 0
    /// Joins and leaves.
    public var changeCount = 0
    /// Members that crashed.
    public var crashCount = 0
    /// Members that took another parent by themselves.
    public var moveCount = 0
    /// Members that the coordinator put in the place of another, since it began.
    public var exchangeCount = 0
    /// Loops of parents that were there for a moment.
    public var loopCount = 0
    /// Viewers that missed a packet from the strike on, and all that were there before and after.
    public var brokenCount = 0
    /// See ``brokenCount``.
    public var survivorCount = 0
    /// The longest gap of a viewer.
    public var longestGap = Nanoseconds.zero
    /// From the strike to when everybody who is there had packets again.
    public var healedAfter = Nanoseconds.zero
    /// From the connection to the first packet, nanoseconds.
    public var firstPacket = DelayHistogram()
    /// The same in thousandths of a round trip to the coordinator.
    public var firstPacketTrips = DelayHistogram()
    /// From silence of the parent to a packet of the next, nanoseconds.
    public var outage = DelayHistogram()
    /// The longest gaps of all viewers that had one, nanoseconds.
    public var gaps = DelayHistogram()
    /// The way of packets from the source, nanoseconds; every sixteenth.
    public var way = DelayHistogram()
    /// The same for each viewer's tree path at the end.
    public var delay = DelayHistogram()
    /// That in thousandths of the direct way.
    public var stretch = DelayHistogram()
    /// Members between the source and each viewer, the source counted.
    public var depth = DelayHistogram()
    /// The most bytes that the source sent in a second.
    public var sourcePeak: Int64 = 0

    /// Of nothing.
    public init() {}
}
