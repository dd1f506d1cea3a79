import FreshetCore

// How a SourceClock fits its line: once per bin, and when the path or the source changes.

extension SourceClock {
    private static let upBinCount = 10
    private static let upPacketCount: Int64 = 200
    private static let leastStep: Int64 = 200_000
    private static let driftLimit: Int64 = 20_000_000
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
            current = .empty
        }
        if current.delay == .max { return }
        let excess = current.delay &- binLineDelay &- driftSpan(current.media &- lineMedia)
        let noise = max(SourceClock.leastStep, meanExcess / 8, envelope.scatter * 3)
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
        for index in 0..<count {
            bins[index].delay &+= step
            bins[index].peakDelay &+= step
        }
    }

    /// A change of route. Many of them within the window are none: the line itself is wrong, and so is what
    /// it is made of.
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
        changeCount &+= 1
        fitCount &+= 1
        // Once there are many bins, one more or less says little new.
        let isDue = bins.count < 32 || fitCount % 4 == 0
        if isDue && bins.count >= SourceClock.fitBinCount && last.media > bins[0].media {
            let drift = envelope.drift(of: bins)
            driftPartsPerBillion = max(-SourceClock.driftLimit, min(SourceClock.driftLimit, drift))
            self.drift = (driftPartsPerBillion << 32) / 1_000_000_000
        }
        lineMedia = last.media
        var floor = last.delay
        for index in 0..<bins.count {
            floor = min(floor, bins[index].delay &+ driftSpan(lineMedia &- bins[index].media))
        }
        lineDelay = floor
    }

    // MARK: Far behind

    /// A packet came too late to be played. Within 50 ms it shows whether what was held up catches up (the
    /// delay falls faster than half of real time: a stall of the network), or has moved for good (a pause of
    /// the source, a longer route).
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
        changeCount &+= 1
        binLineDelay = lineDelay
        current = .empty
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
