internal import FreshetCore
internal import FreshetOverlay
internal import FreshetWire

/// Children that are being sent the history: in order, faster than the stream, until they have caught up with it and are
/// forwarded to like the others.
///
/// Paced, since a second of the stream in one burst does not fit a receive buffer of Linux's default size, nor a home's
/// uplink.
struct HistoryReplay {
    /// One child that catches up.
    struct Job {
        var link: UInt16
        var stripes: StripeSet
        /// The first packet that it wants.
        var first: Int64
        /// The next packet to send.
        var next: Int64
    }

    /// How often a child that catches up is sent something.
    static let interval = Nanoseconds.milliseconds(2)
    /// Packets a child is sent at once, at least and at most.
    static let burst = 4...32

    private(set) var jobs: [Job] = []
    /// When the next packets are due; `nil` when nobody catches up.
    private(set) var deadline: Instant?
    private var began = Instant.zero
    private var beganAt: Int64 = 0
    private var perTurn = HistoryReplay.burst.lowerBound

    /// True while nobody catches up.
    var isEmpty: Bool { jobs.isEmpty }

    /// True when `link` is not up with `stripe` yet.
    func isCatchingUp(_ link: UInt16, _ stripe: Int) -> Bool {
        for job in jobs where job.link == link && job.stripes.has(stripe) { return true }
        return false
    }

    /// True when `link` is not up with some stripe yet.
    func isCatchingUp(_ link: UInt16) -> Bool { jobs.contains { $0.link == link } }

    /// Sends `stripes` to `link` from packet `next` on; `Int64.min` for all that is kept.
    mutating func begin(_ link: UInt16, _ stripes: StripeSet, from next: Int64, now: Instant) {
        for index in jobs.indices where jobs[index].link == link {
            jobs[index].stripes.formUnion(stripes)
            jobs[index].first = min(jobs[index].first, next)
            jobs[index].next = min(jobs[index].next, next)
            return
        }
        jobs.append(Job(link: link, stripes: stripes, first: next, next: next))
        deadline = min(deadline ?? now, now)
    }

    /// Who has been sent what is behind packet `sequence` of `stripe`, which comes only now: nobody else would send it.
    func missing(_ sequence: Int64, _ stripe: Int, _ body: (UInt16) -> Void) {
        for job in jobs where job.first <= sequence && sequence < job.next && job.stripes.has(stripe) {
            body(job.link)
        }
    }

    /// `link` is gone.
    mutating func forget(_ link: UInt16) {
        jobs.removeAll { $0.link == link }
        if jobs.isEmpty { deadline = nil }
    }

    /// `stripes` are not sent to `link` any more.
    mutating func stop(_ link: UInt16, keeping stripes: StripeSet) {
        for index in jobs.indices where jobs[index].link == link {
            jobs[index].stripes.formIntersection(stripes)
        }
        jobs.removeAll { $0.stripes.isEmpty }
        if jobs.isEmpty { deadline = nil }
    }

    /// Measures the stream's own rate, so that who catches up gets four times as much, within ``burst``.
    mutating func noteHighest(_ sequence: Int64, now: Instant) {
        let span = now - began
        if span >= .seconds(1) {
            if span < .seconds(3) {
                let perSecond = max(0, sequence &- beganAt) * 1_000_000_000 / span.count
                let wanted = Int(perSecond * 4 * HistoryReplay.interval.count / 1_000_000_000)
                perTurn = min(max(wanted, HistoryReplay.burst.lowerBound), HistoryReplay.burst.upperBound)
            }
            began = now
            beganAt = sequence
        }
    }

    /// Sends what is due: `packet` hands out the one with a number that is kept, `stripe` says where it belongs. Gives
    /// true when a child has caught up: it is to be forwarded to from now on.
    mutating func run(
        _ history: borrowing RepairSender, stripeCount: Int, now: Instant,
        _ send: (borrowing Packet, UInt16) -> Bool
    ) -> Bool {
        guard let due = deadline, due <= now else { return false }
        deadline = now + HistoryReplay.interval
        var hasEnded = false
        for index in jobs.indices {
            if advance(index, history, stripeCount, send) { hasEnded = true }
        }
        if hasEnded {
            let highest = history.keptNumbers?.upperBound
            jobs.removeAll { job in highest.map { job.next > $0 } ?? true }
        }
        if jobs.isEmpty { deadline = nil }
        return hasEnded
    }

    /// Sends job `index` its share; true when it has caught up.
    private mutating func advance(
        _ index: Int, _ history: borrowing RepairSender, _ stripeCount: Int,
        _ send: (borrowing Packet, UInt16) -> Bool
    ) -> Bool {
        guard let kept = history.keptNumbers else { return true }
        let highest = kept.upperBound
        var job = jobs[index]
        job.next = max(job.next, kept.lowerBound)
        var left = perTurn
        while left > 0, job.next <= highest {
            let stripe = Int(job.next.magnitude % UInt64(max(1, stripeCount)))
            if job.stripes.has(stripe) {
                let sent = history.withKept(job.next) { send($0, job.link) }
                if sent == false { break }
                if sent == true { left -= 1 }
            }
            job.next &+= 1
        }
        jobs[index] = job
        return job.next > highest
    }
}
