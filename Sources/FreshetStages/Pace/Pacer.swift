public import FreshetCore

/// Says when each packet of a stream must depart, from its media time.
///
/// ```
///  departure = start + (media time − first media time) / speed
/// ```
///
/// Departures are absolute: a wake-up that comes late moves none of the later ones. What is late by no more
/// than the burst limit goes at once. After a longer stall the backlog goes out `catchUpFactor` times faster
/// than the stream, not in one burst (but for what falls due within the burst limit while wake-ups are late),
/// until the schedule is met again; after a stall longer than the late
/// limit the schedule itself starts anew at the packet in hand.
public struct Pacer: Sendable {
    /// What a pacer is told.
    public struct Configuration: Sendable {
        /// Stream time per real time, in parts per million.
        public var speedPartsPerMillion: Int64 = 1_000_000
        /// The first packet departs this much after it came.
        public var delay = Nanoseconds.zero
        /// This much of the stream goes out ahead of the schedule, at the catch-up rate, so that receivers
        /// fill quickly.
        public var lead = Nanoseconds.zero
        /// Packets late by no more than this go at once.
        public var burstLimit = Nanoseconds.milliseconds(5)
        /// How many times faster than the stream a backlog goes out.
        public var catchUpFactor: Int64 = 4
        /// A packet later than this starts the schedule anew.
        public var lateLimit = Nanoseconds.milliseconds(500)

        /// Keeps in step with a live source, whose clock is not this host's; see
        /// ``Pacer/arrived(_:now:isBlocked:)``.
        public var followsSource = false

        /// The defaults: the stream's own speed, at once.
        public init() {}
    }

    // One by one, not as the configuration: that would be copied whole where one of them is read.
    private let speedPartsPerMillion: Int64
    private let delay: Nanoseconds
    private let lead: Nanoseconds
    private let burstLimit: Nanoseconds
    private let catchUpFactor: Int64
    private let lateLimit: Nanoseconds
    private let followsSource: Bool
    private var anchor: (instant: Instant, time: MediaTime)?
    private var lastScheduled: Instant?
    /// While a backlog is made good: since when, and what was scheduled then.
    private var catchUp: (instant: Instant, scheduled: Instant)?
    private var isLeading: Bool

    /// How often the schedule was started anew.
    public private(set) var restartCount = 0

    /// The least time that a packet had to spare on arrival, in this window.
    private var leastSlack: Nanoseconds?
    private var isWindowBlocked = false
    private var windowEnd: Instant?
    /// How far the schedule is still to be drawn forward, and until when that was done.
    private var slew = Nanoseconds.zero
    private var slewedUntil = Instant.zero

    /// How long the spare time is watched before the schedule is drawn forward.
    public static let followWindow = Nanoseconds.seconds(5)
    /// The schedule is drawn forward by at most a thousandth: 1 ms a second.
    private static let slewDivisor: Int64 = 1000

    /// Two packets further apart than this on the timeline are taken for a fault, and the schedule starts
    /// anew.
    public static let longestGap = Nanoseconds.seconds(60)

    /// A pacer without a schedule; the first packet starts it.
    public init(_ configuration: Configuration = Configuration()) {
        precondition(configuration.speedPartsPerMillion > 0 && configuration.catchUpFactor >= 1)
        speedPartsPerMillion = configuration.speedPartsPerMillion
        delay = configuration.delay
        lead = configuration.lead
        burstLimit = configuration.burstLimit
        catchUpFactor = configuration.catchUpFactor
        lateLimit = configuration.lateLimit
        followsSource = configuration.followsSource
        isLeading = configuration.lead > .zero
    }

    /// When the packet at `time`, the next to go, departs. Asked at `now`; may be asked again.
    public mutating func departure(of time: MediaTime, now: Instant) -> Instant {
        let origin = anchor ?? (now + delay - lead, time)
        anchor = origin
        let scheduled = origin.instant + span(from: origin.time, to: time)
        if let last = lastScheduled, scheduled - last > Pacer.longestGap {
            return restart(at: time, now: now)
        }
        lastScheduled = scheduled
        let lateness = now - scheduled
        if lateness > lateLimit + (isLeading ? lead : .zero) {
            return restart(at: time, now: now)
        }
        if let catchUp {
            let departure = catchUp.instant + (scheduled - catchUp.scheduled) / catchUpFactor
            if departure <= scheduled {
                self.catchUp = nil
                isLeading = false
                return scheduled
            }
            if now - departure <= burstLimit { return departure }
        }
        guard lateness > burstLimit else { return scheduled }
        // Where the wake-ups themselves come late, each sends what has become due within the burst limit:
        // with one packet a wake-up a busy host would fall behind for good.
        catchUp = (catchUp == nil ? now : now - burstLimit, scheduled)
        return now
    }

    /// Tells a pacer that follows its source that the packet at `time` has come. `isBlocked` says that more
    /// packets wait than may be held: the source is faster than the schedule by far, so it is no live one.
    ///
    /// A packet that comes after its departure moves the schedule back by as much, so that those after it are
    /// in time again. Time to spare that every packet of a window had draws it forward, a thousandth at most:
    /// the latency follows the source's jitter, and the difference of two clocks neither empties nor fills
    /// the line.
    public mutating func arrived(_ time: MediaTime, now: Instant, isBlocked: Bool) {
        guard followsSource, let origin = anchor else { return }
        let slack = origin.instant + span(from: origin.time, to: time) - now
        if slack < .zero, Nanoseconds.zero - slack <= lateLimit {
            anchor = (origin.instant - slack, origin.time)
        }
        leastSlack = min(leastSlack ?? slack, max(.zero, slack))
        if isBlocked { isWindowBlocked = true }
        let end = windowEnd ?? now + Pacer.followWindow
        windowEnd = end
        if now >= end {
            // Half of it, so that two windows' jitter does not swing the schedule to and fro.
            slew = isWindowBlocked ? .zero : (leastSlack ?? .zero) / 2
            slewedUntil = now
            leastSlack = nil
            isWindowBlocked = false
            windowEnd = now + Pacer.followWindow
        }
        if slew > .zero, let origin = anchor {
            let step = min(slew, (now - slewedUntil) / Pacer.slewDivisor)
            anchor = (origin.instant - step, origin.time)
            slew = slew - step
            if step > .zero { slewedUntil = now }
        }
    }

    /// The packet asked for last has not gone yet, at `now`, and no other before it: the schedule begins later by as
    /// much.
    public mutating func postpone(now: Instant) {
        guard let origin = anchor else { return }
        anchor = (now - lead, origin.time)
        lastScheduled = now - lead
    }

    private mutating func restart(at time: MediaTime, now: Instant) -> Instant {
        restartCount += 1
        anchor = (now, time)
        lastScheduled = now
        catchUp = nil
        isLeading = false
        return now
    }

    /// The real time between two media times; exact to the nanosecond, however far apart they are.
    @inline(__always)
    private func span(from first: MediaTime, to time: MediaTime) -> Nanoseconds {
        if speedPartsPerMillion == 1_000_000 { return time.since(first) }
        return Pacer.span(from: first, to: time, speedPartsPerMillion)
    }

    @inline(never)
    private static func span(from first: MediaTime, to time: MediaTime, _ speedPartsPerMillion: Int64)
        -> Nanoseconds
    {
        let ticks = Int128(time.ticks &- first.ticks) * 1_000_000_000
        return Nanoseconds(Int64(truncatingIfNeeded: ticks / (27 * Int128(speedPartsPerMillion))))
    }
}
