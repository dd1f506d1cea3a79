import FreshetCore

/// Finds the drift of a clock from the least and the greatest delays of bins.
///
/// Jitter between two sharp bounds is for ``EdgeLikelihood``. For any other, two estimates with opposite
/// virtues are weighed by their variance:
/// - the *lower convex hull*, a line that noise lies above: its mean slope over the middle half of the time.
///   It is very good when every bin comes near the floor, however far noise reaches up. Its deviation shows
///   in how much it bends: the slope of the third quarter less that of the second.
/// - the *line of least squares* through the bins. It is better when the floor is seldom seen (a queue that
///   is nearly never empty), and its deviation follows from how high the bins lie above the hull.
///
/// What the deviations are was found by simulation with uniform, normal, exponential and queueing delays.
struct EnvelopeFit: ~Copyable {
    typealias Bin = SourceClock.Bin

    /// Clocks differ by about this much, in parts per billion: what an uncertain drift is drawn to zero by.
    private static let likelyDrift: Int128 = 60_000
    private static let deviationLimit: Int128 = 1_000_000_000

    /// How high the bins lie above the hull, on average, in nanoseconds.
    var scatter: Int64 { lower.scatter }

    private var lower: DelayHull
    private var upper: DelayHull

    /// A fit for up to `capacity` bins.
    init(capacity: Int) {
        lower = DelayHull(capacity: capacity)
        upper = DelayHull(capacity: capacity, isUpper: true)
    }

    /// Forgets what the last bins were like.
    mutating func restart() { lower.scatter = 0 }

    /// The drift in parts per billion that `bins`, two or more in order of time, speak for.
    mutating func drift(of bins: borrowing FixedRing<Bin>) -> Int64 {
        lower.wrap(bins)
        guard lower.corners.count >= 2 else { return 0 }
        upper.wrap(bins)
        if let edges = EdgeLikelihood.estimate(bins, lower: lower, upper: upper) {
            return EnvelopeFit.believed(
                Int128(edges.drift) * 1000, variance: EnvelopeFit.square(Int128(edges.deviation)))
        }
        let start = lower.corners[0].media
        let width = lower.corners[lower.corners.count - 1].media &- start
        let (first, middle, third) = (
            lower.delay(at: start &+ width / 4), lower.delay(at: start &+ width / 2),
            lower.delay(at: start &+ width / 4 &* 3)
        )
        let scale = Int128(1_000_000_000_000)
        let hullSlope = Int128(third &- first) * 2 * scale / Int128(width)
        let bend = Int128(third &- 2 &* middle &+ first) * 4 * scale / 1000 / Int128(width)
        // Of the mean slope of bins that scatter independently above a floor.
        let independent = 12 * Int128(scatter) * scale / 1000 / (Int128(bins.count) * Int128(width))
        let hullVariance = EnvelopeFit.square(max(bend - 3 * independent, independent, 1))
        let squaresVariance = EnvelopeFit.square(max(independent * 4, 1))
        let sum = hullVariance + squaresVariance
        let slope = (hullSlope * squaresVariance + squaresSlope(bins) * hullVariance) / sum
        let variance = hullVariance * squaresVariance / sum
        return EnvelopeFit.believed(slope, variance: variance)
    }

    /// A slope in parts per 10¹², by as much as it can be believed, in parts per billion.
    private static func believed(_ slope: Int128, variance: Int128) -> Int64 {
        let scale = Int128(1_000_000_000_000)
        let likely = square(likelyDrift)
        let believed = slope * likely / (likely + variance) / 1000
        return Int64(truncatingIfNeeded: max(-scale, min(scale, believed)))
    }

    private static func square(_ deviation: Int128) -> Int128 {
        let limited = max(-deviationLimit, min(deviationLimit, deviation))
        return limited * limited
    }

    /// The slope of the line of least squares through the bins, in parts per 10¹².
    private func squaresSlope(_ bins: borrowing FixedRing<Bin>) -> Int128 {
        let count = Int64(bins.count)
        let first = bins[0]
        var mediaSum: Int64 = 0
        var delaySum: Int64 = 0
        for index in 0..<bins.count {
            mediaSum &+= (bins[index].media &- first.media) / 1000
            delaySum &+= bins[index].delay &- first.delay
        }
        var products: Int128 = 0
        var squares: Int128 = 0
        for index in 0..<bins.count {
            // Microseconds of media, so that 256 products of a minute and seconds of delay stay far from 128
            // bits.
            let media = Int128((bins[index].media &- first.media) / 1000 &- mediaSum / count)
            let delay = Int128(bins[index].delay &- first.delay &- delaySum / count)
            products += media * delay
            squares += media * media
        }
        return squares == 0 ? 0 : products * 1_000_000_000 / squares
    }
}
