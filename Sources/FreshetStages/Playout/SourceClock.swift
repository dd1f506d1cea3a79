public import FreshetCore

/// Recovers a source's clock from when its packets came and when it says they were sent.
///
/// The delay of a packet is its arrival minus its media time. Queues only ever add to it, so the *lower
/// envelope* of the delays shows the path's own delay, and its slope how much faster or slower the source's
/// clock runs than ours (Moon, Skelly, Towsley, "Estimation and removal of clock skew from network delay
/// measurements", INFOCOM 1999). Kept are the least and greatest delays of bins of 200 ms over 51 s;
/// `EnvelopeFit` finds the drift from them. It is believed by as much as they allow; until then it is taken
/// for the likely one, none.
///
/// A change of route moves the envelope at once. Down is seen in one bin; up when two seconds of bins lie
/// above it. The bins of before are then moved along, so that what they say about the drift is kept. Integers
/// throughout.
public struct SourceClock: ~Copyable {
    /// The width of a bin.
    public static let binInterval = Nanoseconds.milliseconds(200)
    /// How long it takes to decide whether packets that come too late are catching up.
    public static let decisionInterval = Nanoseconds.milliseconds(50)
    /// How many bins are kept.
    public static let binCount = 256

    /// The least delay of a bin, the media time at which it was seen (both against the references), how
    /// many packets the bin had, and the greatest delay.
    struct Bin {
        var media: Int64
        var delay: Int64
        var packetCount: Int64 = 0
        /// The greatest delay, and the media time at which it was seen.
        var peakMedia: Int64 = 0
        var peakDelay: Int64 = .min

        /// A bin that has seen nothing.
        static var empty: Bin { Bin(media: 0, delay: .max) }
    }

    /// The source's clock against ours, in parts per billion: positive when its packets come ever later (its
    /// clock is slow).
    public internal(set) var driftPartsPerBillion: Int64 = 0
    /// Interarrival jitter (RFC 3550 §6.4.1 and appendix A.8).
    public var jitter: Nanoseconds { Nanoseconds(jitterSum >> 4) }
    /// Route changes seen.
    public internal(set) var stepCount = 0
    /// Times that ``floor(of:)`` has changed.
    public internal(set) var changeCount = 0
    /// While set, packets are far behind, and whether that will pass shows only at this instant.
    public internal(set) var undecidedUntil: Instant?
    /// True once a packet was observed.
    public private(set) var hasReference = false

    /// Packets so far behind would miss their playout.
    var urgentExcess: Int64
    var bins: FixedRing<Bin>
    var envelope: EnvelopeFit
    var recentStepCount = 0
    var fitCount = 0
    var binCountSinceForgiving = 0

    // References: all times below are nanoseconds since these.
    var referenceTicks: Int64 = 0
    var referenceArrival: Int64 = 0

    // The line: floor delay at `lineMedia`, and drift in units of 2⁻³².
    var lineMedia: Int64 = 0
    var lineDelay: Int64 = 0
    var drift: Int64 = 0

    var current = Bin.empty
    var binEnd: Int64 = 0
    var binLineDelay: Int64 = 0
    var meanExcess: Int64 = 0
    var lastDelay: Int64 = 0
    var jitterSum: Int64 = 0
    var above = Above()
    var settlingBinCount = 0
    var urgent = Urgent()

    /// A clock that has seen nothing. Packets more than `urgentExcess` behind the envelope (they would miss
    /// their playout) make it decide within 50 ms whether the path or the source has changed for good.
    public init(urgentExcess: Nanoseconds) {
        self.urgentExcess = urgentExcess.count
        bins = FixedRing(capacity: SourceClock.binCount)
        envelope = EnvelopeFit(capacity: SourceClock.binCount)
    }

    /// Forgets the past: another source sends now. The floor stands where it was until the first packet.
    public mutating func restart() {
        bins.removeAll()
        envelope.restart()
        recentStepCount = 0
        hasReference = false
        changeCount &+= 1
        drift = 0
        driftPartsPerBillion = 0
        calm()
    }

    /// When a packet of `media` would come at the earliest.
    @inline(__always)
    public func floor(of media: MediaTime) -> Instant {
        let span = nanoseconds(media)
        return Instant(
            nanoseconds: referenceArrival &+ span &+ lineDelay &+ driftSpan(span &- lineMedia))
    }

    /// How much longer a span of media time, in nanoseconds, is on our clock.
    @inline(__always)
    public func driftSpan(_ span: Int64) -> Int64 {
        if span.magnitude < 1 << 36 { return (span &* drift) >> 32 }
        return Int64(truncatingIfNeeded: (Int128(span) * Int128(drift)) >> 32)
    }

    @inline(__always)
    private func nanoseconds(_ media: MediaTime) -> Int64 { (media.ticks &- referenceTicks) &* 1000 / 27 }

    /// A packet of `media` came at `arrival`.
    public mutating func observe(_ media: MediaTime, arrival: Instant) {
        if !hasReference { begin(media, arrival) }
        let span = nanoseconds(media)
        let now = arrival.nanoseconds &- referenceArrival
        let delay = now &- span
        noteJitter(delay)
        if now >= binEnd { closeBin(now) }
        if delay < current.delay {
            current.delay = delay
            current.media = span
        }
        if delay > current.peakDelay {
            current.peakDelay = delay
            current.peakMedia = span
        }
        current.packetCount &+= 1
        let excess = delay &- lineDelay &- driftSpan(span &- lineMedia)
        meanExcess &+= (max(0, min(excess, 1 << 40)) &- meanExcess) / 256
        if excess > urgentExcess {
            weigh(excess, arrival)
        } else {
            if undecidedUntil != nil || urgent.isRunning { calm() }
            // Packets below the line move it at once; whether that is a change of route shows when the bin is
            // closed.
            if excess < 0 {
                lineDelay &+= excess
                changeCount &+= 1
            }
        }
    }

    private mutating func begin(_ media: MediaTime, _ arrival: Instant) {
        hasReference = true
        changeCount &+= 1
        referenceTicks = media.ticks
        referenceArrival = arrival.nanoseconds
        lineMedia = 0
        lineDelay = 0
        binLineDelay = 0
        lastDelay = 0
        current = .empty
        binEnd = SourceClock.binInterval.count
        above = Above()
        settlingBinCount = 0
        meanExcess = 0
    }

    /// RFC 3550 appendix A.8, in nanoseconds, with 4 bits of fraction.
    @inline(__always)
    private mutating func noteJitter(_ delay: Int64) {
        let difference = Int64(truncatingIfNeeded: min((delay &- lastDelay).magnitude, 1 << 40))
        lastDelay = delay
        jitterSum &+= difference &- ((jitterSum &+ 8) >> 4)
    }
}
