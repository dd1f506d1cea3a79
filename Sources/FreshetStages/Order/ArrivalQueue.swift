import FreshetCore

/// Positions in the order in which their packets came, to know which one of those still held waits longest.
///
/// Positions that were given out since are forgotten when they reach the front.
struct ArrivalQueue: ~Copyable {
    struct Entry {
        var position: Int64
        var arrival: Instant
    }

    private var entries: FixedRing<Entry>
    private let isTracking: Bool

    /// A queue for `capacity` positions; 0 for one that keeps nothing.
    init(capacity: Int) {
        isTracking = capacity > 0
        entries = FixedRing(capacity: max(capacity, 1))
    }

    /// Notes that the packet at `position` came at `arrival`. When full, the oldest position is forgotten and
    /// given back.
    @inline(__always)
    mutating func append(_ position: Int64, _ arrival: Instant) -> Int64? {
        guard isTracking else { return nil }
        let overflow = entries.isFull ? entries.popFirst()?.position : nil
        entries.append(Entry(position: position, arrival: arrival))
        return overflow
    }

    /// The oldest entry at or after position `next`.
    @inline(__always)
    mutating func oldest(from next: Int64) -> (position: Int64, arrival: Instant)? {
        while !entries.isEmpty {
            let entry = entries[0]
            if entry.position >= next { return (entry.position, entry.arrival) }
            _ = entries.popFirst()
        }
        return nil
    }
}
