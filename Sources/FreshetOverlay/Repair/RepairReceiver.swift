internal import FreshetCoding
public import FreshetCore
public import FreshetWire

/// The receiving end of repair on a unicast link: notices what is missing, asks for it while it can still come in time,
/// and says nothing otherwise.
///
/// Each hole has a deadline, after which it is of no use. It is asked for in *rounds*: a request sent a few times, the
/// answer, and the next round when the answer should have come. How many rounds fit, how many copies each wants and how
/// often its request is sent is ``RepairPolicy``'s business. To a source that showed Freshet's heartbeat go Freshet's
/// requests, which it answers once a round; to others RIST's (VSF TR-06-1 §5.3).
public struct RepairReceiver: ~Copyable {
    /// How a receiver asks.
    public struct Configuration: Sendable {
        /// How long a missing packet is waited for after it was noticed.
        public var latency: Nanoseconds
        /// The receiver's own SSRC, for reports and requests.
        public var ssrc: UInt32
        /// The receiver's canonical name.
        public var name: CanonicalName
        /// RIST's range form instead of the bitmask form, to sources that are not Freshet's.
        public var usesRanges = false
        /// Missing packets kept in mind at once; what is missing beyond that is not asked for.
        public var maximumHoles = 4096
        /// Between two receiver reports (VSF TR-06-1 §5.2.1: 100 ms at most).
        public var reportInterval = Nanoseconds.milliseconds(100)
        /// The round trip assumed before one is measured.
        public var assumedRoundTrip = Nanoseconds.milliseconds(40)
        /// The latency fits itself to the link: see ``RepairReceiver/latency``.
        public var fitsLatency = false
        /// Parity is understood by whoever uses this receiver.
        public var takesParity = false
        /// Packets sent before the first one that came are wanted too, when the source says that there were any.
        public var wantsHead = true
        /// From one packet of the receiver's to the next: 1, or how many stripes there are when it has one of them.
        public var stride: Int64 = 1
        /// The goals of repair.
        public var policy = RepairPolicy()

        /// A receiver called `name` that waits `latency` for missing packets.
        public init(latency: Nanoseconds, ssrc: UInt32, name: CanonicalName) {
            self.latency = latency
            self.ssrc = ssrc
            self.name = name
        }
    }

    /// What a packet is to the receiver.
    public enum Verdict: Sendable {
        /// Sent for the first time, in order or not.
        case original
        /// A repair of a hole that was open.
        case repair
        /// A repair of what was not missing, or no longer is.
        case unneeded
        /// A repair of what was never asked for and cannot be missing: it should be dropped.
        case unasked
    }

    /// What happened so far.
    public struct Statistics: Sendable {
        /// Nothing happened.
        public init() {}

        /// Holes noticed.
        public var holes = 0
        /// Holes filled by repairs.
        public var recovered = 0
        /// Holes filled by the packet itself, which was only late.
        public var reordered = 0
        /// Holes given up.
        public var lost = 0
        /// Missing packets that were never asked for, since there were too many.
        public var unaskable = 0
        /// Repairs of what was not missing any more, and of what never was.
        public var unneeded = 0
        /// Repairs of what nobody asked for.
        public var unasked = 0
        /// Request datagrams sent, and their bytes.
        public var requests = 0
        /// Bytes of all that was sent.
        public var controlBytes = 0
        /// Rounds by what was chosen, indexed by ``RepairPolicy/Choice``.
        public var choices = InlineArray<5, Int>(repeating: 0)

        /// How often `choice` was made.
        public subscript(choice: RepairPolicy.Choice) -> Int { choices[choice.rawValue] }
    }

    let configuration: Configuration
    /// How long a missing packet is waited for; may change on the way.
    public internal(set) var latency: Nanoseconds
    var random: PRNG
    var holes: HoleTable
    var echo = EchoExchange()
    var loss = LossEstimate()
    var report = ReceptionReport()
    /// What happened so far.
    public internal(set) var statistics = Statistics()
    /// Completion times of repairs and lateness, for a latency that fits itself.
    public internal(set) var latencyControl: LatencyControl
    /// The source whose packets come, retransmission bit clear; `nil` before the first.
    public internal(set) var mediaSSRC: UInt32?
    /// True once the source has shown a Freshet heartbeat.
    public internal(set) var isFreshetPeer = false

    var highest: Int64 = .min
    var firstSequence: Int64 = 0
    var firstArrival = Instant.zero
    var isHeadKnown = false
    var lastArrival = Instant.zero
    var meanInterval: Int64 = 0
    var suspect: Int64?
    /// How long to wait before asking, since packets overtake each other that much.
    var tolerance = Nanoseconds.zero
    /// When the holes must be looked at again.
    var nextVisit = Instant.distantFuture
    /// Requests are due: holes above the cursor are still to be put into datagrams.
    var isAskDue = false
    var askCursor: Int64 = .min
    var lastAsk = Instant.zero
    var nextReport = Instant.distantFuture
    var owedEcho: (stamp: UInt64, arrival: Instant)?
    var entries: [RepairEntry]
    var nackEntries: [NACKEntry]
    var nackRanges: [NACKRange]

    /// A receiver that has seen nothing; its chance comes from `random`.
    public init(_ configuration: Configuration, random: PRNG) {
        self.configuration = configuration
        self.random = random
        latency = configuration.latency
        latencyControl = LatencyControl(initial: configuration.latency)
        holes = HoleTable(capacity: configuration.maximumHoles)
        let none = RepairEntry(offset: 0, round: 0, window: 0)
        entries = Array(repeating: none, count: RepairRequest.entryLimit)
        nackEntries = Array(repeating: NACKEntry(packetID: 0, lostMask: 0), count: RepairReceiver.nackLimit)
        nackRanges = Array(
            repeating: NACKRange(first: 0, additionalCount: 0), count: RepairReceiver.nackLimit)
    }

    /// From which loss on, in parts per million, a plain RIST source is asked twice for one copy.
    static let repeatFrom = 20_000
    /// With so many packets in a round trip, parity in answer finds the packets of its window gone from the decoder:
    /// copies are asked for.
    static let parityReach = Int64(RLCDecoder.usualWindow) * 7 / 8
    /// The most entries in one RIST request.
    static let nackLimit = 240
    /// A packet this far ahead of all others needs another one nearby to be believed.
    static let jumpLimit: Int64 = 128

    // MARK: What the line carries

    /// A media packet came: its extended sequence number, whether it is marked as a retransmission, its source, and its
    /// size. In the order of arrival.
    @discardableResult
    @inline(__always)
    public mutating func note(
        sequence: Int64, isRetransmission: Bool, mediaSSRC ssrc: UInt32, byteCount: Int, arrival: Instant
    ) -> Verdict {
        if sequence == highest &+ configuration.stride, !isRetransmission, suspect == nil {
            highest = sequence
            meanInterval &+= ((arrival - lastArrival).count &- meanInterval) >> 6
            lastArrival = arrival
            report.received &+= 1
            loss.note(lostBefore: 0)
            return .original
        }
        return noteOther(sequence, isRetransmission, ssrc, arrival)
    }

    @inline(never)
    private mutating func noteOther(
        _ sequence: Int64, _ isRetransmission: Bool, _ ssrc: UInt32, _ arrival: Instant
    ) -> Verdict {
        if highest == .min || mediaSSRC != ssrc & ~1 {
            if isRetransmission { return .unasked }
            start(sequence, ssrc, arrival)
            return .original
        }
        if sequence > highest {
            // A repair ahead of all that came tells no more than that its number was sent.
            if isRetransmission { return .unasked }
            noteAhead(sequence, arrival)
            return .original
        }
        return fill(sequence, isRetransmission, arrival)
    }

    private mutating func start(_ sequence: Int64, _ ssrc: UInt32, _ arrival: Instant) {
        reset()
        mediaSSRC = ssrc & ~1
        highest = sequence
        firstSequence = sequence
        firstArrival = arrival
        isHeadKnown = false
        lastArrival = arrival
        report.start(at: sequence)
        // Where nothing is known, the round trip is what matters first.
        nextReport = arrival
    }

    private mutating func noteAhead(_ sequence: Int64, _ arrival: Instant) {
        let jumpLimit = RepairReceiver.jumpLimit * configuration.stride
        if sequence &- highest > jumpLimit {
            guard let other = suspect, abs(sequence &- other) <= jumpLimit else {
                suspect = sequence
                return
            }
        }
        suspect = nil
        let missing = Int((sequence &- highest) / configuration.stride &- 1)
        loss.note(lostBefore: missing)
        open(through: sequence &- configuration.stride, at: arrival, patience: tolerance)
        highest = sequence
        let interval = (arrival - lastArrival).count / Int64(missing + 1)
        meanInterval &+= (interval &- meanInterval) >> 6
        lastArrival = arrival
        report.received &+= 1
    }

    /// The source says that it has sent `sequence`: what is missing up to there was lost at the tail.
    public mutating func noteHighest(_ sequence: Int64, now: Instant) {
        isFreshetPeer = true
        guard highest != .min, sequence > highest else { return }
        let ahead = (sequence &- highest) / configuration.stride
        guard ahead > 0, ahead <= Int64(holes.capacity) else { return }
        let last = highest &+ ahead &* configuration.stride
        // Media may be on the way still, behind the control packet that told of it.
        let patience = max(tolerance, Nanoseconds(min(meanInterval * 2, 5_000_000)))
        open(through: last, at: now, patience: patience)
        highest = last
    }

    private mutating func open(through last: Int64, at now: Instant, patience: Nanoseconds) {
        let stride = configuration.stride
        var sequence = highest &+ stride
        let count = Int((last &- highest) / stride)
        if count <= 0 { return }
        let room = holes.capacity - holes.count
        if count > room {
            // The newest have the most time left.
            statistics.unaskable += count - room
            sequence = last &+ stride &- Int64(room) &* stride
        }
        if patience.count > 0 { statistics.choices[RepairPolicy.Choice.wait.rawValue] += 1 }
        let begin = now + patience
        while sequence <= last {
            holes.append(hole(sequence, noticed: now, begin: begin))
            sequence &+= stride
        }
        nextVisit = min(nextVisit, begin)
    }

    private mutating func hole(_ sequence: Int64, noticed: Instant, begin: Instant) -> Hole {
        statistics.holes += 1
        return Hole(sequence: sequence, noticed: noticed, deadline: noticed + latency, nextRound: begin)
    }

    /// The stream began with `sequence`: what is missing from there to the first packet that came was lost. Only for who
    /// is there from the start; others want what comes, not what was.
    public mutating func noteFirst(_ sequence: Int64, now: Instant) {
        guard highest != .min, sequence < firstSequence, now - firstArrival < latency else { return }
        let missing = (firstSequence &- sequence) / configuration.stride
        guard missing > 0, missing <= Int64(holes.capacity - holes.count) else { return }
        for step in 1...missing {
            let number = firstSequence &- step &* configuration.stride
            holes.prepend(hole(number, noticed: firstArrival, begin: now))
        }
        firstSequence &-= missing &* configuration.stride
        nextVisit = min(nextVisit, now)
    }

    /// A packet came that was sent before the first one: what lies between them is missing.
    private mutating func noteEarlier(_ sequence: Int64, _ arrival: Instant) {
        noteFirst(sequence &+ configuration.stride, now: arrival)
        firstSequence = sequence
    }

    private mutating func fill(_ sequence: Int64, _ isRetransmission: Bool, _ arrival: Instant) -> Verdict {
        guard let place = holes.find(sequence) else {
            if !isRetransmission {
                if sequence < firstSequence { noteEarlier(sequence, arrival) }
                return .original
            }
            guard highest &- sequence < Int64(holes.capacity) * 4 * configuration.stride else {
                statistics.unasked += 1
                return .unasked
            }
            statistics.unneeded += 1
            if let wait = givenUp.take(sequence, at: arrival) { latencyControl.note(completion: wait) }
            return .unneeded
        }
        let hole = holes[place]
        if hole.isFilled {
            statistics.unneeded += isRetransmission ? 1 : 0
            return isRetransmission ? .unneeded : .original
        }
        let wait = arrival - hole.noticed
        holes.fill(place)
        latencyControl.note(completion: wait)
        if isRetransmission {
            statistics.recovered += 1
            return .repair
        }
        report.received &+= 1
        noteReordering(wait, arrival)
        return .original
    }

    /// A packet that seemed lost came `wait` after one that was sent later.
    private mutating func noteReordering(_ wait: Nanoseconds, _ arrival: Instant) {
        statistics.reordered += 1
        loss.takeBack()
        // Two sources at once, or one that sends what it kept before what comes: that says nothing of either's way.
        if arrival < orderCounts { return }
        let wanted = wait + wait / 4
        let limit = latency / 4
        if wanted > tolerance { tolerance = min(wanted, limit) }
        reorderedAt = arrival
    }

    /// From when on the order of packets is the source's.
    var orderCounts = Instant.zero
    /// So long after a change of source it is not.
    static let changeSpan = Nanoseconds.milliseconds(500)
    /// When packets last overtook each other.
    var reorderedAt = Instant.zero
    /// Holes whose repairs may still come, too late.
    var givenUp = GivenUpHoles()

    /// A missing packet came some other way (parity, a second path): it is not asked for any more.
    public mutating func noteFilled(_ sequence: Int64, arrival: Instant) {
        guard let place = holes.find(sequence), !holes[place].isFilled else { return }
        latencyControl.note(completion: arrival - holes[place].noticed)
        holes.fill(place)
        statistics.recovered += 1
    }

    /// Forgets the stream: a new source, or a new epoch. What is known of the link stays.
    public mutating func reset() {
        holes.removeAll()
        highest = .min
        suspect = nil
        meanInterval = 0
        mediaSSRC = nil
        isFreshetPeer = false
        isAskDue = false
        nextVisit = .distantFuture
        report = ReceptionReport()
    }

    /// Another neighbour is asked from now on: what is known of the way to the old one says nothing of it, and what is
    /// missing is asked for anew. `roundTrip`: the new one's, where it was measured by other means.
    public mutating func changeSource(now: Instant, roundTrip: Nanoseconds? = nil) {
        echo = EchoExchange(assuming: roundTrip)
        loss = LossEstimate()
        tolerance = .zero
        orderCounts = now + RepairReceiver.changeSpan
        nextReport = min(nextReport, now)
        for index in 0..<holes.count where !holes[index].isFilled {
            holes[index].nextRound = now
            nextVisit = now
        }
    }

    /// Missing packets are waited for `latency` from now on, those noticed before too.
    public mutating func setLatency(_ latency: Nanoseconds) {
        let more = latency - self.latency
        self.latency = latency
        for index in 0..<holes.count { holes[index].deadline = holes[index].deadline + more }
    }

    // MARK: What is known

    /// The round trip to the source and its spread.
    public var roundTrip: RoundTrip { echo.roundTrip }
    /// The share of packets lost on the way here, in parts per million.
    public var lossPartsPerMillion: Int { loss.meanPartsPerMillion }
    /// Mean packets lost in a row; 1 when they are lost independently.
    public var burstLength: Int { loss.burst }
    /// Missing packets that may still come.
    public var openHoleCount: Int { holes.openCount }
    /// The highest sequence number known to have been sent; `nil` before the first.
    public var highestSequence: Int64? { highest == .min ? nil : highest }
}
