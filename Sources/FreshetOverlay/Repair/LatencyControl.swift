public import FreshetCore

/// A latency that fits itself to the link: long enough for nearly all repairs, no longer for long.
///
/// Keeps how long holes took to be filled in a histogram that forgets (NetEQ's way), and wants its 99.9th
/// percentile and some room. A larger wish counts at once; a smaller one takes a hundredth off a second.
public struct LatencyControl: Sendable {
    /// The latency to use.
    public private(set) var target: Nanoseconds
    /// Never less than this.
    public var floor = Nanoseconds.milliseconds(10)
    /// Never more than this.
    public var ceiling = Nanoseconds.seconds(5)

    private var buckets = InlineArray<128, UInt32>(repeating: 0)
    private var total: UInt32 = 0
    private var lastChange: Instant?

    /// Starts at `initial`.
    public init(initial: Nanoseconds) { target = initial }

    /// Buckets grow by an eighth of a power of two: from 1 ms to 65 s.
    private static func bucket(_ span: Nanoseconds) -> Int {
        let value = UInt64(max(span.count, 1_000_000)) / 125_000
        let power = 63 - value.leadingZeroBitCount
        let eighth = Int(value >> UInt64(power - 3)) & 7
        return min(127, (power - 3) * 8 + eighth)
    }

    /// The upper edge of a bucket.
    private static func edge(_ bucket: Int) -> Nanoseconds {
        let base: Int64 = 125_000 << Int64(bucket / 8)
        return Nanoseconds(base * Int64(8 + bucket % 8 + 1))
    }

    /// A hole was filled `completion` after it was noticed.
    public mutating func note(completion: Nanoseconds) {
        buckets[LatencyControl.bucket(completion)] += 1
        total += 1
        if total < 4096 { return }
        total = 0
        for index in 0..<128 {
            buckets[index] /= 2
            total += buckets[index]
        }
    }

    /// By when all but `perMille` thousandths of the holes were filled; `nil` when none was.
    public func completion(leaving perMille: UInt32) -> Nanoseconds? {
        if total == 0 { return nil }
        let allowed = total * perMille / 1000
        var above: UInt32 = 0
        for index in stride(from: 127, through: 0, by: -1) {
            above += buckets[index]
            if above > allowed { return LatencyControl.edge(index) }
        }
        return nil
    }

    /// Brings the target up to date: `rounds` times `roundTrip` is what the link's loss asks for, whatever was seen;
    /// `jitter` is added.
    public mutating func update(
        now: Instant, roundTrip: Nanoseconds?, roundsInHalves: Int, jitter: Nanoseconds
    ) {
        var wanted = max(floor, completion(leaving: 1) ?? .zero)
        if let roundTrip { wanted = max(wanted, roundTrip * Int64(roundsInHalves) / 2) }
        wanted = min(wanted + jitter, ceiling)
        let elapsed = lastChange.map { now - $0 } ?? .zero
        if wanted >= target || lastChange == nil {
            target = max(wanted, target)
            lastChange = now
        } else if elapsed >= .milliseconds(100) {
            let step = Nanoseconds(target.count / 1000 * min(elapsed.count / 100_000_000, 10))
            target = max(wanted, target - step)
            lastChange = now
        }
    }
}
