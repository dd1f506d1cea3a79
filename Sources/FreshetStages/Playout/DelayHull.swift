import FreshetCore

/// The convex hull of the delays of bins, seen from below (the least delays) or from above (the greatest,
/// turned round: a lower hull of their negatives).
struct DelayHull: ~Copyable {
    typealias Bin = SourceClock.Bin

    /// A corner: when, and which delay (negative from above), both in nanoseconds.
    struct Corner {
        var media: Int64
        var delay: Int64
    }

    /// The corners in order of time.
    private(set) var corners: FixedRing<Corner>
    /// How high the bins lie above the hull, on average, in nanoseconds.
    var scatter: Int64 = 0

    private let isUpper: Bool

    /// A hull of up to `capacity` bins.
    init(capacity: Int, isUpper: Bool = false) {
        corners = FixedRing(capacity: capacity)
        self.isUpper = isUpper
    }

    /// Wraps `bins`, which are in order of time (Andrew's monotone chain).
    mutating func wrap(_ bins: borrowing FixedRing<Bin>) {
        corners.removeAll()
        for index in 0..<bins.count {
            let corner = corner(bins[index])
            if !corners.isEmpty && corner.media <= corners[corners.count - 1].media { continue }
            while corners.count >= 2
                && !isConvex(corners[corners.count - 2], corners[corners.count - 1], corner)
            {
                _ = corners.popLast()
            }
            corners.append(corner)
        }
        measureScatter(bins)
    }

    /// The hull at `media`, which lies between its ends.
    func delay(at media: Int64) -> Int64 {
        for index in 1..<max(1, corners.count) where corners[index].media >= media {
            return delay(media, from: corners[index - 1], to: corners[index])
        }
        return corners[corners.count - 1].delay
    }

    /// How high above zero a line of `slope` (units of 2⁻⁴⁸) can pass `media` and stay below the hull.
    func height(at media: Int64, slope: Int64) -> Int64 {
        var least = Int64.max
        for index in 0..<corners.count {
            let rise = Int64(
                truncatingIfNeeded: (Int128(corners[index].media &- media) * Int128(slope)) >> 48)
            least = min(least, corners[index].delay &- rise)
        }
        return least
    }

    /// The hull's slope at `media`, in units of 2⁻⁴⁸.
    func slope(at media: Int64) -> Int64 {
        guard corners.count >= 2 else { return 0 }
        var edge = 1
        while edge < corners.count - 1 && corners[edge].media < media { edge += 1 }
        let (a, b) = (corners[edge - 1], corners[edge])
        return Int64(truncatingIfNeeded: (Int128(b.delay &- a.delay) << 48) / Int128(b.media &- a.media))
    }

    private func corner(_ bin: Bin) -> Corner {
        isUpper
            ? Corner(media: bin.peakMedia, delay: 0 &- bin.peakDelay)
            : Corner(media: bin.media, delay: bin.delay)
    }

    private func isConvex(_ a: Corner, _ b: Corner, _ c: Corner) -> Bool {
        Int128(b.media &- a.media) * Int128(c.delay &- a.delay)
            > Int128(b.delay &- a.delay) * Int128(c.media &- a.media)
    }

    private mutating func measureScatter(_ bins: borrowing FixedRing<Bin>) {
        scatter = 0
        if corners.count < 2 { return }
        var sum: Int64 = 0
        var edge = 1
        for index in 0..<bins.count {
            let bin = corner(bins[index])
            while edge < corners.count - 1 && corners[edge].media < bin.media { edge += 1 }
            sum &+= max(0, bin.delay &- delay(bin.media, from: corners[edge - 1], to: corners[edge]))
        }
        scatter = sum / Int64(bins.count)
    }

    private func delay(_ media: Int64, from a: Corner, to b: Corner) -> Int64 {
        let rise = Int128(b.delay &- a.delay) * Int128(media &- a.media)
        return a.delay &+ Int64(truncatingIfNeeded: rise / Int128(b.media &- a.media))
    }
}
