import FreshetCore

/// How long to wait before the next try: twice as long each time, and at random below that, so that ten thousand who
/// lost the same coordinator do not come back at the same moment.
struct BackOff: Sendable {
    /// The longest first wait.
    static let base = Nanoseconds.milliseconds(250)
    /// The longest wait.
    static let limit = Nanoseconds.seconds(8)
    private(set) var failureCount = 0

    /// The next wait: between a fifth of its bound and the bound.
    mutating func next(_ random: inout PRNG) -> Nanoseconds {
        let bound = min(BackOff.limit.count, BackOff.base.count << Int64(min(failureCount, 16)))
        failureCount += 1
        let floor = bound / 5
        return Nanoseconds(floor + Int64(random.below(UInt64(bound - floor))))
    }

    /// It worked.
    mutating func reset() { failureCount = 0 }
}
