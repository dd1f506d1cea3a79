/// What a stage counts. Names are part of the statistics that the command line prints.
public enum Counter: Int, CaseIterable, Sendable {
    /// Packets taken in and handed on, and their bytes.
    case packetsIn, bytesIn, packetsOut, bytesOut
    /// Media packets that came from the network (duplicates included).
    case received
    /// Packets that never came, or came too late to be used: given up.
    case lost
    /// Packets that were missing and came by repair.
    case recovered
    /// Of those: computed from parity, sent again by another receiver, come by a second path.
    case recoveredByFEC, recoveredByNeighbour, recoveredByPath
    /// Packets that came again and were dropped.
    case duplicates
    /// Packets that came behind a later one.
    case reordered
    /// Packets that came after they had been given up; dropped.
    case late
    /// Datagrams that were not what their port must carry; dropped.
    case malformed
    /// Packets of a second source on the same group; dropped.
    case foreign
    /// Datagrams longer than a slot; dropped.
    case oversized
    /// Datagrams that the kernel dropped because this process did not read fast enough.
    case kernelDrops
    /// Datagrams that the kernel refused to send.
    case sendErrors
    /// Packets dropped because a branch, a child or a queue was full.
    case queueDrops
    /// Packets dropped on purpose by a stage that imitates a bad network.
    case impaired
    /// Times the stream's clock jumped.
    case discontinuities
    /// Transport stream continuity counter errors.
    case continuityErrors
    /// Times the source changed (new SSRC) or came back.
    case sourceChanges
    /// Times the packet pool was empty when a packet was wanted.
    case poolExhausted
    /// Wake-ups of a stage's loop.
    case wakeups
    /// Null TS packets or other padding made by us.
    case stuffing
    /// Keyframes, segments and such items that a stage wrote.
    case items
    /// Times playout ran dry: packets came after the instant at which they were due.
    case underruns
    /// Datagrams that ask for packets again, sent; and heard.
    case requestsOut, requestsIn
    /// Packets sent again (or parity sent in answer), and their bytes.
    case repairsOut, repairBytesOut
    /// Requests that were not answered: for what was never sent, is no longer kept, or beyond the budget.
    case requestsRefused
    /// Datagrams of parity sent, and come.
    case parityOut, parityIn
    /// Gauge: packets waiting in the stage now.
    case queued
    /// Gauge: latency added by the stage or measured by it, in nanoseconds.
    case latencyNanoseconds
    /// Gauge: interarrival jitter (RFC 3550 §6.4.1), in nanoseconds.
    case jitterNanoseconds
    /// Gauge: round trip to the source, in nanoseconds.
    case roundTripNanoseconds
    /// Gauge: the source's clock against ours, in parts per billion.
    case clockDriftPartsPerBillion
    /// Gauges: from the way to a tree's coordinator being open to the first packet, and to the first whole frame behind a
    /// keyframe, in nanoseconds.
    case firstPacketNanoseconds, firstFrameNanoseconds

    /// True for a value that is set rather than added to.
    public var isGauge: Bool { rawValue >= Counter.queued.rawValue }
}

/// Why a stage dropped a packet; each reason has its counter.
public enum DropReason: Sendable {
    case duplicate, late, malformed, foreign, oversized, queueFull, impaired

    /// The counter of this reason.
    @inlinable public var counter: Counter {
        switch self {
        case .duplicate: .duplicates
        case .late: .late
        case .malformed: .malformed
        case .foreign: .foreign
        case .oversized: .oversized
        case .queueFull: .queueDrops
        case .impaired: .impaired
        }
    }
}

/// The counters of one stage: plain integers, written by the loop's own thread only.
public struct Counters: Sendable {
    @usableFromInline var values = InlineArray<48, Int>(repeating: 0)

    /// All zero.
    public init() { precondition(Counter.allCases.count <= values.count) }

    /// The value of one counter.
    @inlinable public subscript(counter: Counter) -> Int {
        get { values[counter.rawValue] }
        set { values[counter.rawValue] = newValue }
    }

    /// Adds `amount` (1 if not given).
    @inlinable public mutating func add(_ counter: Counter, _ amount: Int = 1) {
        values[counter.rawValue] &+= amount
    }
}
