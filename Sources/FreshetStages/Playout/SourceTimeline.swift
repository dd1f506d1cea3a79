public import FreshetCore

/// Turns a source's timestamps into one continuous line of media time: wraps are unwound and jumps taken out.
///
/// A jump is a timestamp more than ``tolerance`` ahead of what the time since the last packet explains, or
/// that far behind the last one. (A timestamp that merely lags, as after a pause of the source or a stall of
/// the network, is none.) The packet is then put where the caller expects it, and so are those after it that
/// agree with it. The jump is believed when eight in a row do; a single damaged timestamp, or packets of
/// before the jump that come after it, do no harm.
public struct SourceTimeline: Sendable {
    /// How far a timestamp may be off before it is a jump.
    public static let tolerance = Nanoseconds.seconds(1)
    private static let toleranceTicks = MediaTime.ticksPerSecond
    private static let confirmCount = 8

    /// Jumps believed so far.
    public private(set) var jumpCount = 0
    /// The furthest place given out, and when it was.
    public private(set) var last: (media: MediaTime, arrival: Instant)?

    private let unusedBitCount: Int64
    private let ticksPerUnit: Int64
    // What is added to a timestamp, in its own unit, to get its place on the line: both wrap alike.
    private var offset: Int64 = 0
    private var otherOffset: Int64?
    private var otherCount = 0
    private var isRestarting = false

    /// A line for timestamps of `bitCount` bits whose unit is `ticksPerUnit` ticks of 27 MHz (300 for 90
    /// kHz).
    public init(bitCount: Int, ticksPerUnit: Int64) {
        precondition((2...62).contains(bitCount))
        unusedBitCount = Int64(64 - bitCount)
        self.ticksPerUnit = ticksPerUnit
    }

    /// The next packet comes from another source: whatever its timestamp, the line goes on.
    public mutating func restart() {
        isRestarting = last != nil
    }

    /// Where a packet that came at `arrival` must be if the line goes on as time does.
    public func expected(at arrival: Instant) -> MediaTime {
        guard let last else { return MediaTime(ticks: 0) }
        return MediaTime(ticks: last.media.ticks &+ max(0, (arrival - last.arrival).count) / 1000 &* 27)
    }

    /// The place of a packet with `timestamp` that came at `arrival`; `expected` when the timestamp jumps.
    @inline(__always)
    public mutating func place(_ timestamp: UInt64, arrival: Instant, expected: MediaTime) -> MediaTime {
        let raw = Int64(truncatingIfNeeded: timestamp)
        guard let last else {
            // Starts at zero, so that sums of times stay far from the ends of 64 bits.
            offset = 0 &- raw
            return settle(0, arrival)
        }
        let ticks = unwrap(raw &+ offset, near: last.media)
        if !isRestarting && fits(ticks, arrival, last.media.ticks) {
            otherCount = 0
            return settle(ticks, arrival)
        }
        return jump(raw, arrival, expected, last.media)
    }

    /// The place nearest to `media` of those that wrap to `units`.
    @inline(__always)
    private func unwrap(_ units: Int64, near media: MediaTime) -> Int64 {
        let lastUnits = media.ticks / ticksPerUnit
        let step = ((units &- lastUnits) << unusedBitCount) >> unusedBitCount
        return (lastUnits &+ step) &* ticksPerUnit
    }

    private mutating func jump(
        _ raw: Int64, _ arrival: Instant, _ expected: MediaTime, _ last: MediaTime
    ) -> MediaTime {
        let expectedUnits = expected.ticks / ticksPerUnit
        if isRestarting {
            isRestarting = false
            otherOffset = nil
            offset = expectedUnits &- raw
            return settle(expectedUnits &* ticksPerUnit, arrival)
        }
        if let other = otherOffset {
            let ticks = unwrap(raw &+ other, near: last)
            if fits(ticks, arrival, last.ticks) {
                confirm(other)
                return settle(ticks, arrival)
            }
        }
        otherOffset = expectedUnits &- raw
        otherCount = 1
        return settle(expectedUnits &* ticksPerUnit, arrival)
    }

    private mutating func confirm(_ other: Int64) {
        otherCount += 1
        guard otherCount >= SourceTimeline.confirmCount else { return }
        otherOffset = offset
        offset = other
        otherCount = 0
        jumpCount += 1
    }

    @inline(__always)
    private func fits(_ ticks: Int64, _ arrival: Instant, _ lastTicks: Int64) -> Bool {
        ticks >= lastTicks &- SourceTimeline.toleranceTicks
            && ticks <= expected(at: arrival).ticks &+ SourceTimeline.toleranceTicks
    }

    @inline(__always)
    private mutating func settle(_ ticks: Int64, _ arrival: Instant) -> MediaTime {
        let media = MediaTime(ticks: ticks)
        if let last, ticks < last.media.ticks { return media }
        last = (media, arrival)
        return media
    }
}
