public import FreshetCore

/// When each packet is due: at constant latency behind the source's recovered clock, and as evenly spaced as
/// the source meant it.
///
/// The clock's estimate moves a little all the time. The schedule follows it with a time constant of 4 s and
/// never by more than 500 parts per million of the time that passes, so that the spacing of packets stays the
/// source's own (0.65 µs off at most for packets 1.3 ms apart). When the clock is off by more than half the
/// latency, and by 20 ms at least, the schedule steps: it would take too long to get there, and packets would
/// come too late. In its first second it steps back already by 2 ms: what comes first may have waited until a neighbour
/// was found (ARP; RFC 4861), and the viewer would pay for that with half a minute of more latency than asked for.
public struct PlayoutSchedule: Sendable {
    private static let timeConstant = Nanoseconds.seconds(4).count
    private static let slewDivisor: Int64 = 2000
    /// While a latency that has become shorter is reached: half a percent faster than the source.
    private static let hasteDivisor: Int64 = 200
    /// How long a schedule is at its beginning, in media time, and by how much it may be late then.
    private static let beginningTicks: Int64 = 27_000_000
    private static let beginningLimit: Int64 = 2_000_000

    /// How long after the earliest possible arrival a packet is due.
    public private(set) var latency: Nanoseconds
    /// Steps so far.
    public private(set) var stepCount = 0
    /// Steps towards later: playout stood still.
    public private(set) var laterStepCount = 0

    private var stepLimit: Int64
    /// The latency has become longer: playout stands still once.
    private var mustWait = false
    /// The latency has become shorter: playout hurries towards it.
    private var isHasty = false
    private var lastMedia = MediaTime(ticks: 0)
    private var lastDue = Instant.zero
    private var hasLast = false
    private var beginningEnd: Int64 = .min

    /// A schedule that starts when the first packet is due.
    public init(latency: Nanoseconds) {
        self.latency = latency
        stepLimit = max(latency.count / 2, 20_000_000)
    }

    /// From now on packets are due `latency` after their earliest possible arrival: when that is longer than before,
    /// at once, since what is missing needs the time; when it is shorter, by and by.
    public mutating func setLatency(_ latency: Nanoseconds) {
        mustWait = mustWait || latency > self.latency
        isHasty = latency < self.latency || isHasty && !mustWait
        self.latency = latency
        stepLimit = max(latency.count / 2, 20_000_000)
    }

    /// When a packet is due, and what that means for the schedule.
    public struct Plan: Sendable {
        /// The packet's place on the source's line.
        public let media: MediaTime
        /// When it is due.
        public let due: Instant
        let span: Int64
        let step: Int64
    }

    /// When the packet of `media` is due. ``settle(_:)`` must follow when it is given out.
    @inline(__always)
    public func plan(_ media: MediaTime, clock: borrowing SourceClock) -> Plan {
        let target = clock.floor(of: media) + latency
        guard hasLast else { return Plan(media: media, due: target, span: 1, step: 0) }
        let span = (media.ticks &- lastMedia.ticks) &* 1000 / 27
        let plain = lastDue.nanoseconds &+ span &+ clock.driftSpan(span)
        let error = target.nanoseconds &- plain
        if error.magnitude > UInt64(stepLimit) || mustWait && error > 0
            || error < -PlayoutSchedule.beginningLimit && media.ticks < beginningEnd
        {
            return Plan(media: media, due: target, span: span, step: error)
        }
        let divisor = isHasty && error < 0 ? PlayoutSchedule.hasteDivisor : PlayoutSchedule.slewDivisor
        let due = Instant(nanoseconds: plain &+ PlayoutSchedule.slew(error, over: span, divisor))
        return Plan(media: media, due: due, span: span, step: 0)
    }

    /// How much of `error` is put right over `span`.
    @inline(__always)
    private static func slew(_ error: Int64, over span: Int64, _ divisor: Int64) -> Int64 {
        if span <= 0 { return 0 }
        if span >= timeConstant { return max(-span / divisor, min(span / divisor, error)) }
        // In whole microseconds of span the product stays in 64 bits for any latency below 10 days.
        let share = error &* (span / 1000) / (timeConstant / 1000)
        let limit = span / divisor
        return max(-limit, min(limit, share))
    }

    /// The packet of `plan`, which is the newest one made, was given out.
    @inline(__always)
    public mutating func settle(_ plan: Plan) {
        if plan.step != 0 {
            stepCount += 1
            if plan.step > 0 { laterStepCount += 1 }
        } else if plan.span <= 0 {
            return
        }
        if !hasLast { beginningEnd = plan.media.ticks &+ PlayoutSchedule.beginningTicks }
        hasLast = true
        mustWait = false
        lastMedia = plan.media
        lastDue = plan.due
    }
}
