public import FreshetCore

/// Turns a source's timestamps into one continuous line of media time: wraps are unwound and jumps taken out.
///
/// A jump is a timestamp more than ``tolerance`` ahead of what the time since the last packet explains, or that far
/// behind the last one. (A timestamp that merely lags, as after a pause of the source or a stall of the network, is none.)
/// The line then goes on as if no time but that between the two arrivals had passed. The line of before is remembered:
/// a single damaged timestamp, or packets of before the jump that come after it, do no harm.
public struct SourceTimeline: Sendable {
    /// How far a timestamp may be off before it is a jump.
    public static let tolerance = Nanoseconds.seconds(1)
    private static let toleranceTicks = MediaTime.ticksPerSecond
    private static let confirmCount = 3

    /// Jumps confirmed so far: three packets in a row on the new line.
    public private(set) var jumpCount = 0

    private var unwrapper: CounterUnwrapper
    private let ticksPerUnit: Int64
    private var offset: Int64 = 0
    private var otherOffset: Int64?
    private var unconfirmedCount = 0
    private var lastTicks: Int64 = 0
    private var lastArrival = Instant.zero
    private var hasLast = false
    private var isRestarting = false

    /// A line for timestamps of `bitCount` bits whose unit is `ticksPerUnit` ticks of 27 MHz (300 for 90 kHz).
    public init(bitCount: Int, ticksPerUnit: Int64) {
        unwrapper = CounterUnwrapper(bitCount: bitCount)
        self.ticksPerUnit = ticksPerUnit
    }

    /// The next packet comes from another source: whatever its timestamp, the line goes on.
    public mutating func restart() {
        isRestarting = hasLast
        unwrapper.reset()
    }

    /// The place of a packet with `timestamp` (and `extraTicks` of 27 MHz on top) that came at `arrival`.
    public mutating func place(_ timestamp: UInt64, extraTicks: Int64 = 0, arrival: Instant) -> MediaTime {
        place(timestamp, extraTicks: extraTicks, arrival: arrival, expected: expectedTicks(at: arrival))
    }

    /// As ``place(_:extraTicks:arrival:)``, for a caller that knows better than the arrival where a jump must land.
    public mutating func place(
        _ timestamp: UInt64, extraTicks: Int64, arrival: Instant, expected: MediaTime, isDiscontinuity: Bool
    ) -> MediaTime {
        if isDiscontinuity { restart() }
        return place(timestamp, extraTicks: extraTicks, arrival: arrival, expected: expected.ticks)
    }

    private mutating func place(
        _ timestamp: UInt64, extraTicks: Int64, arrival: Instant, expected: Int64
    ) -> MediaTime {
        let raw = unwrapper.unwrap(timestamp) &* ticksPerUnit &+ extraTicks
        guard hasLast else {
            // Starts at zero, so that sums of times stay far from the ends of 64 bits.
            offset = 0 &- raw
            hasLast = true
            return settle(0, arrival)
        }
        let ticks = raw &+ offset
        if !isRestarting && fits(ticks, arrival) {
            if unconfirmedCount > 0 { confirm() }
            return settle(ticks, arrival)
        }
        if !isRestarting, let other = otherOffset, fits(raw &+ other, arrival) {
            otherOffset = offset
            offset = other
            unconfirmedCount = 0
            return settle(raw &+ offset, arrival)
        }
        otherOffset = offset
        offset = expected &- raw
        unconfirmedCount = isRestarting ? 0 : 1
        isRestarting = false
        return settle(expected, arrival)
    }

    private mutating func confirm() {
        unconfirmedCount += 1
        guard unconfirmedCount >= SourceTimeline.confirmCount else { return }
        unconfirmedCount = 0
        jumpCount += 1
    }

    private func expectedTicks(at arrival: Instant) -> Int64 {
        let span = max(0, (arrival - lastArrival).count)
        return lastTicks &+ span / 1000 &* 27
    }

    private func fits(_ ticks: Int64, _ arrival: Instant) -> Bool {
        ticks >= lastTicks &- SourceTimeline.toleranceTicks
            && ticks <= expectedTicks(at: arrival) &+ SourceTimeline.toleranceTicks
    }

    private mutating func settle(_ ticks: Int64, _ arrival: Instant) -> MediaTime {
        if ticks >= lastTicks || lastTicks &- ticks > SourceTimeline.toleranceTicks {
            lastTicks = ticks
            lastArrival = arrival
        }
        return MediaTime(ticks: ticks)
    }
}
