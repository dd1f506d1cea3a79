import FreshetCore

/// A node's own clock: it began at another zero than the world's, and runs a little fast or slow.
struct DriftingClock {
    /// What it shows when the world begins.
    let offset: Nanoseconds
    /// How much too fast it runs, in parts per million.
    let drift: Int64

    /// A clock that shows `offset` at the world's zero and runs `drift` parts per million fast.
    init(offset: Nanoseconds = .zero, drift: Int64 = 0) {
        precondition(drift > -500_000 && drift < 500_000)
        self.offset = offset
        self.drift = drift
    }

    /// What the clock shows at `time` of the world.
    @inline(__always)
    func reading(at time: Instant) -> Instant {
        let t = time.nanoseconds
        if drift == 0 { return Instant(nanoseconds: t &+ offset.count) }
        let millions = t / 1_000_000
        return Instant(
            nanoseconds: t &+ offset.count &+ millions &* drift
                &+ (t &- millions &* 1_000_000) &* drift / 1_000_000)
    }

    /// The first instant of the world at which the clock shows `reading` or later.
    func time(of reading: Instant) -> Instant {
        let span = reading.nanoseconds.subtractingReportingOverflow(offset.count)
        if span.overflow { return .distantFuture }
        if drift == 0 { return Instant(nanoseconds: span.partialValue) }
        let scaled = Int128(span.partialValue) * 1_000_000 / Int128(1_000_000 + drift)
        guard let guess = Int64(exactly: scaled) else { return .distantFuture }
        var time = Instant(nanoseconds: guess &- 2)
        while self.reading(at: time) < reading { time = time + Nanoseconds(1) }
        return time
    }
}
