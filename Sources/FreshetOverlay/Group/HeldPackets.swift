public import FreshetCore
import FreshetWire

/// The packets of the last moments, to be given to those who miss them: a ring by sequence number that
/// shares the packets' slots and copies nothing.
///
/// What is kept is bounded twice: by the number of places, and by age, which is looked at once in eight packets. A
/// packet takes the place of the one `capacity` before it. Whole runs of packets may stay on a ``PacketShelf``; their
/// age is not looked at, the number of places bounds them.
public struct HeldPackets: ~Copyable {
    /// Old packets go once in so many.
    private static let expiryStride: Int64 = 8

    private var slots: FixedSlots<Packet>
    /// When each was put in: a packet made on this host has no arrival.
    private var times: [Instant]
    private let mask: Int64
    private let duration: Nanoseconds
    private var oldest: Int64 = 0
    private var newest: Int64 = -1
    private var isEmpty = true
    private var shelf: PacketShelf?
    /// What is held by way of the shelf.
    private var runs = SequenceRuns()
    /// Between these numbers are the packets that have places of their own.
    private var firstOwn = Int64.max
    private var lastOwn = Int64.min

    /// Room for `capacity` packets, rounded up to a power of two, none older than `duration`.
    public init(capacity: Int, duration: Nanoseconds) {
        let size = capacity.roundedUpToPowerOfTwo()
        slots = FixedSlots(capacity: size)
        times = Array(repeating: .zero, count: size)
        mask = Int64(size &- 1)
        self.duration = duration
    }

    private func place(_ sequence: Int64) -> Int { Int(sequence & mask) }

    /// Keeps a share of `packet`; old ones go. Packets without a sequence number, or from before all that is
    /// kept, are passed over.
    public mutating func put(_ packet: borrowing Packet, now: Instant) {
        guard packet.info.flags.contains(.hasSequence) else { return }
        let sequence = packet.info.extendedSequence
        if isEmpty || sequence > newest &+ mask {
            removeAll()
            oldest = sequence
            newest = sequence
            isEmpty = false
        }
        guard sequence > newest &- mask &- 1 else { return }
        keep(packet.share(), sequence, at: now)
        if sequence > newest { newest = sequence }
        oldest = max(min(oldest, sequence), newest &- mask)
        // Several at once: what is about to go was last touched when it came, so each is a wait for memory, and a
        // few wait together.
        if sequence % HeldPackets.expiryStride == 0 { expire(now: now) }
    }

    /// Lets go of what is too old.
    public mutating func expire(now: Instant) {
        if isEmpty { return }
        let first = newest &- mask
        if oldest < first { oldest = first }
        releaseOwn(below: first)
        while oldest < newest {
            if runs.contains(oldest) { return }
            if isInOwnSlot(oldest) && now - times[place(oldest)] <= duration { return }
            _ = slots.take(place(oldest))
            oldest &+= 1
        }
    }

    /// Keeps packets `run`, which came in order and are on `shelf`, without touching each: the same as
    /// ``put(_:now:)`` of each of them, but for their age.
    public mutating func putRun(_ run: ClosedRange<Int64>, from shelf: PacketShelf) {
        if self.shelf !== shelf {
            while let old = runs.removeFirst() { takeFromShelf(old) }
            self.shelf = shelf
        }
        let first = max(run.lowerBound, run.upperBound &- mask)
        if isEmpty || first > newest &+ mask {
            removeAll()
            oldest = first
            isEmpty = false
        }
        // A few runs are remembered; the packets of an older one get places of their own.
        if let old = runs.append(first, run.upperBound) { takeFromShelf(old) }
        newest = max(newest, run.upperBound)
        oldest = max(min(oldest, first), newest &- mask)
        releaseOwn(below: oldest)
    }

    private mutating func keep(_ packet: consuming Packet, _ sequence: Int64, at now: Instant) {
        slots.put(packet, at: place(sequence))
        times[place(sequence)] = now
        firstOwn = min(firstOwn, sequence)
        lastOwn = max(lastOwn, sequence)
    }

    // Runs take no places, so what stands in them is not replaced by itself.
    private mutating func releaseOwn(below limit: Int64) {
        let end = lastOwn < limit ? lastOwn &+ 1 : limit
        while firstOwn < end {
            if let last = runs.end(of: firstOwn) {
                firstOwn = last &+ 1
                continue
            }
            if isInOwnSlot(firstOwn) { _ = slots.take(place(firstOwn)) }
            firstOwn &+= 1
        }
        if firstOwn > lastOwn {
            firstOwn = .max
            lastOwn = .min
        }
    }

    private mutating func takeFromShelf(_ run: SequenceRuns.Run) {
        guard let shelf, run.last >= oldest else { return }
        for sequence in max(run.first, oldest)...run.last {
            var share: Packet?
            _ = shelf.withPacket(sequence) { share = $0.share() }
            if let packet = share.take() { keep(packet, sequence, at: .distantFuture) }
        }
    }

    private func isInOwnSlot(_ sequence: Int64) -> Bool {
        slots.withElement(place(sequence)) { $0.info.extendedSequence == sequence } ?? false
    }

    /// Lets go of everything.
    public mutating func removeAll() {
        for index in 0..<slots.capacity { _ = slots.take(index) }
        runs.removeAll()
        firstOwn = .max
        lastOwn = .min
        isEmpty = true
    }

    /// True when packet `sequence` is held.
    public func contains(_ sequence: Int64) -> Bool {
        if isEmpty || sequence > newest || sequence < oldest { return false }
        // The shelf first: it is looked at by many.
        return runs.contains(sequence) && shelf?.contains(sequence) == true || isInOwnSlot(sequence)
    }

    /// The numbers between which packets are held; `nil` when none is.
    public var range: ClosedRange<Int64>? { isEmpty ? nil : oldest...max(oldest, newest) }

    /// Packet `sequence` again, in a slot of its own from `pool`, marked as a retransmission; `nil` when it
    /// is not held or the pool is empty.
    public func copy(_ sequence: Int64, from pool: PacketPool) -> Packet? {
        guard contains(sequence), var copy = pool.allocate() else { return nil }
        let isWhole: Bool?
        if isInOwnSlot(sequence) {
            isWhole = slots.withElement(place(sequence)) { copy.fill(from: $0) }
        } else {
            isWhole = shelf?.withPacket(sequence) { copy.fill(from: $0) }
        }
        guard isWhole == true else { return nil }
        copy.info.flags.insert(.isRetransmission)
        copy.modify { RTPHeader.markRetransmission(true, in: &$0) }
        return copy
    }
}

extension Packet {
    /// Takes the bytes and the notes of `other`; false when there is no room.
    fileprivate mutating func fill(from other: borrowing Packet) -> Bool {
        guard other.byteCount <= spareByteCount else { return false }
        append(other.bytes)
        info = other.info
        return true
    }
}
