public import FreshetCore

/// The packets of a stream that may still be asked for: bounded by number and by age.
///
/// A table indexed by sequence number of second tickets to packets on their way out; nothing is copied. The
/// pool that they come from needs as many slots more.
public struct RepairHistory: ~Copyable {
    private var slots: FixedSlots<Packet>
    private var sentAt: [Instant]
    /// Packets that came behind later ones.
    private var isLate: [Bool]
    private let mask: Int64
    private let duration: Nanoseconds
    private var oldest: Int64 = 0
    /// What is below has been kept and let go: it does not come in again.
    private var floor: Int64 = .min
    /// The highest sequence number kept; `nil` before the first.
    public private(set) var highest: Int64?
    /// Packets kept now.
    public private(set) var count = 0

    /// A history of up to `capacity` packets (rounded up to a power of two), none older than `duration`.
    public init(capacity: Int, duration: Nanoseconds) {
        let size = capacity.roundedUpToPowerOfTwo(atLeast: 64)
        slots = FixedSlots(capacity: size)
        sentAt = Array(repeating: .zero, count: size)
        isLate = Array(repeating: false, count: size)
        mask = Int64(size - 1)
        self.duration = duration
    }

    /// How many packets fit.
    public var capacity: Int { slots.capacity }

    /// Keeps `packet`, which is sent at `now`. One that a relay got late, and so sends behind later ones, takes its place
    /// among them; a number that jumps starts the history anew.
    @inline(__always)
    public mutating func note(_ packet: borrowing Packet, sequence: Int64, now: Instant) {
        if let highest, sequence == highest &+ 1 {
            expire(now)
            if sequence &- oldest > mask { drop(oldest) }
        } else {
            if let highest, sequence <= highest, highest &- sequence <= mask {
                return noteLate(packet, sequence, now)
            }
            jump(to: sequence)
        }
        slots.put(packet.share(), at: Int(sequence & mask))
        sentAt[Int(sequence & mask)] = now
        isLate[Int(sequence & mask)] = false
        highest = sequence
        count &+= 1
    }

    @inline(never)
    private mutating func noteLate(_ packet: borrowing Packet, _ sequence: Int64, _ now: Instant) {
        guard sequence >= floor, slots.isEmpty(Int(sequence & mask)) else { return }
        // A stream whose parts come by different ways may begin with a packet that is not its first.
        oldest = min(oldest, sequence)
        slots.put(packet.share(), at: Int(sequence & mask))
        sentAt[Int(sequence & mask)] = now
        isLate[Int(sequence & mask)] = true
        count &+= 1
    }

    @inline(never)
    private mutating func jump(to sequence: Int64) {
        guard let highest else {
            oldest = sequence
            return
        }
        // A step leaves numbers that have not come; all else is another stream.
        if sequence > highest, sequence &- highest <= mask {
            while sequence &- oldest > mask { drop(oldest) }
        } else {
            removeAll()
            oldest = sequence
            floor = .min
        }
    }

    private mutating func drop(_ sequence: Int64) {
        if slots.take(Int(sequence & mask)) != nil { count &-= 1 }
        oldest = sequence &+ 1
        floor = oldest
    }

    /// Lets packets go that are too old at `now`.
    @inline(__always)
    public mutating func expire(_ now: Instant) {
        guard count > 0 else { return }
        while count > 0, isOldestExpired(now) { drop(oldest) }
    }

    @inline(__always)
    private func isOldestExpired(_ now: Instant) -> Bool {
        slots.isEmpty(Int(oldest & mask)) || now - sentAt[Int(oldest & mask)] >= duration
    }

    /// When the last packet is to be let go, and with it all; `nil` when there is none. While packets come, those that are
    /// too old go with each one that comes: nobody need be woken for them.
    public var nextExpiry: Instant? {
        guard count > 0, let highest else { return nil }
        // A late one may outlast the highest.
        return max(sentAt[Int(oldest & mask)], sentAt[Int(highest & mask)]) + duration
    }

    /// When the packet with this number was sent, if it was sent behind later ones; `nil` for all others.
    public func lateSince(_ sequence: Int64) -> Instant? {
        contains(sequence) && isLate[Int(sequence & mask)] ? sentAt[Int(sequence & mask)] : nil
    }

    /// True when the packet with this number is kept.
    public func contains(_ sequence: Int64) -> Bool {
        guard let highest, sequence <= highest, sequence >= oldest else { return false }
        return !slots.isEmpty(Int(sequence & mask))
    }

    /// The lowest number kept; `nil` when there is none.
    public var lowest: Int64? {
        guard let highest, count > 0 else { return nil }
        var sequence = oldest
        while sequence < highest, slots.isEmpty(Int(sequence & mask)) { sequence &+= 1 }
        return sequence
    }

    /// The number nearest to the highest whose low 16 bits are `low`, the past being nearer; `nil` before the
    /// first packet.
    public func extend(_ low: UInt16) -> Int64? {
        guard let highest else { return nil }
        return highest &- Int64(UInt16(truncatingIfNeeded: highest) &- low)
    }

    /// Looks at the packet with this number; `nil` when it is not kept.
    public func withPacket<Result>(_ sequence: Int64, _ body: (borrowing Packet) -> Result) -> Result? {
        guard contains(sequence) else { return nil }
        return slots.withElement(Int(sequence & mask), body)
    }

    /// Lets all go.
    public mutating func removeAll() {
        guard let highest else { return }
        while oldest <= highest, count > 0 { drop(oldest) }
        self.highest = nil
        floor = .min
    }
}
