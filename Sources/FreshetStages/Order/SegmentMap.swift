import FreshetCore

/// Maps sequence numbers of the current segment of a stream, and of the one still being given out before it,
/// to positions on one line; see ``ReorderBuffer``.
struct SegmentMap {
    /// The epoch of the current segment.
    private(set) var epoch: UInt32 = 0
    /// False until the first segment was opened.
    private(set) var hasEpoch = false
    /// Position minus sequence number in the current segment.
    private(set) var shift: Int64 = 0
    /// True while positions before the current segment are still to be given out.
    private(set) var isBoundaryPending = false
    /// True when there is one segment and the playhead is in it.
    private(set) var isSteady = false

    private var boundary: Int64 = 0
    private var olderEpoch: UInt32 = 0
    private var olderShift: Int64 = 0
    private var countsLoss = false

    /// Begins a segment at `boundary`. With `countsLoss` the numbers between the two segments are lost, else
    /// unknown.
    mutating func open(epoch: UInt32, boundary: Int64, shift: Int64, countsLoss: Bool) {
        olderEpoch = self.epoch
        olderShift = self.shift
        self.epoch = epoch
        self.boundary = boundary
        self.shift = shift
        self.countsLoss = countsLoss && hasEpoch
        hasEpoch = true
        isBoundaryPending = true
        isSteady = false
    }

    /// Where the packet with `info` stands; `nil` when it belongs to a segment that is over.
    @inline(__always)
    func position(of info: PacketInfo) -> Int64? {
        let position = info.extendedSequence &+ shift
        if !isBoundaryPending { return info.epoch == epoch ? position : nil }
        if info.epoch == epoch && position >= boundary { return position }
        let older = info.extendedSequence &+ olderShift
        return info.epoch == olderEpoch && older < boundary ? older : nil
    }

    /// Where the current segment begins, while positions before it are still to be given out.
    var pendingBoundary: Int64? { isBoundaryPending ? boundary : nil }

    /// Where a packet of the older epoch stands that lies past its end: between the segments, while the
    /// current one has received nothing before `first`. The older segment then ends behind it.
    mutating func extendOlder(_ info: PacketInfo, before first: Int64) -> Int64? {
        let older = info.extendedSequence &+ olderShift
        guard isBoundaryPending, info.epoch == olderEpoch, info.epoch != epoch, older >= boundary,
            older < first
        else {
            return nil
        }
        boundary = older &+ 1
        return older
    }

    /// How many sequence numbers are given up when the playhead goes from position `next` to `target`.
    /// Crossing the boundary ends the older segment.
    ///
    /// The room in front of a segment's first packet, kept for packets sent before it, is nobody's loss: as
    /// long as no packet is reached (`isAtPacket`), the boundary only moves up.
    mutating func lostCount(from next: Int64, to target: Int64, isAtPacket: Bool) -> Int {
        guard isBoundaryPending && target >= boundary else { return Int(target &- next) }
        if !isAtPacket && !countsLoss {
            let lost = Int(max(0, boundary &- next))
            boundary = target
            return lost
        }
        isBoundaryPending = false
        isSteady = true
        if countsLoss { return max(0, Int((target &- shift) &- (next &- olderShift))) }
        return Int(max(0, boundary &- next))
    }

    /// Ends the older segment when the playhead `next` has passed the boundary without a gap; the numbers
    /// that were lost between the segments.
    mutating func settle(next: Int64) -> Int {
        guard isBoundaryPending && next > boundary else { return 0 }
        isBoundaryPending = false
        isSteady = true
        return countsLoss ? max(0, Int(olderShift &- shift)) : 0
    }
}

/// Notices that a source has begun its numbering again below where it was (restarted with the same SSRC): a
/// run of consecutive numbers behind the playhead while nothing has moved forward for two seconds.
struct RestartDetector {
    private static let runLimit = 32
    private static let silence = Nanoseconds.seconds(2)

    private var lastAdvance = Instant.zero
    private var runEnd: Int64 = .min
    private var runCount = 0

    /// A packet moved the stream forward at `arrival`.
    @inline(__always)
    mutating func advanced(at arrival: Instant) {
        lastAdvance = arrival
        runCount = 0
    }

    /// A packet came behind the playhead; true when the source has begun again.
    mutating func seenBehind(_ position: Int64, at arrival: Instant) -> Bool {
        runCount = position == runEnd &+ 1 ? runCount &+ 1 : 1
        runEnd = position
        guard runCount >= RestartDetector.runLimit, arrival - lastAdvance >= RestartDetector.silence else {
            return false
        }
        runCount = 0
        return true
    }
}
