import FreshetCore

/// Packets far ahead of all others, set aside until it shows whether the stream jumped or their number is
/// wrong.
///
/// A jump is believed when a second packet near it comes before more than a few others have: RFC 3550
/// appendix A.1 asks for two in a row as well. At most ``capacity`` are kept, so that deep reordering at high
/// rates is no jump either.
struct SuspectQueue: ~Copyable {
    /// How many packets can be set aside.
    static let capacity = 16
    /// A packet is near another when their numbers differ by at most this.
    static let nearLimit: Int64 = 128
    /// How many other packets may have come between two that confirm each other, where the jump is within
    /// reach of the ring; none where it is not.
    private static let passedLimit = 16
    /// After this many other packets the number was wrong.
    private static let wrongLimit = 512

    /// A packet set aside.
    struct Suspect: ~Copyable {
        var packet: Packet
        var sequence: Int64
        var mark: Int64
        var arrival: Instant
        /// How many packets had passed when it came.
        var passedCount: Int
    }

    /// What a packet far ahead means beside those set aside.
    enum Meaning {
        /// Another copy of one of them.
        case copy
        /// It confirms the one at the index.
        case confirmation(Int)
        /// Nothing yet.
        case unknown
    }

    private var entries: FixedRing<Suspect>
    private var passedCount = 0

    init() { entries = FixedRing(capacity: SuspectQueue.capacity) }

    var isEmpty: Bool { entries.isEmpty }
    var isFull: Bool { entries.isFull }
    var count: Int { entries.count }

    /// When the first of them came.
    var oldestArrival: Instant? {
        if entries.isEmpty { return nil }
        return entries[0].arrival
    }

    func sequence(at index: Int) -> Int64 { entries[index].sequence }

    /// True when other packets have come since the one at `index`.
    func isContradicted(_ index: Int) -> Bool { passedCount > entries[index].passedCount }

    /// True when so many have come that its number must be wrong.
    func isWrong(_ index: Int) -> Bool { passedCount - entries[index].passedCount > SuspectQueue.wrongLimit }

    /// A packet that is not far ahead was taken in.
    mutating func notePassed() { passedCount &+= 1 }

    /// What a packet with `sequence` means.
    func meaning(of sequence: Int64, isWithinReach: Bool) -> Meaning {
        let limit = isWithinReach ? SuspectQueue.passedLimit : 0
        for index in 0..<entries.count {
            let distance = sequence &- entries[index].sequence
            if distance == 0 { return .copy }
            if distance.magnitude <= UInt64(SuspectQueue.nearLimit),
                passedCount - entries[index].passedCount <= limit
            {
                return .confirmation(index)
            }
        }
        return .unknown
    }

    /// Sets a packet aside; traps when full.
    mutating func append(_ packet: consuming Packet, _ info: PacketInfo, mark: Int64) {
        entries.append(
            Suspect(
                packet: packet, sequence: info.extendedSequence, mark: mark, arrival: info.arrival,
                passedCount: passedCount))
    }

    /// Takes the one at `index` out; the others keep their order.
    mutating func remove(_ index: Int) -> Suspect? {
        var found: Suspect?
        for turn in 0..<entries.count {
            guard let suspect = entries.popFirst() else { return nil }
            if turn == index {
                found = consume suspect
            } else {
                entries.append(consume suspect)
            }
        }
        return found
    }

    /// The one with the lowest number.
    var lowest: Int? {
        var lowest: Int?
        for index in 0..<entries.count {
            if let found = lowest, entries[found].sequence <= entries[index].sequence { continue }
            lowest = index
        }
        return lowest
    }
}
