import FreshetCore

/// Finds the drift of a clock between two sharp edges: jitter that is bounded below *and* above, with many
/// packets near both bounds.
///
/// Near a sharp edge the distances of packets from it are exponential, so a line below all of them is the
/// likelier the higher it passes: by a factor of e for each mean distance over the number of packets. The
/// answer is the mean over all lines, each weighed so (Pitman's estimator of a bound), not the best of them.
/// The two edges are independent witnesses; what both find likely is nearer the truth than what either says
/// and has shorter tails. When they disagree by far more than chance explains, the upper bound is none.
struct EdgeLikelihood {
    private static let slopeCount = 129
    /// How far the bins may lie from an edge, against an even spread, for it to be sharp.
    private static let sharpness: Int64 = 3

    /// A drift in parts per billion, and its deviation.
    struct Estimate {
        var drift: Int64
        var deviation: Int64
    }

    /// Logarithms of likelihoods, in units of 2⁻¹⁰ bits, of slopes that are `step` apart.
    private struct Likelihood {
        var logarithms = InlineArray<129, Int64>(repeating: 0)
        var most = Int64.min

        mutating func set(_ index: Int, _ logarithm: Int64) {
            logarithms[index] = logarithm
            most = max(most, logarithm)
        }

        /// What the slopes say together; `first` and `step` in units of 2⁻⁴⁸.
        func estimate(first: Int64, step: Int64) -> Estimate {
            var total: Int64 = 0
            var moment: Int64 = 0
            var squares: Int64 = 0
            for index in 0..<slopeCount {
                let weight = Likelihood.power(most &- logarithms[index])
                total &+= weight
                moment &+= weight &* Int64(index)
                squares &+= weight &* Int64(index &* index)
            }
            let mean = Int128(first) + Int128(moment) * Int128(step) / Int128(total)
            let variance = Int128(squares) * Int128(total) - Int128(moment) * Int128(moment)
            let root = Int128(EdgeLikelihood.squareRoot(UInt64(truncatingIfNeeded: variance >> 16)) << 8)
            let deviation = root * Int128(step) / Int128(total)
            return Estimate(
                drift: Int64(truncatingIfNeeded: (mean * 1_000_000_000) >> 48),
                deviation: Int64(truncatingIfNeeded: (deviation * 1_000_000_000) >> 48))
        }

        /// 2 to the power of `-exponent`/2¹⁰, in units of 2⁻²⁰; a straight line between whole powers.
        private static func power(_ exponent: Int64) -> Int64 {
            let whole = exponent >> 10
            if whole > 20 { return 0 }
            return ((2048 &- (exponent & 1023)) &<< 9) >> whole
        }
    }

    /// The drift that both edges of `bins` speak for; `nil` when they are not both sharp, or disagree.
    static func estimate(
        _ bins: borrowing FixedRing<SourceClock.Bin>, lower: borrowing DelayHull, upper: borrowing DelayHull
    ) -> Estimate? {
        guard bins.count >= 2, areSharp(bins, lower, upper) else { return nil }
        let count = Int64(bins.count)
        let start = bins[0].media
        let width = bins[bins.count - 1].media &- start
        let centre = start &+ width / 2
        // A quarter of the deviation, about.
        let scatter = Int128(min(lower.scatter, upper.scatter))
        let step = max(1, Int64(truncatingIfNeeded: (scatter << 49) / (Int128(count) * Int128(width))))
        let first = lower.slope(at: centre) &- step &* Int64(slopeCount / 2)
        var below = Likelihood()
        var above = Likelihood()
        var both = Likelihood()
        for index in 0..<slopeCount {
            let slope = first &+ step &* Int64(index)
            // 2¹⁰ / ln 2 = 1477.
            let low = lower.height(at: centre, slope: slope) &* count &* 1477 / lower.scatter
            let high = upper.height(at: centre, slope: 0 &- slope) &* count &* 1477 / upper.scatter
            below.set(index, low)
            above.set(index, high)
            both.set(index, low &+ high)
        }
        let one = below.estimate(first: first, step: step)
        let other = above.estimate(first: first, step: step)
        if (one.drift &- other.drift).magnitude > 6 * (one.deviation &+ other.deviation) { return nil }
        return both.estimate(first: first, step: step)
    }

    private static func areSharp(
        _ bins: borrowing FixedRing<SourceClock.Bin>, _ lower: borrowing DelayHull,
        _ upper: borrowing DelayHull
    ) -> Bool {
        guard lower.corners.count >= 2, upper.corners.count >= 2 else { return false }
        var packetCount: Int64 = 0
        var height: Int64 = 0
        for index in 0..<bins.count {
            packetCount &+= bins[index].packetCount
            height &+= bins[index].peakDelay &- bins[index].delay
        }
        // An even spread over `height` leaves `height / packets of a bin` between an edge and the nearest.
        let even = height / max(1, packetCount) &* sharpness
        return lower.scatter > 0 && upper.scatter > 0 && max(lower.scatter, upper.scatter) <= even
    }

    private static func squareRoot(_ value: UInt64) -> UInt64 {
        if value < 2 { return value }
        var root = UInt64(1) << UInt64((65 - value.leadingZeroBitCount) / 2)
        while true {
            let better = (root + value / root) / 2
            if better >= root { return root }
            root = better
        }
    }
}
