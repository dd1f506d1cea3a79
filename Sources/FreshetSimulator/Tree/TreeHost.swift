import FreshetCore
import FreshetOverlay
import FreshetWire

/// A member of a simulated tree: the shipping node, the shipping repair of its hops, and what an edge keeps for
/// both.
struct TreeHost: ~Copyable {
    var node: TreeNode
    var repair = Berth<HopRepair>()
    /// Who is at the other end of each link; -1 for nobody.
    var peers: [Int32] = []
    /// When each link's queue is empty again.
    var linkFree: [Instant] = []
    /// The link that sends stripe 0 and who is there.
    var parentLink = -1
    var parentPeer: Int32 = -1
    /// The earliest call in the queue.
    var wakeAt = Instant.distantFuture
    /// The control connection; 0 for none.
    var connection: UInt32 = 0
    /// Copies of packets 0…255 modulo 256 that it holds, a bit each.
    var held = PacketRow()
    /// Who it is to the coordinator, and the key of tickets for it.
    var member = MemberID.none
    var ticketKey = SipKey(low: 0, high: 0)
    /// When the last packet of each stripe came, where there are several.
    var heard: [Instant] = []
    /// What was asked for last: bits from 64 below that number.
    var pleaded: UInt64 = 0
    var pleadedNumber: Int64 = 0
    var pleadedAt = Instant.zero
    /// Since when it has more children than its line carries; `nil` while it has not.
    var isOverSince: Instant?
    /// It does nothing until then.
    var stalledUntil = Instant.zero
    /// It hears nothing.
    var isDeaf = false
    /// It did not for a while: its gaps are its own.
    var wasDeaf = false

    init(node: consuming TreeNode) { self.node = node }

    /// The link to `peer`; -1 for none.
    @inline(__always)
    func link(to peer: Int32) -> Int {
        if peer == parentPeer { return parentLink }
        for index in peers.indices where peers[index] == peer { return index }
        return -1
    }
}

/// Which of the last 256 packets are there, by number.
struct PacketRow: BitwiseCopyable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private(set) var highest: Int64 = -1
    static let span: Int64 = 256

    @inline(__always)
    private func word(_ number: Int64) -> UInt64 {
        switch (number >> 6) & 3 {
        case 0: words.0
        case 1: words.1
        case 2: words.2
        default: words.3
        }
    }

    @inline(__always)
    private mutating func set(_ number: Int64, to isSet: Bool) {
        let bit: UInt64 = 1 << UInt64(number & 63)
        switch (number >> 6) & 3 {
        case 0: words.0 = isSet ? words.0 | bit : words.0 & ~bit
        case 1: words.1 = isSet ? words.1 | bit : words.1 & ~bit
        case 2: words.2 = isSet ? words.2 | bit : words.2 & ~bit
        default: words.3 = isSet ? words.3 | bit : words.3 & ~bit
        }
    }

    /// Notes packet `number`; false when it was there, or is older than the row.
    @inline(__always)
    mutating func insert(_ number: Int64) -> Bool {
        if number <= highest {
            if highest &- number >= PacketRow.span || contains(number) { return false }
        } else {
            var next = max(highest &+ 1, number &- PacketRow.span &+ 1)
            while next < number {
                set(next, to: false)
                next &+= 1
            }
            highest = number
        }
        set(number, to: true)
        return true
    }

    @inline(__always)
    func contains(_ number: Int64) -> Bool {
        number >= 0 && number <= highest && highest &- number < PacketRow.span
            && word(number) >> UInt64(number & 63) & 1 == 1
    }
}

/// The repair of one hop both ways: asks the parent, answers the children.
struct HopRepair: ~Copyable {
    var receiver: RepairReceiver
    var sender: RepairSender

    init(latency: Nanoseconds, packetRate: Int, ssrc: UInt32, random: PRNG) {
        var asking = RepairReceiver.Configuration(
            latency: latency, ssrc: ssrc, name: CanonicalName("simulated"))
        asking.maximumHoles = 128
        asking.reportInterval = .seconds(1)
        asking.assumedRoundTrip = .milliseconds(100)
        receiver = RepairReceiver(asking, random: random.split(by: 1))
        var answering = RepairSender.Configuration(name: CanonicalName("simulated"))
        answering.historyCapacity = 128
        answering.queueCapacity = 256
        answering.historyDuration = .seconds(2)
        sender = RepairSender(answering, random: random.split(by: 2))
    }

    // All of these are mutating so that they look at the value where it stands: what is only read through a
    // pointer's `pointee` is copied whole by the compiler, kilobytes for one date.

    /// When it wants to be called.
    mutating func deadline() -> Instant? { earliest(receiver.nextDeadline, sender.nextDeadline) }

    /// True when it wanted to be called by `now`.
    mutating func isDue(_ now: Instant) -> Bool { isReceiverDue(now) || isSenderDue(now) }

    /// The same of the asking side alone.
    mutating func isReceiverDue(_ now: Instant) -> Bool { receiver.nextDeadline.map { $0 <= now } ?? false }

    /// And of the answering side.
    mutating func isSenderDue(_ now: Instant) -> Bool { sender.nextDeadline.map { $0 <= now } ?? false }

    /// True while packets are missing.
    mutating func hasHoles() -> Bool { receiver.openHoleCount > 0 }
}
