import FreshetCore

/// Finds the drift of a clock from the least delays of bins.
///
/// Two estimates with opposite virtues are weighed by their variance:
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
    var scatter: Int64 = 0

    private var hull: FixedRing<Bin>

    /// A fit for up to `capacity` bins.
    init(capacity: Int) { hull = FixedRing(capacity: capacity) }

    /// The drift in parts per billion that `bins`, two or more in order of time, speak for.
    mutating func drift(of bins: borrowing FixedRing<Bin>) -> Int64 {
        buildHull(bins)
        guard hull.count >= 2 else { return 0 }
        measureScatter(bins)
        let start = hull[0].media
        let width = hull[hull.count - 1].media &- start
        let (first, middle, third) = (
            hullDelay(start &+ width / 4), hullDelay(start &+ width / 2), hullDelay(start &+ width / 4 &* 3)
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
        let likely = EnvelopeFit.square(EnvelopeFit.likelyDrift)
        let believed = slope * likely / (likely + variance) / 1000
        return Int64(truncatingIfNeeded: max(-scale, min(scale, believed)))
    }

    private static func square(_ deviation: Int128) -> Int128 {
        let limited = max(-deviationLimit, min(deviationLimit, deviation))
        return limited * limited
    }

    /// The lower convex hull of the bins (Andrew's monotone chain).
    private mutating func buildHull(_ bins: borrowing FixedRing<Bin>) {
        hull.removeAll()
        for index in 0..<bins.count {
            let bin = bins[index]
            if !hull.isEmpty && bin.media <= hull[hull.count - 1].media { continue }
            while hull.count >= 2 && !isConvex(hull[hull.count - 2], hull[hull.count - 1], bin) {
                _ = hull.popLast()
            }
            hull.append(bin)
        }
    }

    private func isConvex(_ a: Bin, _ b: Bin, _ c: Bin) -> Bool {
        Int128(b.media &- a.media) * Int128(c.delay &- a.delay)
            > Int128(b.delay &- a.delay) * Int128(c.media &- a.media)
    }

    private mutating func measureScatter(_ bins: borrowing FixedRing<Bin>) {
        var sum: Int64 = 0
        var edge = 1
        for index in 0..<bins.count {
            let bin = bins[index]
            while edge < hull.count - 1 && hull[edge].media < bin.media { edge += 1 }
            sum &+= max(0, bin.delay &- delay(bin.media, from: hull[edge - 1], to: hull[edge]))
        }
        scatter = sum / Int64(bins.count)
    }

    private func delay(_ media: Int64, from a: Bin, to b: Bin) -> Int64 {
        let rise = Int128(b.delay &- a.delay) * Int128(media &- a.media)
        return a.delay &+ Int64(truncatingIfNeeded: rise / Int128(b.media &- a.media))
    }

    private func hullDelay(_ media: Int64) -> Int64 {
        for index in 1..<max(1, hull.count) where hull[index].media >= media {
            return delay(media, from: hull[index - 1], to: hull[index])
        }
        return hull[hull.count - 1].delay
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
