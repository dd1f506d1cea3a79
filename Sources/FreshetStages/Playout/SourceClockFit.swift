import FreshetCore

// How a SourceClock fits its line: once per bin, and when the path or the source changes.

extension SourceClock {
    private static let upBinCount = 10
    private static let upPacketCount: Int64 = 200
    private static let leastStep: Int64 = 200_000
    private static let driftLimit: Int64 = 20_000_000
    private static let likelyDrift: Int128 = 60_000
    private static let windowInterval = Nanoseconds.seconds(60)
    private static let fitBinCount = 8
    private static let recentStepLimit = 6

    /// Bins in a row that lie above the line.
    struct Above {
        var binCount = 0
        var packetCount: Int64 = 0
        var least: Int64 = .max
    }

    /// Packets in a row that come too late to be played.
    struct Urgent {
        var isRunning = false
        var isCatchingUp = false
        var start: Int64 = 0
        var first: Int64 = 0
        var least: Int64 = 0
    }

    /// The bin that ended before `now`: looks for a change of route, keeps the bin, fits the line.
    mutating func closeBin(_ now: Int64) {
        defer {
            binEnd = now &- now % SourceClock.binInterval.count &+ SourceClock.binInterval.count
            binLineDelay = lineDelay
            current = Bin(media: 0, delay: .max, packetCount: 0)
        }
        if current.delay == .max { return }
        let excess = current.delay &- binLineDelay &- driftSpan(current.media &- lineMedia)
        let noise = max(SourceClock.leastStep, meanExcess / 8, scatter * 3)
        if excess < -noise && bins.count >= SourceClock.fitBinCount {
            step(bins.count, by: excess)
            settlingBinCount = 1
        } else if settlingBinCount > 0 {
            // The bin of the change saw only a few packets of after it: what comes now shows the whole step.
            if excess < 0 { move(max(0, bins.count - settlingBinCount), by: excess) }
            settlingBinCount = settlingBinCount < SourceClock.upBinCount ? settlingBinCount + 1 : 0
        }
        if excess > noise * 2 {
            above.binCount += 1
            above.packetCount &+= current.packetCount
            above.least = min(above.least, excess)
        } else {
            above = Above()
        }
        keep(current)
        if above.binCount >= SourceClock.upBinCount && above.packetCount >= SourceClock.upPacketCount {
            step(max(0, bins.count - above.binCount), by: above.least)
            above = Above()
        }
        fit()
    }

    private mutating func keep(_ bin: Bin) {
        while !bins.isEmpty, bins.isFull || bin.media &- bins[0].media > SourceClock.windowInterval.count {
            _ = bins.popFirst()
        }
        bins.append(bin)
        binCountSinceForgiving += 1
        if binCountSinceForgiving >= SourceClock.binCount / SourceClock.recentStepLimit {
            binCountSinceForgiving = 0
            recentStepCount = max(0, recentStepCount - 1)
        }
    }

    /// Moves the oldest `count` bins along with a change of route.
    private mutating func move(_ count: Int, by step: Int64) {
        for index in 0..<count { bins[index].delay &+= step }
    }

    /// A change of route. Many of them within the window are none: the line itself is wrong, and so is what it is made of.
    private mutating func step(_ count: Int, by step: Int64) {
        stepCount += 1
        recentStepCount += 1
        if recentStepCount < SourceClock.recentStepLimit {
            move(count, by: step)
            return
        }
        bins.removeAll()
        recentStepCount = 0
        drift = 0
        driftPartsPerBillion = 0
    }

    private mutating func fit() {
        let last = bins[bins.count - 1]
        let width = last.media &- bins[0].media
        if bins.count >= SourceClock.fitBinCount && width > 0 {
            buildHull()
            measureScatter()
            let start = hull[0].media
            let rise = hullDelay(start &+ width * 3 / 4) &- hullDelay(start &+ width / 4)
            believe(Int128(rise) * 2, over: Int128(width))
        }
        lineMedia = last.media
        var floor = last.delay
        for index in 0..<bins.count {
            floor = min(floor, bins[index].delay &+ driftSpan(lineMedia &- bins[index].media))
        }
        lineDelay = floor
    }

    /// Takes the slope rise/width for the drift, by as much as noise allows. The deviation of the slope was found by
    /// simulation: at most about 12 × mean height of the bins above the hull ÷ (bins × width).
    private mutating func believe(_ rise: Int128, over width: Int128) {
        let deviation = 12_000_000_000 * Int128(scatter) / (Int128(bins.count) * width)
        let likely = SourceClock.likelyDrift * SourceClock.likelyDrift
        let slope = rise * 1_000_000_000_000 / width
        let bounded = min(deviation, 1_000_000_000)
        let believed = slope * likely / (likely + bounded * bounded) / 1000
        let limit = Int128(SourceClock.driftLimit)
        let limited = Int64(truncatingIfNeeded: max(-limit, min(limit, believed)))
        driftPartsPerBillion = limited
        drift = (limited << 32) / 1_000_000_000
    }

    /// The lower convex hull of the bins (Andrew's monotone chain).
    private mutating func buildHull() {
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

    /// How high the bins lie above the hull, on average.
    private mutating func measureScatter() {
        var sum: Int64 = 0
        var edge = 1
        for index in 0..<bins.count {
            let bin = bins[index]
            while edge < hull.count - 1 && hull[edge].media < bin.media { edge += 1 }
            guard edge < hull.count else { break }
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

    // MARK: Far behind

    /// A packet came too late to be played. Within 50 ms it shows whether what was held up catches up (the delay falls faster
    /// than half of real time: a stall of the network), or has moved for good (a pause of the source, a longer route).
    mutating func weigh(_ excess: Int64, _ arrival: Instant) {
        if !urgent.isRunning {
            watch(excess, arrival, isCatchingUp: false)
            return
        }
        urgent.least = min(urgent.least, excess)
        let elapsed = arrival.nanoseconds &- urgent.start
        guard elapsed >= SourceClock.decisionInterval.count else { return }
        if urgent.first &- excess >= elapsed / 2 {
            watch(excess, arrival, isCatchingUp: true)
            return
        }
        move(bins.count, by: urgent.least)
        lineDelay &+= urgent.least
        binLineDelay = lineDelay
        current = Bin(media: 0, delay: .max, packetCount: 0)
        above = Above()
        stepCount += 1
        calm()
    }

    private mutating func watch(_ excess: Int64, _ arrival: Instant, isCatchingUp: Bool) {
        urgent = Urgent(
            isRunning: true, isCatchingUp: isCatchingUp, start: arrival.nanoseconds, first: excess,
            least: excess)
        // Half as long again, for a packet to come after the interval and decide.
        undecidedUntil = isCatchingUp ? nil : arrival + SourceClock.decisionInterval * 3 / 2
    }

    mutating func calm() {
        urgent.isRunning = false
        undecidedUntil = nil
    }
}
