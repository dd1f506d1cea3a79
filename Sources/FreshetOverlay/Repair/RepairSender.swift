public import FreshetCore
public import FreshetWire

/// The sending end of repair on unicast links: keeps what was sent for a while, and sends it again to whoever asks.
///
/// Understands RIST's requests (VSF TR-06-1 §5.3) and Freshet's. A repair is the packet with the lowest bit of its
/// SSRC set. What a peer can cause is bounded: work by the length of its datagrams and an allowance, bytes by a share
/// of the media, places in the queue by their number; and one peer's excess is nobody else's loss.
public struct RepairSender: ~Copyable {
    /// What a sender keeps and allows.
    public struct Configuration: Sendable {
        /// How long a packet is kept.
        public var historyDuration = Nanoseconds.seconds(2)
        /// The most packets kept.
        public var historyCapacity = 4096
        /// Repair bytes that one peer may cause, in percent of the media bytes.
        public var budgetPercent = 100
        /// Budget that is there at the start, and the least that can be saved up, in bytes.
        public var budgetFloor = 64 * 1316
        /// Copies waiting to leave.
        public var queueCapacity = 4096
        /// The most peers known at once; a new one takes the place of the one not heard for longest.
        public var maximumPeers = 64
        /// Answers with parity where the peer wants it and it serves better than copies.
        public var makesParity = false
        /// The longest packet that parity covers, in bytes.
        public var parityPacketByteCount = 1472
        /// The sender's canonical name.
        public var name: CanonicalName

        /// The defaults for a sender called `name`.
        public init(name: CanonicalName) { self.name = name }
    }

    /// One packet sent again, and to whom.
    public struct Repair: ~Copyable {
        /// A packet of its own: marked as a retransmission, or an RTP packet of parity.
        public var packet: Packet
        /// Who asked.
        public var peer: Peer
        /// True for parity (the sliding-window code on the WireProtocol page), which goes to the peer's port of parity.
        public var isParity: Bool

        @inline(__always)
        init(packet: consuming Packet, peer: Peer, isParity: Bool) {
            self.packet = packet
            self.peer = peer
            self.isParity = isParity
        }

        /// Gives the packet out.
        public consuming func takePacket() -> Packet { packet }
    }

    /// A control datagram's length and destination.
    public struct Transmit: Equatable, Sendable {
        /// Bytes written.
        public var byteCount: Int
        /// Who gets it, on its control port.
        public var peer: Peer
    }

    /// What happened so far.
    public struct Statistics: Sendable {
        /// Nothing happened.
        public init() {}

        /// Request packets heard, and how many packets they named, repeats among them.
        public var requests = 0
        /// Packets named in requests, repeats among them.
        public var asked = 0
        /// Named packets whose request had been answered before.
        public var repeated = 0
        /// Repairs sent, parity among them.
        public var repairs = 0
        /// Of these, parity.
        public var parity = 0
        /// Bytes of repairs sent.
        public var repairBytes = 0
        /// Named packets that were never sent, or so long ago that nobody can want them.
        public var unknown = 0
        /// Named packets that are no longer kept.
        public var expired = 0
        /// Copies not sent since the budget was spent until it was too late.
        public var overBudget = 0
        /// Named packets passed over because of too many requests at once.
        public var refused = 0
        /// Media bytes sent.
        public var mediaBytes = 0
    }

    let configuration: Configuration
    var random: PRNG
    var history: RepairHistory
    var answers: AnswerTable
    var queue: RepairQueue
    var parity: ParityMaker?
    var peers: [RepairPeer] = []
    /// What happened so far.
    public internal(set) var statistics = Statistics()
    var ssrc: UInt32 = 0
    var packetCount: UInt64 = 0
    var lastMedia = Instant.zero
    var meanInterval: Int64 = 1_000_000
    var quietUntil = Instant.distantFuture
    var heartbeatStep = Nanoseconds.zero
    var isControlDue = false
    /// What ``settlePeers()`` found: asked for after every packet, and changed by what peers say alone.
    var nextEcho: Instant?
    var hasFreshetPeer = false
    var plannedHeartbeat: Instant?
    /// The pause that ``plannedHeartbeat`` is of: it began with the packet of this instant.
    var plannedPause = Instant.distantFuture

    /// A sender that keeps nothing yet; its chance comes from `random`.
    public init(_ configuration: Configuration, random: PRNG) {
        self.configuration = configuration
        self.random = random
        history = RepairHistory(
            capacity: configuration.historyCapacity, duration: configuration.historyDuration)
        answers = AnswerTable(capacity: configuration.historyCapacity)
        queue = RepairQueue(capacity: configuration.queueCapacity)
        peers.reserveCapacity(configuration.maximumPeers)
        if configuration.makesParity {
            parity = ParityMaker(
                packetByteCount: configuration.parityPacketByteCount,
                ssrc: UInt32(truncatingIfNeeded: self.random.next()),
                firstNumber: UInt16(truncatingIfNeeded: self.random.next()))
        }
    }

    // MARK: What the line carries

    /// A packet of the stream is sent at `now`. Those without sequence number cannot be asked for.
    @inline(__always)
    public mutating func note(_ packet: borrowing Packet, now: Instant) {
        let info = packet.info
        guard info.flags.contains(.hasSequence) else { return }
        if info.ssrc != ssrc || packetCount == 0 { start(info.ssrc) }
        history.note(packet, sequence: info.extendedSequence, now: now)
        packetCount &+= 1
        statistics.mediaBytes &+= packet.byteCount
        meanInterval &+= ((now - lastMedia).count &- meanInterval) >> 6
        lastMedia = now
    }

    /// The lowest and the highest number kept; `nil` when nothing is.
    public var keptNumbers: ClosedRange<Int64>? {
        guard let lowest = history.lowest, let highest = history.highest else { return nil }
        return lowest...max(lowest, highest)
    }

    /// Looks at the packet `sequence`; `nil` when it is not kept.
    public func withKept<Result>(_ sequence: Int64, _ body: (borrowing Packet) -> Result) -> Result? {
        history.withPacket(sequence, body)
    }

    @inline(never)
    private mutating func start(_ ssrc: UInt32) {
        self.ssrc = ssrc
        packetCount = 0
        history.removeAll()
        answers.removeAll()
        queue.removeAll()
        parity?.reset()
        for index in peers.indices { peers[index].queuedCount = 0 }
    }

    /// Lets go of everything kept.
    public mutating func reset() { start(ssrc) }

    /// How many packets `peer` has asked for since the last call, repeats among them.
    public mutating func takeMissedCount(of peer: Peer) -> Int {
        guard let place = peers.firstIndex(where: { $0.peer == peer }) else { return 0 }
        defer { peers[place].missedCount = 0 }
        return peers[place].missedCount
    }

    // MARK: Time

    /// When the sender wants to be advanced and drained again; `nil` when it has nothing to do.
    public var nextDeadline: Instant? {
        if isControlDue { return lastMedia }
        return earliest(queue.first?.due, earliest(earliest(nextHeartbeat, nextEcho), history.nextExpiry))
    }

    /// Time has come: what is too old is let go.
    public mutating func advance(to now: Instant) {
        history.expire(now)
        if let nextEcho, nextEcho <= now { isControlDue = true }
    }

    // MARK: Repairs

    /// The next repair that is due at `now`, in a packet of `pool`; `nil` when there is none, or the pool is empty.
    public mutating func nextRepair(pool: PacketPool, now: Instant) -> Repair? {
        while let next = queue.first, next.due <= now {
            if pool.freeCount == 0 { return nil }
            queue.removeFirst()
            peers[Int(next.peer)].queuedCount -= 1
            let repair =
                next.sequence == QueuedRepair.parity ? sendParity(next, pool, now) : send(next, pool, now)
            if let repair { return repair }
        }
        return nil
    }

    private mutating func send(_ queued: QueuedRepair, _ pool: PacketPool, _ now: Instant) -> Repair? {
        var next = queued
        let place = Int(next.peer)
        guard let byteCount = history.withPacket(next.sequence, { $0.byteCount }) else {
            statistics.expired += 1
            return nil
        }
        guard spend(byteCount, place) else {
            postpone(next, now)
            return nil
        }
        guard let packet = copy(next.sequence, pool) else { return nil }
        next.copies -= 1
        if next.copies > 0 {
            next.due = max(next.due + next.spacing, now)
            requeue(next)
        }
        statistics.repairs += 1
        statistics.repairBytes += byteCount
        return Repair(packet: packet, peer: peers[place].peer, isParity: false)
    }

    private mutating func sendParity(_ next: QueuedRepair, _ pool: PacketPool, _ now: Instant) -> Repair? {
        let place = Int(next.peer)
        let number = peers[place].peer.number
        guard let window = parity?.window(of: number, now: now),
            let longest = history.withPacket(window.lowerBound, { $0.byteCount })
        else { return nil }
        guard spend(longest + 30, place) else {
            postpone(next, now)
            return nil
        }
        guard var packet = pool.allocate() else { return nil }
        guard parity?.write(window, from: history, into: &packet) == true else { return nil }
        statistics.repairs += 1
        statistics.parity += 1
        statistics.repairBytes += packet.byteCount
        return Repair(packet: packet, peer: peers[place].peer, isParity: true)
    }

    private mutating func spend(_ byteCount: Int, _ place: Int) -> Bool {
        // A second of what is allowed may be saved up.
        let perSecond = 1_000_000_000 / max(meanInterval, 1000) * Int64(byteCount)
        let limit = max(configuration.budgetFloor, Int(perSecond) * configuration.budgetPercent / 100)
        return peers[place].budget.spend(
            byteCount, mediaBytes: statistics.mediaBytes, percent: configuration.budgetPercent, limit: limit)
    }

    private mutating func postpone(_ repair: QueuedRepair, _ now: Instant) {
        var later = repair
        later.due = now + .milliseconds(2)
        if later.due <= later.end {
            requeue(later)
        } else {
            statistics.overBudget += 1
        }
    }

    private mutating func requeue(_ repair: QueuedRepair) {
        queue.push(repair)
        peers[Int(repair.peer)].queuedCount += 1
    }

    private func copy(_ sequence: Int64, _ pool: PacketPool) -> Packet? {
        guard var packet = pool.allocate() else { return nil }
        let isCopied: Bool? = history.withPacket(sequence) { kept in
            guard kept.byteCount <= packet.spareByteCount else { return false }
            packet.append(kept.bytes)
            var info = kept.info
            info.flags.insert(.isRetransmission)
            packet.info = info
            return true
        }
        guard isCopied == true else { return nil }
        packet.modify { RTPHeader.markRetransmission(true, in: &$0) }
        return packet
    }
}
