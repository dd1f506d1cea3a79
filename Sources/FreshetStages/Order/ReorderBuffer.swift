public import FreshetCore

/// Puts packets back into the order in which they were sent and counts what never came.
///
/// A bounded ring of packets indexed by extended sequence number: inserting is O(1), giving out is in order
/// only. When to stop waiting for a missing packet is the caller's policy, told by ``force(through:)``; the
/// buffer itself never looks at a clock.
///
/// Words used by its counters (the usual ones of RTP receivers, RFC 3550 §6.4.1 and GStreamer's jitter
/// buffer):
/// - **lost**: a sequence number that was given up. Each number is given up at most once, and stays counted.
/// - **late**: a packet that came after its number had been given up, or from before all that was given out;
///   dropped.
/// - **duplicates**: a packet whose number had already been received; dropped.
/// - **reordered**: a packet that came in time, but behind one with a higher number, and was not sent again.
/// - **recovered**: a repair (or a second path's packet) that filled a hole in time.
///
/// Inside, packets stand at *positions*: the sequence number plus a shift that changes with each segment of
/// the stream. A new segment begins at the start, with each new epoch, when numbering jumps further than the
/// ring reaches, and when a source starts its numbering again. Its first-arrived packet is placed `reach`
/// positions behind the old end, so that packets sent before it, but arriving after it, still find their
/// place.
///
/// A packet far ahead of all others is set aside until another one nearby confirms the jump, so that one
/// forged or damaged number cannot make a good stream look late.
public struct ReorderBuffer: ~Copyable {
    /// A packet this many numbers ahead of the highest one needs another one nearby to be believed.
    public static let jumpLimit: Int64 = 128
    /// A hole longer than this is a new numbering, not loss.
    public static let plausibleLossLimit: Int64 = 32_768

    /// So many packets in a row, none missing, doubled or out of place, show a path that keeps the order: were
    /// one packet in a hundred held up on it, such a run would come once in a thousand million starts.
    public static let orderlyLimit = 2048

    /// What became of the packet at the front of an input.
    public enum Admission: Sendable {
        /// Taken, now or with the next one: waiting in the buffer, or set aside until it is confirmed.
        case held
        /// Taken, counted, dropped.
        case dropped
        /// Left in the input: packets held must be popped first (they are forced now and pop at once).
        case blocked
    }

    /// How many consecutive positions the ring can hold.
    public let capacity: Int
    /// Packets in the ring.
    public private(set) var heldCount = 0
    /// The position that is given out next.
    public private(set) var next: Int64 = 0
    /// Positions up to this one are no longer waited for.
    public private(set) var forcedThrough: Int64 = -1

    private var slots: FixedSlots<Packet>
    private let mask: Int64
    private let reach: Int64
    private var received: SequenceBitmap
    private var segments = SegmentMap()
    private var suspects = SuspectQueue()
    private var restarts = RestartDetector()
    private var arrivals: ArrivalQueue
    private var marks: [Int64]
    /// How many packets have come one right behind the other, and where the last one stands.
    private var run: (count: Int, end: Int64) = (0, -1)

    /// What a buffer keeps beside its packets.
    public enum Notes: Sendable {
        /// Which packet waits longest: ``ReorderBuffer/oldestArrival()``.
        case arrivals
        /// A number of the caller's with each packet: ``ReorderBuffer/mark(at:)``.
        case marks
    }

    /// A buffer for `capacity` consecutive sequence numbers; a power of two from 64 on.
    public init(capacity: Int, keeping notes: Notes) {
        precondition(capacity >= 64 && capacity & (capacity - 1) == 0)
        self.capacity = capacity
        mask = Int64(capacity) - 1
        reach = Int64(capacity) / 4
        slots = FixedSlots(capacity: capacity)
        received = SequenceBitmap(capacity: capacity * 2, highest: -1)
        arrivals = ArrivalQueue(capacity: notes == .arrivals ? capacity * 2 : 0)
        marks = Array(repeating: 0, count: notes == .marks ? capacity : 0)
    }

    /// The highest position that holds or held a packet, or was given up.
    public var highest: Int64 { max(received.highest, next &- 1) }

    /// True when nothing waits, neither in the ring nor set aside.
    public var isEmpty: Bool { heldCount == 0 && suspects.isEmpty }

    /// When the oldest packet that is set aside came; `nil` when there is none.
    public var suspectArrival: Instant? { suspects.oldestArrival }

    // MARK: In

    /// True when a packet with `info` is the very next one and nothing else is waiting: the caller may give
    /// it out itself after ``pass(_:)``.
    @inline(__always)
    func isNext(_ info: PacketInfo) -> Bool {
        heldCount == 0 && suspects.isEmpty && segments.isSteady && info.epoch == segments.epoch
            && info.extendedSequence &+ segments.shift == next
    }

    /// Notes that the packet with `info`, for which ``isNext(_:)`` is true, was given out by the caller.
    @inline(__always)
    mutating func pass(_ info: PacketInfo, counters: inout Counters) {
        if info.flags.contains(.isRetransmission) { counters.addRecovery(info.flags) }
        received.mark(next)
        restarts.advanced(at: info.arrival)
        next &+= 1
    }

    /// What the next packets in order would do.
    public enum Prospect: Sendable {
        /// Pass at once.
        case pass
        /// Wait behind those held, and change nothing.
        case wait
        /// Something that depends on each of them: a segment begins or ends, or packets are set aside.
        case matter
    }

    /// What the next packets in order would do. Changes nothing; see ``ReorderStage/standing()``.
    @inline(__always)
    mutating func prospect() -> Prospect {
        if !suspects.isEmpty { return .matter }
        if segments.isBoundaryPending {
            // A longer ring may hold so many that they end the wait (`forceOrderlyStart`).
            return heldCount > 0 && capacity < ReorderBuffer.orderlyLimit ? .wait : .matter
        }
        if !segments.isSteady { return .matter }
        return heldCount == 0 ? .pass : .wait
    }

    /// Notes that the `count` packets up to extended sequence number `last`, which followed the last one in
    /// order, were given out by the caller, the last of them at `lastArrival`. Only while ``prospect()`` is to pass.
    public mutating func passRun(through last: Int64, count: Int, lastArrival: Instant) {
        precondition(prospect() == .pass && last &+ segments.shift == next &+ Int64(count) &- 1)
        received.markRun(next, count: count)
        restarts.advanced(at: lastArrival)
        next &+= Int64(count)
    }

    /// Takes the front packet of `input`, which has a sequence number, if it can. `mark` is kept with it.
    public mutating func admit(
        _ input: inout PacketBatch, mark: Int64 = 0, counters: inout Counters
    ) -> Admission {
        let info = input[0].info
        if segments.isBoundaryPending { counters.add(.lost, segments.settle(next: next)) }
        guard segments.hasEpoch else { return open(info, &input, mark, &counters) }
        let age = Int32(bitPattern: info.epoch &- segments.epoch)
        if age > 0 { return open(info, &input, mark, &counters) }
        guard let position = segments.position(of: info) ?? positionAtOlderEnd(info) else {
            return dropFront(&input, .late, &counters)
        }
        if position < next { return dropBehind(position, info, &input, mark, &counters) }
        if position &- highest > ReorderBuffer.jumpLimit {
            return admitJump(info, position, &input, mark, &counters)
        }
        if position &- next >= Int64(capacity) {
            force(through: position &- Int64(capacity))
            return .blocked
        }
        if received[position] { return dropFront(&input, .duplicate, &counters) }
        guard let packet = input.popFirst() else { return .blocked }
        hold(packet, info, at: position, mark, &counters)
        if !suspects.isEmpty { reviewSuspects(&counters) }
        return .held
    }

    /// The last packets of an epoch may come after the first ones of the next.
    private mutating func positionAtOlderEnd(_ info: PacketInfo) -> Int64? {
        guard let boundary = segments.pendingBoundary, let first = received.first(from: boundary) else {
            return nil
        }
        return segments.extendOlder(info, before: first)
    }

    @inline(__always)
    private mutating func hold(
        _ packet: consuming Packet, _ info: PacketInfo, at position: Int64, _ mark: Int64,
        _ counters: inout Counters
    ) {
        if info.flags.contains(.isRetransmission) {
            counters.addRecovery(info.flags)
        } else if position < highest {
            if info.flags.contains(.isFromSecondPath) { counters.addRecovery(info.flags) }
            counters.add(.reordered)
        }
        received.mark(position)
        restarts.advanced(at: info.arrival)
        run = (position == run.end &+ 1 ? run.count &+ 1 : 1, position)
        if let overflow = arrivals.append(position, info.arrival) { force(through: overflow) }
        if !marks.isEmpty { marks[Int(position & mask)] = mark }
        slots.put(packet, at: Int(position & mask))
        heldCount &+= 1
    }

    private mutating func dropFront(
        _ input: inout PacketBatch, _ reason: DropReason, _ counters: inout Counters
    ) -> Admission {
        _ = input.popFirst()
        counters.add(reason.counter)
        run.count = 0
        return .dropped
    }

    /// Behind the playhead: a second copy, a latecomer, or a source that has begun again with lower numbers.
    private mutating func dropBehind(
        _ position: Int64, _ info: PacketInfo, _ input: inout PacketBatch, _ mark: Int64,
        _ counters: inout Counters
    ) -> Admission {
        if restarts.seenBehind(position, at: info.arrival) {
            counters.add(.discontinuities)
            return open(info, &input, mark, &counters)
        }
        if received[position] { return dropFront(&input, .duplicate, &counters) }
        received.mark(position)
        return dropFront(&input, .late, &counters)
    }

    // MARK: Jumps

    private mutating func admitJump(
        _ info: PacketInfo, _ position: Int64, _ input: inout PacketBatch, _ mark: Int64,
        _ counters: inout Counters
    ) -> Admission {
        let isWithinReach = position &- next < Int64(capacity)
        switch suspects.meaning(of: info.extendedSequence, isWithinReach: isWithinReach) {
        case .copy:
            return dropFront(&input, .duplicate, &counters)
        case .confirmation(let index):
            if !acceptSuspect(index, &counters) { return .blocked }
            return admit(&input, mark: mark, counters: &counters)
        case .unknown:
            if suspects.isFull { dropSuspect(0, .malformed, &counters) }
            guard let packet = input.popFirst() else { return .blocked }
            suspects.append(packet, info, mark: mark)
            return .held
        }
    }

    /// The stream goes on beside the packets set aside: takes in those whose number it has passed and that
    /// are missing, drops those that it should have reached by now.
    private mutating func reviewSuspects(_ counters: inout Counters) {
        suspects.notePassed()
        var index = 0
        while index < suspects.count {
            let position = suspects.sequence(at: index) &+ segments.shift
            if position <= highest {
                _ = acceptSuspect(index, &counters)
            } else if suspects.isWrong(index) {
                dropSuspect(index, .malformed, &counters)
            } else {
                index += 1
            }
        }
    }

    /// Time is up for the oldest packet set aside: it is believed when no other packet came since. False when
    /// held packets must be popped first.
    public mutating func settleSuspect(counters: inout Counters) -> Bool {
        if suspects.isEmpty { return true }
        if suspects.isContradicted(0) {
            dropSuspect(0, .malformed, &counters)
            return true
        }
        return acceptSuspect(0, &counters)
    }

    private mutating func dropSuspect(_ index: Int, _ reason: DropReason, _ counters: inout Counters) {
        _ = suspects.remove(index)
        counters.add(reason.counter)
    }

    private mutating func acceptSuspect(_ index: Int, _ counters: inout Counters) -> Bool {
        let sequence = suspects.sequence(at: index)
        var position = sequence &+ segments.shift
        if position < next {
            dropSuspect(index, .late, &counters)
            return true
        }
        if position &- next >= Int64(capacity) {
            let isLoss = position &- highest <= ReorderBuffer.plausibleLossLimit
            guard let opened = openSegment(segments.epoch, sequence, countsLoss: isLoss, &counters) else {
                return false
            }
            if !isLoss { counters.add(.discontinuities) }
            position = opened
        }
        guard let suspect = suspects.remove(index) else { return true }
        if received[position] {
            counters.add(.duplicates)
            return true
        }
        let info = suspect.packet.info
        hold(suspect.packet, info, at: position, suspect.mark, &counters)
        return true
    }

    /// No more packets will come: every packet set aside is believed or dropped now, as far as held ones do
    /// not have to be popped first.
    public mutating func settleSuspects(counters: inout Counters) { _ = settleAllSuspects(&counters) }

    private mutating func settleAllSuspects(_ counters: inout Counters) -> Bool {
        while let index = suspects.lowest {
            if suspects.isContradicted(index) {
                dropSuspect(index, .malformed, &counters)
            } else if !acceptSuspect(index, &counters) {
                return false
            }
        }
        return true
    }

    /// Begins a segment with the front packet of `input`.
    private mutating func open(
        _ info: PacketInfo, _ input: inout PacketBatch, _ mark: Int64, _ counters: inout Counters
    ) -> Admission {
        if !suspects.isEmpty && !settleAllSuspects(&counters) { return .blocked }
        let sequence = info.extendedSequence
        guard let position = openSegment(info.epoch, sequence, countsLoss: false, &counters) else {
            return .blocked
        }
        guard let packet = input.popFirst() else { return .blocked }
        hold(packet, info, at: position, mark, &counters)
        return .held
    }

    /// The position of the first packet of a new segment; `nil` when older packets must be popped first.
    private mutating func openSegment(
        _ epoch: UInt32, _ sequence: Int64, countsLoss: Bool, _ counters: inout Counters
    ) -> Int64? {
        if segments.isBoundaryPending { counters.add(.lost, segments.settle(next: next)) }
        let position = highest &+ 1 &+ reach
        if segments.isBoundaryPending || position &- next >= Int64(capacity) {
            force(through: highest)
            return nil
        }
        segments.open(
            epoch: epoch, boundary: highest &+ 1, shift: position &- sequence, countsLoss: countsLoss)
        return position
    }

    // MARK: Out

    /// Stops waiting for positions up to `position`: what is missing there is given up as packets are popped.
    public mutating func force(through position: Int64) {
        if position > forcedThrough { forcedThrough = position }
    }

    /// Stops waiting for what was sent before a segment's first packet, when the packets since then show that
    /// nothing is under way: ``orderlyLimit`` of them have come one right behind the other.
    public mutating func forceOrderlyStart() {
        guard run.count >= ReorderBuffer.orderlyLimit, let boundary = segments.pendingBoundary,
            let first = received.first(from: next), first >= boundary, run.end &- first < Int64(run.count)
        else { return }
        force(through: first)
    }

    /// Stops waiting for anything; for the end of the stream.
    public mutating func forceAll(counters: inout Counters) {
        force(through: highest)
        if settleAllSuspects(&counters) { force(through: highest) }
    }

    /// The position of the first packet held, and whether it pops without a gap or by force; `nil` when none
    /// is held.
    public var head: (position: Int64, isReady: Bool)? {
        if heldCount == 0 { return nil }
        if received[next] { return (next, true) }
        guard let first = received.first(from: next) else { return nil }
        return (first, first <= forcedThrough)
    }

    /// The packet in the ring that arrived first, wherever it stands; `nil` when none is held or none is
    /// tracked.
    public mutating func oldestArrival() -> (position: Int64, arrival: Instant)? {
        arrivals.oldest(from: next)
    }

    /// The caller's number for the packet held at `position`.
    @inline(__always)
    public func mark(at position: Int64) -> Int64 { marks[Int(position & mask)] }

    /// Looks at the packet held at `position`; `nil` when there is none.
    public func withPacket<Result>(at position: Int64, _ body: (borrowing Packet) -> Result) -> Result? {
        guard position >= next, position &- next < Int64(capacity) else { return nil }
        return slots.withElement(Int(position & mask), body)
    }

    /// The next packet in order, if it follows without a gap or the gap before it was given up.
    public mutating func popReady(counters: inout Counters) -> Packet? {
        if heldCount > 0 && received[next] { return takeNext() }
        if next > forcedThrough { return nil }
        guard heldCount > 0, let first = received.first(from: next), first <= forcedThrough else {
            giveUp(to: forcedThrough &+ 1, isAtPacket: false, &counters)
            return heldCount > 0 && received[next] ? takeNext() : nil
        }
        return pop(at: first, counters: &counters)
    }

    /// The packet at `position`, the head; numbers before it are given up and counted lost.
    public mutating func pop(at position: Int64, counters: inout Counters) -> Packet? {
        giveUp(to: position, isAtPacket: true, &counters)
        return takeNext()
    }

    @inline(__always)
    private mutating func takeNext() -> Packet? {
        guard let packet = slots.take(Int(next & mask)) else { return nil }
        heldCount &-= 1
        next &+= 1
        return packet
    }

    private mutating func giveUp(to position: Int64, isAtPacket: Bool, _ counters: inout Counters) {
        guard position > next else { return }
        counters.add(.lost, segments.lostCount(from: next, to: position, isAtPacket: isAtPacket))
        next = position
    }
}

extension Counters {
    /// A packet that was missing came, in one of the ways that `flags` tell.
    @inline(never)
    fileprivate mutating func addRecovery(_ flags: PacketFlags) {
        add(.recovered)
        if flags.contains(.isFromParity) {
            add(.recoveredByFEC)
        } else if flags.contains(.isFromNeighbour) {
            add(.recoveredByNeighbour)
        } else if flags.contains(.isFromSecondPath) {
            add(.recoveredByPath)
        }
    }
}
