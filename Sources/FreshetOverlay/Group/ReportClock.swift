public import FreshetCore

/// When a member reports to the source. The source sets the interval so that all members together report at
/// a bounded rate; each draws its own instants from it, and when the interval changes the wait that runs is
/// changed with it (RFC 3550 §6.3, reconsideration both ways).
public struct ReportClock: Sendable {
    /// The interval in force; `nil` while the source has set none, and then there are no reports.
    public private(set) var interval: Nanoseconds?
    /// When the next report is due; `nil`: never.
    public private(set) var due: Instant?

    /// A clock that does not run yet.
    public init() {}

    /// The source wants reports this far apart from each member.
    public mutating func set(_ interval: Nanoseconds, now: Instant, random: inout PRNG) {
        guard interval > .zero else { return }
        if let due, let old = self.interval {
            if due > now, interval != old {
                // In milliseconds: the product of two spans of an hour in nanoseconds has no room.
                let left = (due - now).count / 1_000_000 &* (interval.count / 1_000_000)
                self.due = now + .milliseconds(left / max(1, old.count / 1_000_000))
            }
        } else {
            // The first one anywhere in the interval: members that join together do not report together.
            due = now + Nanoseconds(Int64(random.below(UInt64(interval.count))))
        }
        self.interval = interval
    }

    /// True when a report is due; the next one is then half to one and a half intervals away.
    public mutating func take(now: Instant, random: inout PRNG) -> Bool {
        guard let due, due <= now, let interval else { return false }
        self.due = now + Nanoseconds(interval.count / 2 &+ Int64(random.below(UInt64(interval.count) &+ 1)))
        return true
    }
}
