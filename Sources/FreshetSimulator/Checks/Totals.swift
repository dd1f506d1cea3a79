public import FreshetCore

/// Sums of a run, over all hosts.
public struct Totals: Sendable {
    /// Media packets that the source sent, each once.
    public var packetCount = 0
    /// Bytes of them.
    public var mediaByteCount = 0
    /// Packets given to players.
    public var deliveredCount = 0
    /// Packets that players were not given.
    public var residualCount = 0
    /// Copies lost on their first way, counted by receivers.
    public var lossCount = 0
    /// Packets that at least one receiver lost.
    public var lostPacketCount = 0
    /// Repairs sent, by anybody.
    public var repairCount = 0
    /// Bytes of them.
    public var repairByteCount = 0
    /// Datagrams of control.
    public var controlCount = 0
    /// Bytes of them.
    public var controlByteCount = 0
    /// Packets named in requests.
    public var askCount = 0
    /// Those of them that could not come in time any more.
    public var hopelessAskCount = 0
    /// Missing packets that came as repairs.
    public var recoveredCount = 0
    /// Those of them that came from the receiver's own segment.
    public var recoveredLocallyCount = 0
    /// Media packets that reached a receiver that had them already.
    public var surplusCount = 0
    /// From the moment a packet was missed to its repair's arrival, nanoseconds.
    public var repairDelay = DelayHistogram()
    /// The longest that a packet waited for order.
    public var longestWait = Nanoseconds.zero
    /// The most packets that a receiver held for order.
    public var peakHeldCount = 0

    /// Of nothing.
    public init() {}
}
