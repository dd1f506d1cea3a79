internal import FreshetCore

/// One receiver that asks, as the sender knows it.
struct RepairPeer: Sendable {
    var peer: Peer
    var lastHeard: Instant
    var budget: RepairBudget
    /// The round trip that the peer told in its last request.
    var toldRoundTrip = Nanoseconds.zero
    var echo = EchoExchange()
    /// True for a peer that asks the RIST way: its round trip is ours to measure.
    var wantsEcho = false
    /// True once it sent one of Freshet's requests: it understands heartbeats.
    var isFreshet = false
    var nextEcho = Instant.zero
    var owed: (stamp: UInt64, arrival: Instant)?
    var queuedCount = 0
    /// What it may still ask in this moment: work, not bytes.
    var allowance = RepairPeer.allowanceLimit
    var allowanceAt: Instant
    var heartbeatDue = Instant.distantFuture

    static let allowanceLimit = 20_000

    init(_ peer: Peer, now: Instant, mediaBytes: Int, floor: Int) {
        self.peer = peer
        lastHeard = now
        allowanceAt = now
        budget = RepairBudget(mediaBytes: mediaBytes, floor: floor)
    }

    /// One packet is asked for; false when the peer has asked for too much lately (500 a millisecond, for long).
    mutating func takeAllowance(_ now: Instant) -> Bool {
        if allowance > 0 {
            allowance -= 1
            return true
        }
        let elapsed = (now - allowanceAt).count / 2_000
        if elapsed < 100 { return false }
        allowance = Int(min(elapsed, Int64(RepairPeer.allowanceLimit))) - 1
        allowanceAt = now
        return true
    }

    /// How long after a repair the same request says nothing new.
    var holdOff: Nanoseconds {
        let known = echo.roundTrip.smoothed ?? (toldRoundTrip.count > 0 ? toldRoundTrip : .milliseconds(12))
        return max(known / 5 * 4, .milliseconds(2))
    }
}
