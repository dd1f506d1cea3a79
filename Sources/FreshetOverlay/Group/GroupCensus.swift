public import FreshetCore

/// What the source knows of its group: how many there are, how far they are, and how often they should
/// report so that their reports stay few.
///
/// Size: each report stands for as many members as would report in its interval, so the sum of the intervals
/// of all reports heard in a window, divided by the window, is the number of members, however the intervals
/// differ. Distance: the largest round trip of the window, but for a single one that stands out when there
/// are others, so that one member cannot slow the whole group down alone.
public struct GroupCensus: Sendable {
    private struct Bucket: Sendable {
        var weight: UInt64 = 0
        var reports: UInt32 = 0
        var largest = Nanoseconds.zero
        var second = Nanoseconds.zero
        var largestOwner: UInt32 = 0
    }

    private static let bucketCount = 8
    private var buckets: InlineArray<8, Bucket> = .init(repeating: Bucket())
    private var current = 0
    private var filled = 1
    private let roundTripLimit: Nanoseconds
    /// About how many members there are.
    public private(set) var size: UInt64
    /// The group's round trip: the largest, as far as it is believed.
    public private(set) var roundTrip: Nanoseconds
    /// How far apart one member's reports should be.
    public private(set) var reportInterval: Nanoseconds

    /// Reports of all members together a second.
    public static let reportRate: UInt64 = 20
    /// The shortest interval of one member's reports.
    public static let shortestInterval: Nanoseconds = .milliseconds(1000)
    /// The longest interval of one member's reports.
    public static let longestInterval: Nanoseconds = .seconds(3600)

    /// A census that believes the estimates until reports come.
    public init(size: UInt64, roundTrip: Nanoseconds, roundTripLimit: Nanoseconds) {
        self.size = max(1, size)
        self.roundTrip = roundTrip
        self.roundTripLimit = roundTripLimit
        reportInterval = GroupCensus.interval(for: max(1, size))
    }

    private static func interval(for size: UInt64) -> Nanoseconds {
        let seconds = min(size / reportRate, 3600)
        return max(shortestInterval, Nanoseconds.milliseconds(Int64(seconds) &* 1000))
    }

    /// A report came from `ssrc`, sent every `interval`; `roundTrip` is `nil` when it could not be measured.
    public mutating func note(ssrc: UInt32, interval: Nanoseconds, roundTrip: Nanoseconds?) {
        let believed = min(max(interval, GroupCensus.shortestInterval), GroupCensus.longestInterval)
        // A report that claims a longer interval than was ever asked for stands for no more members than that.
        let weight = min(believed, reportInterval * 4).count / 1_000_000
        buckets[current].weight &+= UInt64(weight)
        buckets[current].reports &+= 1
        guard let roundTrip, roundTrip >= .zero, roundTrip <= roundTripLimit else { return }
        if roundTrip > buckets[current].largest {
            if buckets[current].largestOwner != ssrc { buckets[current].second = buckets[current].largest }
            buckets[current].largest = roundTrip
            buckets[current].largestOwner = ssrc
        } else if roundTrip > buckets[current].second, buckets[current].largestOwner != ssrc {
            buckets[current].second = roundTrip
        }
    }

    /// A second is over: size, distance and interval are worked out again.
    public mutating func turn() {
        var weight: UInt64 = 0
        var reports: UInt32 = 0
        var largest = Nanoseconds.zero
        var second = Nanoseconds.zero
        for index in 0..<GroupCensus.bucketCount {
            weight &+= buckets[index].weight
            reports &+= buckets[index].reports
            if buckets[index].largest > largest {
                second = max(second, largest)
                largest = buckets[index].largest
            } else {
                second = max(second, buckets[index].largest)
            }
            second = max(second, buckets[index].second)
        }
        if reports >= 3, second > .zero { largest = second }
        if largest > .zero {
            // Up at once, down slowly: a distant member may report seldom.
            let slow = roundTrip - roundTrip / 16
            roundTrip = max(.milliseconds(1), max(largest, slow))
        }
        resize(weight: weight, reports: reports)
        current = (current &+ 1) % GroupCensus.bucketCount
        filled = min(filled &+ 1, GroupCensus.bucketCount)
        buckets[current] = Bucket()
    }

    private mutating func resize(weight: UInt64, reports: UInt32) {
        if reports < 4 {
            // Hardly anyone spoke: there are fewer than thought, or none. Asking more often soon tells.
            size = max(1, max(size / 4, UInt64(reports)))
        } else {
            size = max(UInt64(reports) / 8, weight / (UInt64(filled) &* 1000))
            size = max(1, size)
        }
        reportInterval = GroupCensus.interval(for: size)
    }
}
