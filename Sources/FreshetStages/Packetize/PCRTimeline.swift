import FreshetCore
import FreshetWire

/// Lays the bytes of a transport stream on one continuous, monotone timeline of 27 MHz ticks.
///
/// Between two clock references time runs linearly with the byte position (ISO/IEC 13818-1 §2.4.2.2), so the
/// schedule of every byte is known as soon as the reference behind it has been seen:
///
/// ```
///  time │                       ╱ reference 3
///       │            reference 2     a jump of the wire's clock is taken out:
///       │       ╱                    the line goes on at the measured rate
///       │  reference 1
///       └───────────────────────── byte position
///         ┆ before the first one: its line, backwards
/// ```
///
/// Wraps at 33 bits are unwrapped. A reference that goes back, stands under a discontinuity indicator, leaps
/// by more than a second and four times what the rate lets expect, or implies more than 1 Gbit/s is a jump:
/// the timeline goes on at the last rate and the new clock counts from there.
struct PCRTimeline: Sendable {
    /// One reference: where it stands, what it says (wrapped), and where on the timeline that is.
    private struct Reference {
        var position: Int64
        var value: Int64
        var time: Int64
    }

    /// The stretch of the timeline known last.
    private var start = (position: Int64(0), time: Int64(0))
    private var end = (position: Int64(0), time: Int64(0))
    private var hasLine = false
    private var last: Reference?
    private var rate = ByteRate()
    private let fallback: ByteRate

    /// A step longer than this needs the rate to bear it out.
    static let longStep = MediaTime.ticksPerSecond
    /// A step longer than this is a jump while no rate is known.
    static let longestFirstStep = 10 * MediaTime.ticksPerSecond

    /// A timeline that runs at `fallbackBitRate` bits per second where nothing can be measured.
    init(fallbackBitRate: Int) { fallback = ByteRate(bitsPerSecond: fallbackBitRate) }

    /// The last byte position whose time is known; `nil` while none is.
    var knownPosition: Int64? { hasLine ? end.position : nil }

    /// True once a rate was measured from references.
    var isRateKnown: Bool { rate.isKnown }

    /// The time of the byte at `position`, which must not lie behind ``knownPosition``.
    func time(at position: Int64) -> MediaTime {
        let byteCount = end.position &- start.position
        guard byteCount > 0 else { return MediaTime(ticks: end.time) }
        let ticks = roundedQuotient(position &- start.position, end.time &- start.time, by: byteCount)
        return MediaTime(ticks: start.time &+ ticks)
    }

    /// Takes in the reference `value` (27 MHz, wrapped) of the packet at `position`. True when the clock
    /// jumped there.
    mutating func add(_ value: Int64, at position: Int64, isDiscontinuity: Bool = false) -> Bool {
        guard let last else {
            let time = hasLine ? extrapolated(to: position) : value
            self.last = Reference(position: position, value: value, time: time)
            if hasLine { extend(to: position, time: time) }
            return false
        }
        let step = ClockReference.step(from: last.value, to: value)
        let byteCount = position &- last.position
        if step == 0, !isDiscontinuity { return false }
        if isDiscontinuity || !isPlausible(step: step, byteCount: byteCount) {
            return jump(to: value, at: position)
        }
        rate.add(byteCount: byteCount, ticks: step)
        let time = last.time &+ step
        extend(to: position, time: time)
        self.last = Reference(position: position, value: value, time: time)
        return false
    }

    /// Another clock takes over: its first reference continues the timeline where the old clock would be.
    mutating func changeClock() { last = nil }

    /// Makes the times up to `position` known at the last rate, or the fallback: the end of the stream, or a
    /// reference that does not come. Takes `measured` where no rate is known.
    mutating func extend(to position: Int64, measured: ByteRate? = nil) {
        if let measured, !rate.isKnown { rate = measured }
        extend(to: position, time: extrapolated(to: position))
    }

    private func isPlausible(step: Int64, byteCount: Int64) -> Bool {
        if step <= 0 { return false }
        // More than 1 Gbit/s: 8 bits a byte × 27 MHz / 10⁹ = 27/125.
        if byteCount &* 27 > step &* 125 { return false }
        if step <= PCRTimeline.longStep { return true }
        if !rate.isKnown { return step <= PCRTimeline.longestFirstStep }
        return step <= 4 &* rate.ticks(for: byteCount)
    }

    private mutating func jump(to value: Int64, at position: Int64) -> Bool {
        // Nothing placed and no rate: the stretch after the jump gives the rate for all before it.
        let isPlaced = hasLine || rate.isKnown
        let time = isPlaced ? extrapolated(to: position) : value
        if isPlaced { extend(to: position, time: time) }
        last = Reference(position: position, value: value, time: time)
        return isPlaced
    }

    private func extrapolated(to position: Int64) -> Int64 {
        let pace = rate.isKnown ? rate : fallback
        if hasLine { return end.time &+ pace.ticks(for: position &- end.position) }
        if let last { return last.time &+ pace.ticks(for: position &- last.position) }
        return pace.ticks(for: position)
    }

    private mutating func extend(to position: Int64, time: Int64) {
        if !hasLine {
            start = last.map { ($0.position, $0.time) } ?? (0, 0)
            // A line needs two points; one reference alone at its own place gets the rate's slope.
            if position <= start.position {
                let pace = rate.isKnown ? rate : fallback
                start = (position &- 188, time &- pace.ticks(for: 188))
            }
            end = (position, max(time, start.time))
            hasLine = true
        } else if position > end.position {
            start = end
            // A guess that ran ahead of the clock: stand still until the clock has caught up, never go back.
            end = (position, max(time, end.time))
        }
    }
}
