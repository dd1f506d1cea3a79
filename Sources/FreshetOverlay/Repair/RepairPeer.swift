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
    /// When it is told the highest number again, in the pause that began with the packet of that instant.
    var heartbeatDue = Instant.distantFuture
    var heartbeatPause = Instant.distantFuture
    /// Packets it has asked for, repeats among them, since somebody last looked.
    var missedCount = 0

    /// Requests of a plain RIST receiver that were answered since `askedSince` packets had been sent, and the share of
    /// packets that it asked for lately, in parts per million.
    private var askedCount = 0
    private var askedSince: UInt64 = 0
    private var askedShare = 0

    static let allowanceLimit = 20_000
    /// From which share on a copy alone will not do: the answer is lost as often as the packet was.
    private static let copyFrom = 30_000

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

    /// A plain RIST receiver's request is answered, `packetCount` packets having been sent so far: with so many copies.
    mutating func takeCopies(packetCount: UInt64) -> Int {
        askedCount += 1
        let sent = packetCount &- askedSince
        // At the beginning sooner: some receivers ask for what they miss then once only.
        if sent >= (askedSince == 0 ? 64 : 512) {
            askedShare = (askedShare + askedCount * 1_000_000 / Int(min(sent, 1 << 40))) / 2
            askedCount = 0
            askedSince = packetCount
        }
        return askedShare >= RepairPeer.copyFrom ? 2 : 1
    }

    /// How long after a repair the same request says nothing new.
    var holdOff: Nanoseconds {
        let known = echo.roundTrip.smoothed ?? (toldRoundTrip.count > 0 ? toldRoundTrip : .milliseconds(12))
        return max(known / 5 * 4, .milliseconds(2))
    }
}
