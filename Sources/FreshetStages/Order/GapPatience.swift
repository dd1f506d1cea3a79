import FreshetCore

/// Says whether a gap whose time is over may be given up, on a thread that may have been held up: what arrived in
/// time may still wait to be read.
///
/// A stage that is called when a gap is due gives it up at once. One that is called later than that, by more than a
/// timer is late, was held up, and what fills the gap may lie in a socket: behind the batch at hand where that is full
/// (one of two paths is read before the other), or come since the last look. So it waits for the first turn after the
/// gap was due that everything has been read for. That costs no time to speak of: the turns follow at once.
struct GapPatience {
    /// Timers are late by no more on a machine that has time.
    private static let punctuality = Nanoseconds.milliseconds(2)
    /// Whoever cannot keep up with what comes does not wait for what will never be read.
    private static let limit = Nanoseconds.milliseconds(500)

    private var turn = Instant.zero
    private var turnBefore = Instant.zero
    private var hasMore = false

    /// The stage has been called at `now` with `input`.
    @inline(__always)
    mutating func begin(_ input: borrowing PacketBatch, now: Instant) {
        if now > turn {
            turnBefore = turn
            turn = now
        }
        // A single place says nothing: it is always full.
        hasMore = input.isFull && input.capacity > 1
    }

    /// True when nothing that arrived by `due` can still wait to be read, as far as one can know at `now`.
    func allows(_ due: Instant, now: Instant) -> Bool {
        if now - due > GapPatience.limit { return true }
        return !hasMore && (now - due <= GapPatience.punctuality || due <= turnBefore)
    }
}
