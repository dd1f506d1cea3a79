import FreshetCore

/// What the player of one viewer sees, packet by packet: in time or not.
///
/// A player begins a second after its first packet. It plays `latency` behind the quickest way that packets
/// took in the last seconds; when that becomes longer or shorter for good the playout follows, by at most one
/// part in a hundred, as people do not notice.
struct Viewing: BitwiseCopyable {
    /// The longest that playout moves in ten seconds.
    private static let slew: Int64 = 100_000_000
    private static let period: Int64 = 10_000_000_000
    static let startUp: Int64 = 1_000_000_000

    /// When the viewer came; −1 while there is none.
    var since: Int64 = -1
    /// When it was connected.
    var connectedAt: Int64 = -1
    /// When its first packet came.
    var firstAt: Int64 = -1
    /// When the last one came.
    var lastAt: Int64 = -1
    /// The usual way from the source, nanoseconds.
    var base: Int64 = .max
    private var least: Int64 = .max
    private var periodEnd: Int64 = 0
    /// The next packet that becomes due; −1 before the start.
    var next: Int64 = -1
    private var row = PacketRow()
    /// Packets missing in a row until now, and the most so far.
    var gap: Int32 = 0
    var longestGap: Int32 = 0
    /// Packets that were due, and those that were there.
    var dueCount: Int64 = 0
    var inTimeCount: Int64 = 0
    /// Packets missing since the last strike.
    var missedCount: Int64 = 0

    /// Packet `number`, sent at `sent`, came at `now` for the first time.
    mutating func arrive(_ number: Int64, sent: Int64, now: Int64) {
        let way = now - sent
        if firstAt < 0 {
            firstAt = now
            periodEnd = now + Self.period
        }
        lastAt = now
        least = min(least, way)
        if next < 0 { base = min(base, way) }
        if now >= periodEnd, next >= 0 {
            base += max(-Self.slew, min(Self.slew, least - base))
            least = .max
            periodEnd = now + Self.period
        }
        _ = row.insert(number)
    }

    /// Judges packets that became due by `now`; `first` is the first that was sent at or after the viewer's
    /// start, and those from `measured` on count.
    mutating func judge(_ now: Int64, _ clock: StreamClock, latency: Int64, measured: Int64) {
        if next < 0 {
            guard firstAt >= 0, now >= firstAt + Self.startUp else { return }
            next = clock.number(sentFrom: firstAt)
        }
        while clock.sent(next) + base + latency <= now {
            let isThere = row.contains(next)
            if next >= measured {
                dueCount += 1
                if isThere {
                    inTimeCount += 1
                    gap = 0
                } else {
                    missedCount += 1
                    gap += 1
                    longestGap = max(longestGap, gap)
                }
            }
            next += 1
        }
    }
}

/// When which packet leaves the source.
struct StreamClock: BitwiseCopyable {
    /// When packet 0 does, nanoseconds.
    let start: Int64
    let interval: Int64

    @inline(__always)
    func sent(_ number: Int64) -> Int64 { start &+ number &* interval }

    /// The first packet that leaves at `time` or later.
    func number(sentFrom time: Int64) -> Int64 { max(0, (time - start + interval - 1) / interval) }
}
