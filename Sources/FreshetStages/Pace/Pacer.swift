public import FreshetCore

/// Says when each packet of a stream must depart, from its media time.
///
/// ```
///  departure = start + (media time − first media time) / speed
/// ```
///
/// Departures are absolute: a wake-up that comes late moves none of the later ones. What is late by no more
/// than the burst limit goes at once. After a longer stall the backlog goes out `catchUpFactor` times faster
/// than the stream, not in one burst, until the schedule is met again; after a stall longer than the late
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

        /// The defaults: the stream's own speed, at once.
        public init() {}
    }

    private let configuration: Configuration
    private var anchor: (instant: Instant, time: MediaTime)?
    private var lastScheduled: Instant?
    /// While a backlog is made good: since when, and what was scheduled then.
    private var catchUp: (instant: Instant, scheduled: Instant)?
    private var isLeading: Bool

    /// How often the schedule was started anew.
    public private(set) var restartCount = 0

    /// Two packets further apart than this on the timeline are taken for a fault, and the schedule starts
    /// anew.
    public static let longestGap = Nanoseconds.seconds(60)

    /// A pacer without a schedule; the first packet starts it.
    public init(_ configuration: Configuration = Configuration()) {
        precondition(configuration.speedPartsPerMillion > 0 && configuration.catchUpFactor >= 1)
        self.configuration = configuration
        isLeading = configuration.lead > .zero
    }

    /// When the packet at `time`, the next to go, departs. Asked at `now`; may be asked again.
    public mutating func departure(of time: MediaTime, now: Instant) -> Instant {
        let origin = anchor ?? (now + configuration.delay - configuration.lead, time)
        anchor = origin
        let scheduled = origin.instant + span(from: origin.time, to: time)
        if let last = lastScheduled, scheduled - last > Pacer.longestGap {
            return restart(at: time, now: now)
        }
        lastScheduled = scheduled
        let lateness = now - scheduled
        if lateness > configuration.lateLimit + (isLeading ? configuration.lead : .zero) {
            return restart(at: time, now: now)
        }
        if let catchUp {
            let departure = catchUp.instant + (scheduled - catchUp.scheduled) / configuration.catchUpFactor
            if departure <= scheduled {
                self.catchUp = nil
                isLeading = false
                return scheduled
            }
            if now - departure <= configuration.burstLimit { return departure }
        }
        guard lateness > configuration.burstLimit else { return scheduled }
        catchUp = (now, scheduled)
        return now
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
    private func span(from first: MediaTime, to time: MediaTime) -> Nanoseconds {
        let speed = configuration.speedPartsPerMillion
        if speed == 1_000_000 { return time.since(first) }
        let ticks = Int128(time.ticks &- first.ticks) * 1_000_000_000
        return Nanoseconds(Int64(truncatingIfNeeded: ticks / (27 * Int128(speed))))
    }
}
