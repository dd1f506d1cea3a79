public import FreshetCore
import FreshetWire

/// A repair to send: the packet, marked as a retransmission, and where it goes (the media port).
public struct OutgoingRepair: ~Copyable {
    /// The packet.
    public var packet: Packet
    /// Where it goes.
    public let destination: Destination

    /// Gives the packet out.
    public consuming func takePacket() -> Packet { packet }
}

/// How a ``GroupRepair`` stands.
public struct GroupStanding: Sendable {
    /// ``GroupRepair/nextDeadline``.
    public let nextDeadline: Instant?
    /// ``GroupRepair/hasWork``.
    public let hasWork: Bool
    /// ``GroupRepair/openHoleCount``.
    public let openHoleCount: Int
    /// The newest packet that is known to have been sent; `nil` before the first.
    public let newest: Int64?
    /// Who answers for the segment, while the node is at rest and leaves that to another: then repairs, notices of others,
    /// and requests of others for a packet that was not asked for before are only noted.
    public let answerer: Peer?
}

/// Repair on a multicast group: one for every member, viewer or relay, and one for the source.
///
/// Who misses a packet asks on its own segment first, where an elected member answers at once; what the
/// segment misses is asked for in the group by one member while thousands hear it and stay quiet (RFC 5401,
/// SRM), and the source's one repair to the group heals them all. Pure: the edge gives it packets, control
/// datagrams and the time, and is given datagrams and repairs.
///
/// Everything is bounded and taken at start: holes, packets held, answers pending, peers remembered, and
/// what repair may cost.
public struct GroupRepair: ~Copyable {
    // What every packet and request looks at stands together and comes first: a host with thousands of nodes mostly waits
    // for their memory.
    var highest: Int64?
    /// The stream's SSRC, retransmission bit clear.
    public internal(set) var mediaSSRC: UInt32
    var hasAskingHoles = false
    var wantsLossNotice = false
    var wantsAdvice = false
    var isSourceSpecific = false
    var receivedSinceReport: UInt32 = 0
    var missingSinceReport: UInt32 = 0
    var nextAdvice: Instant?
    var nextDigest: Instant?
    var neighbourHeard: Instant?
    var holes: GroupHoles
    var answers: PendingAnswers
    var held: HeldPackets
    var allowance: RepairAllowance
    var election: LocalRepairer
    var reportClock = ReportClock()
    var segmentAnswer: AnswerTime
    /// The parameters, as given.
    public let configuration: GroupConfiguration
    var askers: AskerTable
    var settled = SettledHoles()

    var random: PRNG
    /// What was done and seen.
    public internal(set) var counts = GroupCounts()
    var promises = PromiseTable()
    var census: GroupCensus
    var segmentRole = CallerRole(limit: 2, sharedShare: CallerRole.sharedStart)
    var groupRole = CallerRole(limit: 1)
    var segmentStretch = WindowStretch()
    /// Losses that went by without a word of anybody, less those that did not: halvings of the window of waits.
    var silentLosses: UInt8 = 0
    var groupAnswer: AnswerTime
    /// The group's round trip as the source last said.
    var groupRoundTrip: Nanoseconds
    var sizeEstimate: SizeEstimate
    /// Of 255: how often the segment had of late what this member missed. The first time decides.
    var segmentHelp = GroupRepair.helpful - 1
    var reorderWait: Nanoseconds
    var sourcePeer: Peer?
    var advice: GroupAdvice?
    var adviceHeard = Instant.zero
    var wasNamed = false
    var hasDrawnRole = false
    var hasOffered = false
    var namedCaller: UInt32 = 0
    var hasGroupCaller = false
    var receptionLoss: UInt32 = 0

    /// A node in the role that `configuration` says. `random` gives it waits of its own: two members of a
    /// group must not be given the same.
    public init(_ configuration: GroupConfiguration, random: PRNG) {
        let isSource = configuration.role == .source
        let serves = configuration.serves || isSource || configuration.role == .designatedReceiver
        self.configuration = configuration
        self.random = random
        mediaSSRC = RTPHeader.originalSSRC(configuration.mediaSSRC)
        holes = GroupHoles(capacity: isSource ? 1 : max(1, configuration.holeCapacity))
        held = HeldPackets(
            capacity: serves ? max(1, configuration.historyCapacity) : 1,
            duration: configuration.historyDuration)
        answers = PendingAnswers(capacity: serves ? min(256, max(1, configuration.historyCapacity)) : 1)
        allowance = RepairAllowance(
            perMille: isSource ? configuration.repairPerMille : configuration.segmentRepairPerMille,
            burst: configuration.repairBurst)
        askers = AskerTable(perMille: configuration.askerPerMille, burst: configuration.askerBurst)
        election = LocalRepairer(
            ssrc: configuration.ssrc,
            mayServe: serves && !isSource && configuration.feedback == .multicast,
            interval: configuration.noticeInterval)
        census = GroupCensus(
            size: configuration.groupSizeEstimate, roundTrip: configuration.groupRoundTrip,
            roundTripLimit: configuration.roundTripLimit)
        segmentAnswer = AnswerTime(guess: configuration.segmentAnswerTime)
        groupAnswer = AnswerTime(guess: configuration.groupRoundTrip)
        groupRoundTrip = configuration.groupRoundTrip
        sizeEstimate = SizeEstimate(configuration.groupSizeEstimate)
        reorderWait = configuration.reorderWait
        sourcePeer = configuration.upstream
        isSourceSpecific = configuration.feedback == .unicast
    }

    /// Missing packets that may still come.
    public var openHoleCount: Int { holes.openCount }
    /// About how many members the group has: what the source reckons, or what it last said.
    public var groupSize: UInt64 { isSource ? census.size : sizeEstimate.value }
    /// The group's round trip: what the source reckons, or what it last said.
    public var groupRoundTripEstimate: Nanoseconds { isSource ? census.roundTrip : groupRoundTrip }
    /// True when this member answers first on its segment.
    public var isRepairer: Bool { election.isElected }

    /// True for the two that this node speaks to beside the group: the source, and who answers for the segment.
    public func speaks(to peer: Peer) -> Bool { peer == sourcePeer || peer == election.holder?.peer }

    var isSource: Bool { configuration.role == .source }
    var serves: Bool { configuration.serves || configuration.role != .member }

    /// The stream starts anew under another SSRC: all that is known of the old packets is forgotten, what is
    /// known of the group stays.
    public mutating func restart(mediaSSRC: UInt32) {
        self.mediaSSRC = RTPHeader.originalSSRC(mediaSSRC)
        holes = GroupHoles(capacity: isSource ? 1 : max(1, configuration.holeCapacity))
        held.removeAll()
        settled.removeAll()
        answers = PendingAnswers(capacity: serves ? min(256, max(1, configuration.historyCapacity)) : 1)
        highest = nil
        hasAskingHoles = false
        wantsLossNotice = false
    }

    // MARK: What the line carries

    /// A packet of the stream passed: a source gives every packet it sends, a member every packet it
    /// receives, duplicates and repairs too. A node that serves keeps a share of it. `isLocal` says whether
    /// it came from the own segment, if that is known; it serves the counts.
    public mutating func note(_ packet: borrowing Packet, isLocal: Bool? = nil, now: Instant) {
        let info = packet.info
        guard info.flags.contains(.hasSequence) else { return }
        let isRetransmission = info.flags.contains(.isRetransmission)
        // What a member did not miss itself is kept too when it is new; a repair fills its own hole first.
        if serves, !held.contains(info.extendedSequence) { held.put(packet, now: now) }
        note(
            info.extendedSequence, isRetransmission: isRetransmission, byteCount: packet.byteCount,
            isLocal: isLocal, now: now)
    }

    /// A packet passed, of which only the number is known: for a member that keeps none.
    public mutating func note(
        _ sequence: Int64, isRetransmission: Bool, byteCount: Int, isLocal: Bool? = nil, now: Instant
    ) {
        if isRetransmission {
            noteRepair(sequence, now: now)
        } else {
            allowance.earn(byteCount)
            askers.notePacket()
            receivedSinceReport &+= 1
        }
        guard let highest else {
            if !isRetransmission { self.highest = sequence }
            return
        }
        if sequence > highest {
            // A retransmission says nothing about the end of the stream that a request did not know before.
            if isRetransmission { return }
            if sequence > highest &+ 1, !isSource { miss(highest &+ 1..<sequence, now: now) }
            self.highest = sequence
        } else if let index = holes.index(of: sequence) {
            fill(index, isRetransmission: isRetransmission, isLocal: isLocal, now: now)
        }
    }

    /// Packets `run` passed, each of `byteCount` bytes, in order, the first right behind the newest one known; they are on
    /// `shelf`, which a node that serves needs. The same as
    /// ``note(_:isLocal:now:)`` of each of them, but that their age does not end their being kept.
    public mutating func noteRun(_ run: ClosedRange<Int64>, byteCount: Int, from shelf: PacketShelf) {
        precondition(highest.map { $0 &+ 1 == run.lowerBound } ?? true, "a run follows the newest packet")
        if serves { held.putRun(run, from: shelf) }
        allowance.earn(byteCount &* run.count)
        askers.notePackets(run.count)
        receivedSinceReport &+= UInt32(truncatingIfNeeded: run.count)
        highest = run.upperBound
    }

    /// The source says that `sequence` was sent (a heartbeat): packets up to it that did not come are missing.
    public mutating func noteHighest(_ sequence: Int64, now: Instant) {
        guard let highest, sequence > highest, !isSource else { return }
        miss(highest &+ 1..<sequence &+ 1, now: now)
        self.highest = sequence
    }

    /// True when nothing is missing here and nobody is owed an answer: what others say and send leads to nothing.
    @inline(__always)
    public var isAtRest: Bool { holes.openCount == 0 && answers.nextDue == nil && !answers.hasReady }

    /// A repair of `sequence`, which is not missing here, passed: later requests for it are late. What
    /// ``note(_:isLocal:now:)`` does with such a packet, for who has no packet at hand.
    public mutating func noteForeignRepair(_ sequence: Int64, now: Instant) { noteRepair(sequence, now: now) }

    /// Somebody else than the source sends the packet again whose number ends in `sequenceNumber`. True when it fills a
    /// hole here and is to be taken: nothing else is taken from others, so that nobody replaces what the source is still
    /// to send, or makes its numbers look as if they began again. Of one that is here it is only noted that it passed.
    public mutating func noteNeighboursRepair(_ sequenceNumber: UInt16, now: Instant) -> Bool {
        guard let sequence = near(sequenceNumber), let highest, sequence <= highest else { return false }
        if holes.index(of: sequence) != nil { return true }
        noteRepair(sequence, now: now)
        return false
    }

    private mutating func noteRepair(_ sequence: Int64, now: Instant) {
        if let time = answers.noteRepair(sequence, now: now), !isSource { segmentAnswer.note(time) }
    }

    // MARK: Time

    /// When ``advance(to:)`` wants to be called next; `nil` while nothing is awaited.
    @inline(__always)
    public var nextDeadline: Instant? {
        var next = earliest(holes.nextDue, answers.nextDue)
        next = earliest(next, earliest(election.due, reportClock.due))
        return earliest(next, earliest(nextAdvice, nextDigest))
    }

    /// How this node stands, for who runs thousands of them. Changes nothing; a mutating call is made where the node
    /// is, while the compiler moves something as large for each property that is asked for.
    public mutating func standing() -> GroupStanding {
        GroupStanding(
            nextDeadline: nextDeadline, hasWork: hasWork, openHoleCount: holes.openCount, newest: highest,
            answerer: isAtRest && mode == .multicast && configuration.role == .member && !election.isElected
                ? election.holder?.peer : nil)
    }

    /// True when something waits to be drained at once, whatever ``nextDeadline`` says.
    @inline(__always)
    public var hasWork: Bool { hasAskingHoles || wantsLossNotice || wantsAdvice || answers.hasReady }

    /// Lets time pass up to `now`. Afterwards ``nextTransmit(into:now:)`` and ``nextRepair(pool:now:)`` are
    /// drained.
    public mutating func advance(to now: Instant) {
        if let due = holes.nextDue, due <= now { advanceHoles(to: now) }
        answers.advance(to: now)
        if isSource {
            if nextAdvice == nil { nextAdvice = now }
        } else {
            election.advance(to: now, random: &random)
            if configuration.role == .designatedReceiver { election.appoint(now: now) }
            if configuration.feedback == .digest, nextDigest == nil {
                let phase = random.below(UInt64(max(1, configuration.digestInterval.count)))
                nextDigest = now + Nanoseconds(Int64(phase))
            }
        }
    }
}
