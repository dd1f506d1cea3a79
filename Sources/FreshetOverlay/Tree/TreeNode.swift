public import FreshetCore
public import FreshetWire

/// A member of a relay tree, source, relay or viewer, without sockets or a clock. Per stripe it has one parent and warm
/// backups; it forwards to the children that come with a ticket; when a parent falls silent it calls a backup first and
/// tells the coordinator after.
///
/// The edge gives it what comes: RTP packets by ``note(_:isParity:from:now:)`` (which answers whether to
/// forward them), other datagrams by ``read(_:from:now:)``, the coordinator's messages by
/// ``receive(_:now:)``, and the time by ``advance(to:)`` at ``nextDeadline``. It then sends what
/// ``nextTransmit(into:)`` and ``nextMessage()`` give and does what ``nextEvent()`` says. Packets and their
/// history stay with the edge; so does repair, hop by hop, for which links are numbered as peers.
///
/// The child's side is in TreeNodeUpstream.swift, the parent's in TreeNodeDownstream.swift, the coordinator in
/// TreeNodeControl.swift, what time brings in TreeNodeUpkeep.swift.
public struct TreeNode: ~Copyable {
    /// The parameters.
    public let configuration: TreeNodeConfiguration
    var random: PRNG
    var now: Instant
    let cookies: CookieMaker

    /// Its number; nobody before it is welcome.
    public internal(set) var member = MemberID.none
    /// The stream's SSRC; 0 before it is known.
    public internal(set) var epoch: UInt32 = 0
    /// Stripes, parity not counted.
    public internal(set) var stripeCount = 1
    var hasParity = false
    /// A stripe of parity is behind the others.
    public var hasParityStripe: Bool { hasParity }
    var slotLimit = 0
    var ticketKey = SipKey(low: 0, high: 0)
    var era: UInt32 = 0

    var links: [TreeLink?] = []
    var freeLinks: [Int] = []
    var linkOfAddress: [PeerAddress: Int] = [:]
    /// Links that carry something in a direction, for the limit.
    var linkCount = 0
    /// An assignment is being taken: parents are asked once for all that is wanted of them.
    var isGathering = false
    var stripes: [UpstreamStripe] = [UpstreamStripe()]
    var window: ReceivedWindow
    var parityWindow: ReceivedWindow
    /// The lowest number that has come, and when the first packet did; `nil` before.
    var first: (lowest: Int64, at: Instant)?
    /// Stripe-children that it sends to, for the slots.
    public internal(set) var childCount = 0
    /// Which address used a ticket's serial: a second one is a thief.
    var serialOwners: [UInt32: PeerAddress] = [:]
    var serialOrder: [UInt32] = []

    /// Where it is in the network.
    public internal(set) var coordinate = NetworkCoordinate()
    /// How the stream reaches it: set by the edge, counts added to; goes into the next report.
    public var delivery = DeliveryReport()
    /// Round trips it was told from.
    var sampleCount = 0
    var survey = LocationSurvey()
    /// A survey has told where it is.
    var isSettled = false
    /// Routers on its way to the coordinator, the nearest first, as far as the edge has found them: told with the next
    /// `join`.
    public var routers: [String] = []
    var isConnected = false
    var reportInterval: Nanoseconds = .seconds(2)
    var reportDeadline: Instant?
    var linkDeadline: Instant?
    var leavingAt: Instant?
    /// How far the stream had come when somebody who knows last said so; `nil` before. Numbers on the wire are extended
    /// to the one nearest to it.
    public internal(set) var knownSequence: Int64?
    /// The coordinator's word for the end, in case that no parent says it.
    var announcedEnd: (sequence: Int64, at: Instant)?
    /// The last packet's number once the stream is over.
    public internal(set) var finalSequence: Int64?
    var slowChildren: [MemberID] = []
    var goodbyesLeft = 0
    var goodbyeDeadline: Instant?

    /// False while nothing can be waiting to go out: that is asked after every packet.
    private var mayHaveOutput = false
    var transmits: [(PeerAddress, LinkMessage)] = [] { didSet { mayHaveOutput = true } }
    var transmitHead = 0
    var goodbyes: [PeerAddress] = [] { didSet { mayHaveOutput = true } }
    var farewells = Farewells()
    var punches = Punches()
    var outside = OutsideSearch()
    var uplink = UplinkProbe()
    var messages: [ControlMessage] = [] { didSet { mayHaveOutput = true } }
    var events: [TreeEvent] = [] { didSet { mayHaveOutput = true } }
    var eventHead = 0

    /// What a node counts.
    public struct Tally: Equatable, Sendable {
        /// Packets that were new.
        public var receivedCount = 0
        /// Copies of packets that had come.
        public var duplicateCount = 0
        /// Times a parent fell silent.
        public var silenceCount = 0
        /// Times a new parent sent.
        public var moveCount = 0
        /// Times a loop was noticed, by path or by refusal.
        public var loopCount = 0
        /// Subscriptions and activations refused.
        public var refusedCount = 0
        /// Link messages that nobody should have sent: wrong token, cookie, ticket or form.
        public var rejectedCount = 0
        /// Link messages sent.
        public var sentCount = 0
        /// Their bytes, UDP and IP headers not counted.
        public var sentByteCount = 0
    }
    /// What happened so far.
    public internal(set) var tally = Tally()

    /// A node that is in no tree yet.
    public init(configuration: TreeNodeConfiguration, random: PRNG, now: Instant) {
        self.configuration = configuration
        self.random = random
        self.now = now
        cookies = CookieMaker(key: SipKey(low: self.random.next(), high: self.random.next()))
        window = ReceivedWindow(packetCount: configuration.windowPacketCount)
        parityWindow = ReceivedWindow(packetCount: 1_024)
        // Coordinates are told from the source's at first: it is sure of its own.
        if configuration.join.role == .source { coordinate.errorPerMille = 50 }
    }

    /// True for the node that makes the stream.
    public var isSource: Bool { configuration.join.role == .source }

    /// Stripes in all, parity counted.
    public var totalStripes: Int { stripes.count }

    /// Who sends `stripe`; nobody while it looks for a parent.
    public func parent(of stripe: Int) -> MemberID {
        guard stripes.indices.contains(stripe), stripes[stripe].parent >= 0 else { return .none }
        return links[stripes[stripe].parent]?.member ?? .none
    }

    /// Who is above on `stripe`, the parent last.
    public func path(of stripe: Int) -> AncestorPath { stripes[stripe].path }

    /// The highest extended sequence number that has come; `nil` before the first.
    public var highestSequence: Int64? { window.highest }

    // MARK: Packets

    /// What ``note(_:isParity:from:now:)`` found.
    public struct Noted: Equatable, Sendable {
        /// The stripe: forward to ``forwardLinks(of:)``.
        public var stripe: Int
        /// False for a copy of what has come, which is not forwarded.
        public var isNew: Bool
    }

    /// Notes a packet that came on link `link` (the source's own packets: `nil`), whether sent or repaired.
    public mutating func note(
        _ sequence: Int64, isParity: Bool = false, from link: Int?, now: Instant
    ) -> Noted {
        self.now = now
        let stripe = isParity ? stripes.count - 1 : Int(sequence.magnitude % UInt64(stripeCount))
        let isNew = isParity ? parityWindow.insert(sequence) : window.insert(sequence)
        if let link { noteArrival(sequence, stripe, from: link) }
        guard isNew else {
            tally.duplicateCount += 1
            return Noted(stripe: stripe, isNew: false)
        }
        tally.receivedCount += 1
        if !isParity { first = (min(first?.lowest ?? sequence, sequence), first?.at ?? now) }
        if isSource, tally.receivedCount == 1 { tellStart() }
        stripes[stripe].receivedCount += 1
        stripes[stripe].highest = max(stripes[stripe].highest ?? sequence, sequence)
        stripes[stripe].forwarded = now
        return Noted(stripe: stripe, isNew: true)
    }

    private mutating func noteArrival(_ sequence: Int64, _ stripe: Int, from link: Int) {
        if let last = stripes[stripe].packetAt {
            let gap = min(1_000_000_000, (now - last).count)
            stripes[stripe].gap += (gap - stripes[stripe].gap) / 8
        }
        stripes[stripe].packetAt = now
        if link == stripes[stripe].parent {
            stripes[stripe].heard = now
            if stripes[stripe].isStarving { stay(stripe) }
        } else if link == stripes[stripe].candidate {
            if let highest = stripes[stripe].candidateStarvesAt, sequence <= highest { return }
            completeMove(stripe, to: link)
        }
    }

    /// The parent of `stripe` is there after all: whoever was called in its place is not needed.
    mutating func stay(_ stripe: Int) {
        calm(stripe)
        stripes[stripe].missed = nil
        guard stripes[stripe].reason == .silence else { return }
        abandonCandidate(stripe)
        stripes[stripe].reason = nil
        stripes[stripe].nextBackup = 0
    }

    mutating func calm(_ stripe: Int) {
        stripes[stripe].stayingSince = nil
        stripes[stripe].starvingSince = nil
        stripes[stripe].toldStarving = nil
    }

    /// The links to forward a packet of `stripe` to; changes only when a child comes or goes.
    public func forwardLinks(of stripe: Int) -> [UInt16] { stripes[stripe].children }

    /// Where link `link` leads; `nil` when it is gone.
    public func address(of link: Int) -> PeerAddress? {
        links.indices.contains(link) ? links[link]?.address : nil
    }

    /// Who is at the other end of `link`.
    public func member(of link: Int) -> MemberID? { links.indices.contains(link) ? links[link]?.member : nil }

    /// The round trip on `link`, smoothed; `nil` before it was measured.
    public func roundTrip(of link: Int) -> Nanoseconds? {
        guard links.indices.contains(link), let trip = links[link]?.roundTrip, trip > 0 else { return nil }
        return .microseconds(Int64(trip))
    }

    /// The link to `address`; `nil` for strangers, whose packets are not taken.
    public func link(to address: PeerAddress) -> Int? { linkOfAddress[address] }

    /// The edge could not send `count` packets to `link` in time: its queue or its pace was full.
    public mutating func noteDropped(_ count: Int, to link: Int) {
        links[link]?.down?.budget.noteDropped(count)
    }

    /// The edge sent `count` packets to `link`, or tried to: said about once a second, after ``noteDropped(_:to:)``, and
    /// the child is judged by it.
    public mutating func noteSent(_ count: Int, to link: Int) {
        links[link]?.down?.budget.noteSent(count)
        judgeChild(link)
    }

    // MARK: Out

    /// A datagram's destination and length.
    public struct Transmit: Equatable, Sendable {
        /// Where to.
        public var address: PeerAddress
        /// How many bytes were written.
        public var byteCount: Int
    }

    /// True when ``nextTransmit(into:)``, ``nextMessage()`` or ``nextEvent()`` has something to give: after most
    /// packets none has.
    public var hasOutput: Bool { mayHaveOutput && isOutputWaiting }

    private var isOutputWaiting: Bool {
        transmitHead < transmits.count || eventHead < events.count || !goodbyes.isEmpty
            || isConnected && !messages.isEmpty
    }

    /// Writes the next link message into `bytes` (``LinkMessage/byteCountLimit`` are enough); `nil` when there is none.
    public mutating func nextTransmit(into bytes: inout MutableRawSpan) -> Transmit? {
        if let address = goodbyes.popLast() { return writeGoodbye(to: address, into: &bytes) }
        guard transmitHead < transmits.count else {
            transmits.removeAll(keepingCapacity: true)
            transmitHead = 0
            return nil
        }
        let (address, message) = transmits[transmitHead]
        transmitHead += 1
        let count = message.write(into: &bytes, ssrc: epoch)
        tally.sentCount += 1
        tally.sentByteCount += count
        return Transmit(address: address, byteCount: count)
    }

    private mutating func writeGoodbye(to address: PeerAddress, into bytes: inout MutableRawSpan) -> Transmit
    {
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: epoch)
        writer.write(
            Heartbeat(
                ssrc: epoch, flags: .isEnding, highestSequence: finalSequence ?? 0,
                packetCount: UInt64(tally.receivedCount)))
        writer.writeGoodbye(ssrc: epoch)
        return Transmit(address: address, byteCount: writer.byteCount)
    }

    mutating func send(_ message: LinkMessage, to address: PeerAddress) {
        guard transmits.count - transmitHead < configuration.transmitLimit else { return }
        transmits.append((address, message))
    }

    /// The next message to the coordinator; `nil` when there is none.
    public mutating func nextMessage() -> ControlMessage? {
        guard isConnected, !messages.isEmpty else { return nil }
        return messages.removeFirst()
    }

    /// The next thing for the edge to do; `nil` when there is none.
    public mutating func nextEvent() -> TreeEvent? {
        guard eventHead < events.count else {
            if !events.isEmpty { events.removeAll(keepingCapacity: true) }
            eventHead = 0
            // Messages wait for the connection.
            mayHaveOutput = isOutputWaiting || !messages.isEmpty
            return nil
        }
        defer { eventHead += 1 }
        return events[eventHead]
    }

    // MARK: Links

    mutating func makeLink(_ address: PeerAddress, _ member: MemberID) -> Int? {
        if let link = linkOfAddress[address] {
            if member != .none { setMember(link, member) }
            return link
        }
        guard linkCount < configuration.linkLimit else { return nil }
        let link = freeLinks.popLast() ?? links.count
        let made = TreeLink(address: address, member: member)
        if link == links.count { links.append(made) } else { links[link] = made }
        linkOfAddress[address] = link
        linkCount += 1
        events.append(.linkOpened(link, address, member))
        return link
    }

    /// `member` is at the other end of `link`. Where it is another than before, at the address of one that is gone, its
    /// count of paths begins anew, and no path of its would be news.
    mutating func setMember(_ link: Int, _ member: MemberID) {
        if links[link]?.member == member { return }
        links[link]?.member = member
        for stripe in stripes.indices where stripes[stripe].parent == link {
            stripes[stripe].parentPathEpoch = nil
        }
    }

    /// Forgets a link that is neither parent, candidate, backup nor child.
    mutating func dropLinkIfIdle(_ link: Int) {
        guard let gone = links[link], gone.up == nil, gone.down == nil else { return }
        links[link] = nil
        linkOfAddress[gone.address] = nil
        if let inside = gone.inside { linkOfAddress[inside] = nil }
        linkCount -= 1
        freeLinks.append(link)
        events.append(.linkClosed(link))
    }
}

/// What a tree node wants of its edge.
public enum TreeEvent: Equatable, Sendable {
    /// A neighbour has this number from now on.
    case linkOpened(Int, PeerAddress, MemberID)
    /// The neighbour of this number is at another address than it was.
    case linkMoved(Int, PeerAddress)
    /// The number is free again.
    case linkClosed(Int)
    /// Send `link` the history of `stripes` from the number on (`nil`: from the last keyframe), then what comes.
    case serve(link: Int, stripes: StripeSet, from: Int64?)
    /// The links to forward to are others than before.
    case childrenChanged
    /// A stripe comes from another link now: repair asks there first.
    case parentChanged(stripe: Int, link: Int)
    /// A parent that fell silent has been replaced: how long nothing was heard when that was noticed, and when the new one
    /// was there.
    case parentReplaced(stripe: Int, noticedAfter: Nanoseconds, replacedAfter: Nanoseconds)
    /// The stream is over; the number is its last packet's.
    case ended(Int64)
    /// A datagram to this address opens the NAT towards it.
    case punch(PeerAddress)
    /// So many ``LinkMessage/train(nonce:index:)`` back to back, the first with index 0, to this address.
    case train(PeerAddress, nonce: UInt64, count: Int)
    /// The node has handed over its children and is out.
    case left
    /// The coordinator will not have it, and why.
    case refused(String)
}
