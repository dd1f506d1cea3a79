public import FreshetCore
import FreshetWire

// What the control port hears.
extension GroupRepair {
    /// Packets that one datagram's requests and notices may name; what is behind them is passed over.
    static var namedLimit: Int { 1024 }

    /// A control datagram came from `peer`. `isLocal` says that it came from the own segment, by its hop
    /// limit or its address; `isFromSource`, that it came from where the media comes from: nobody else is believed what
    /// only the source can know. What is not RTCP, not about this stream, or one's own is passed over.
    public mutating func read(
        _ control: RawSpan, from peer: Peer, isLocal: Bool, isFromSource: Bool, now: Instant
    ) {
        guard var packets = CompoundPacket(parsing: control, allowsReducedSize: true) else { return }
        if isLocal { neighbourHeard = now }
        var ask = Ask(peer: peer, isLocal: isLocal)
        let isBelieved = isFromSource && !isSource
        while let packet = packets.next() {
            if packet.kind == RTCPPacket.Kind.application, packet.applicationName == Heartbeat.name {
                if let mark = SegmentMark(packet) {
                    // It was not meant to come this far.
                    if !isLocal { return }
                    ask.note(mark)
                } else {
                    readMessage(packet, from: peer, isLocal: isLocal, isBelieved: isBelieved, now: now)
                }
            } else if let request = RetransmissionRequest(packet), request.mediaSSRC == mediaSSRC {
                if request.senderSSRC == configuration.ssrc { return }
                ask.ssrc = request.senderSSRC
                read(request, packet, ask, now: now)
            } else if packet.kind == RTCPPacket.Kind.senderReport, isBelieved, let ssrc = packet.ssrc {
                if RTPHeader.originalSSRC(ssrc) == mediaSSRC { noteSource(peer) }
            }
        }
        catchUp(to: now)
    }

    /// Does what ``read(_:from:isLocal:isFromSource:now:)`` does with the datagram that `request` was read from.
    public mutating func hear(_ request: HeardRequest, now: Instant) {
        if request.ask.isLocal { neighbourHeard = now }
        if request.mediaSSRC == mediaSSRC {
            if request.ask.ssrc == configuration.ssrc { return }
            var ask = request.ask
            for sequence in sequences(of: request.entry) { hear(sequence, &ask, now: now) }
        }
        catchUp(to: now)
    }

    /// Looks at what ``hear(_:now:)`` will look at, and changes nothing. Who is to tell thousands of nodes of the same
    /// request looks at a few of them first: their memory comes at once then, not one after the other.
    public mutating func glance(at request: HeardRequest) -> Bool {
        answers.isPending(endingIn: request.entry.packetID)
    }

    private mutating func catchUp(to now: Instant) {
        if let due = holes.nextDue, due <= now { advanceHoles(to: now) }
        answers.advance(to: now)
    }

    private mutating func noteSource(_ peer: Peer) {
        if configuration.upstream == nil { sourcePeer = peer }
    }

    private mutating func readMessage(
        _ packet: borrowing RTCPPacket, from peer: Peer, isLocal: Bool, isBelieved: Bool, now: Instant
    ) {
        if let heartbeat = Heartbeat(packet) {
            guard isBelieved, RTPHeader.originalSSRC(heartbeat.ssrc) == mediaSSRC, heartbeat.packetCount > 0
            else {
                return
            }
            noteSource(peer)
            if let sequence = near(UInt16(truncatingIfNeeded: heartbeat.highestSequence)) {
                noteHighest(sequence, now: now)
            }
        } else if let advice = GroupAdvice(packet) {
            if advice.ssrc == mediaSSRC, isBelieved { read(advice, from: peer, now: now) }
        } else if let notice = LossNotice(packet) {
            if notice.mediaSSRC == mediaSSRC { read(notice, packet, from: peer, isLocal: isLocal, now: now) }
        } else if let notice = RepairerNotice(packet) {
            guard isLocal, notice.mediaSSRC == mediaSSRC else { return }
            if promises.place(of: peer, now: now) == nil {
                counts.ignored &+= 1
            } else if configuration.role != .designatedReceiver {
                election.read(notice, from: peer, now: now, random: &random)
            }
        } else if let report = GroupReport(packet) {
            if report.mediaSSRC == mediaSSRC, isSource { read(report, now: now) }
        } else if let digest = AckDigest(packet) {
            if digest.mediaSSRC == mediaSSRC { read(digest, from: peer, now: now) }
        }
    }

    /// The extended sequence number nearest to the newest one known that ends in `sequence`.
    func near(_ sequence: UInt16) -> Int64? {
        guard let highest else { return nil }
        let step = Int16(bitPattern: sequence &- UInt16(truncatingIfNeeded: highest))
        return highest &+ Int64(step)
    }

    private mutating func read(_ advice: GroupAdvice, from peer: Peer, now: Instant) {
        noteSource(peer)
        self.advice = advice
        adviceHeard = now
        let trip = Nanoseconds.microseconds(Int64(advice.groupRoundTrip))
        if trip > .zero { groupRoundTrip = min(max(trip, .microseconds(200)), configuration.roundTripLimit) }
        if advice.groupSize > 0 { sizeEstimate.set(UInt64(advice.groupSize)) }
        isSourceSpecific = configuration.feedback == .unicast || advice.flags.contains(.isSourceSpecific)
        let interval = Nanoseconds.milliseconds(Int64(advice.reportInterval))
        reportClock.set(max(interval, GroupCensus.shortestInterval), now: now, random: &random)
        let isNamed = advice.caller == configuration.ssrc
        if isNamed, !wasNamed { groupRole.appoint() }
        wasNamed = isNamed
        // Another begins: nobody has to by chance.
        if advice.flags.contains(.hasGroupCaller) { hasDrawnRole = true }
    }

    private mutating func read(_ report: GroupReport, now: Instant) {
        if report.flags.contains(.isOffer) {
            // The first is taken, and all are told before the next loss.
            guard !hasGroupCaller else { return }
            namedCaller = report.senderSSRC
            hasGroupCaller = true
            wantsAdvice = true
            return
        }
        let interval = Nanoseconds.milliseconds(Int64(report.interval))
        var trip: Nanoseconds?
        if report.stamp != 0 {
            let passed = stamp(now) &- report.stamp
            // A stamp from the future, or a delay longer than all that passed, is nonsense.
            if passed < 1 << 31, report.delay <= passed {
                trip = .microseconds(Int64(passed &- report.delay))
            }
        }
        census.note(ssrc: report.senderSSRC, interval: interval, roundTrip: trip)
        if namedCaller == 0 { namedCaller = report.senderSSRC }
    }

    /// The clock in microseconds that advices carry; never 0.
    func stamp(_ now: Instant) -> UInt32 { UInt32(truncatingIfNeeded: now.nanoseconds / 1000) | 1 }

    private mutating func read(
        _ notice: LossNotice, _ packet: borrowing RTCPPacket, from peer: Peer, isLocal: Bool, now: Instant
    ) {
        // From the own segment's members, or from the source.
        guard isLocal || peer == sourcePeer, notice.senderSSRC != configuration.ssrc else { return }
        guard let place = promises.place(of: peer, now: now) else {
            counts.ignored &+= 1
            return
        }
        let due = now + min(.microseconds(Int64(notice.lifetime) * 100), groupRoundTrip * 4)
        for index in 0..<notice.entryCount {
            guard let entry = packet.noticeEntry(at: index) else { return }
            for sequence in sequences(of: entry) {
                hearNotice(sequence, place: place, until: due, now: now)
                answers.postpone(sequence, until: now + segmentAnswer.timeout)
            }
        }
    }

    /// The packets that an entry names, near the newest one known; none before the first.
    private func sequences(of entry: NACKEntry) -> EntrySequences {
        EntrySequences(first: near(entry.packetID) ?? .min, mask: UInt32(entry.lostMask) << 1 | 1)
    }

    private mutating func read(
        _ request: RetransmissionRequest, _ packet: borrowing RTCPPacket, _ ask: Ask, now: Instant
    ) {
        guard let highest else { return }
        var ask = ask
        var named = 0
        for index in 0..<request.entryCount where named < GroupRepair.namedLimit {
            switch request.form {
            case .bitmask:
                guard let entry = packet.nackEntry(at: index) else { return }
                for sequence in sequences(of: entry) {
                    hear(sequence, &ask, now: now)
                    named &+= 1
                }
            case .range:
                guard let range = packet.nackRange(at: index), let first = near(range.first) else { return }
                let last = min(first &+ Int64(range.additionalCount), highest)
                guard first <= last else { continue }
                for sequence in first...min(last, first &+ Int64(GroupRepair.namedLimit &- named)) {
                    hear(sequence, &ask, now: now)
                    named &+= 1
                }
            }
        }
    }

    // One packet of a request: it may keep this member from asking, and have it answer.
    private mutating func hear(_ sequence: Int64, _ ask: inout Ask, now: Instant) {
        if !isSource { hearRequest(sequence, &ask, now: now) }
        if serves { consider(sequence, ask, now: now) }
    }

    private mutating func read(_ digest: AckDigest, from peer: Peer, now: Instant) {
        guard serves, isSource || election.isElected, digest.senderSSRC != configuration.ssrc,
            let base = near(UInt16(truncatingIfNeeded: digest.base))
        else { return }
        for index in 0..<digest.bitCount where digest.isMissing(index) {
            considerDigest(base &+ Int64(index), peer: peer, now: now)
        }
    }
}

/// What a request says beside the packets it names.
struct Ask {
    var peer: Peer
    /// Came from the own segment.
    var isLocal: Bool
    /// Who asks; 0 in RIST's range form.
    var ssrc: UInt32 = 0
    /// Whom it asks.
    var scope = RepairScope.group
    /// How long the asker waits before it asks again; `nil`: it does not say.
    var patience: Nanoseconds?
    /// Its place in the table of promises, once it was looked up; who asks the segment promises nothing: whether it is
    /// answered is up to those who hear it.
    var promise = Promise.unknown

    /// What the table of promises says.
    enum Promise {
        case unknown
        case ignored
        case place(UInt8)
    }

    init(peer: Peer, isLocal: Bool) {
        self.peer = peer
        self.isLocal = isLocal
    }

    /// The datagram is for the asker's segment.
    mutating func note(_ mark: SegmentMark) {
        scope = .segment
        if mark.patience > 0 { patience = .microseconds(Int64(mark.patience) * 10) }
    }
}

/// The sequence numbers that one entry of a request names.
struct EntrySequences: Sequence, IteratorProtocol {
    let first: Int64
    var mask: UInt32

    mutating func next() -> Int64? {
        if mask == 0 || first == .min { return nil }
        let bit = mask.trailingZeroBitCount
        mask &= mask &- 1
        return first &+ Int64(bit)
    }
}
