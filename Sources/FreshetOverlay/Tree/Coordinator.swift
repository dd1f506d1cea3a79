public import FreshetCore
public import FreshetWire

/// A message that a coordinator gives, and the control connection it is for.
public struct CoordinatorOutput: Equatable, Sendable {
    /// The edge's number of the connection.
    public var connection: UInt32
    /// What to send.
    public var message: ControlMessage
    /// Close the connection once it is sent.
    public var closes = false
    /// The member is refused: another try will not help. One that is only taken for dead may come back.
    public var isFinal = false
}

/// The server of the client-forwarding patent for one stream, without sockets or a clock: it keeps a record
/// per member, says who forwards to whom, and mends the tree by what members report. It is in nobody's data
/// path: members go on without it, and tell a new one what it must know.
///
/// The edge gives each control connection a number and calls ``receive(_:from:observed:now:)`` with every message,
/// ``disconnected(_:now:)`` when it is gone and ``advance(to:)`` at ``nextDeadline``, and sends what ``nextMessage()``
/// gives. Sign-up is in CoordinatorSignUp.swift, monitoring in CoordinatorMonitoring.swift, healing in
/// CoordinatorHealing.swift; the choice of parents in ParentSelector.swift.
public struct Coordinator: ~Copyable {
    /// The parameters.
    public let configuration: CoordinatorConfiguration
    let key: SipKey
    var random: PRNG
    var now = Instant.zero
    var start: Instant?

    var records: [MemberRecord] = []
    var freeIndexes: [Int] = []
    var indexOfMember: [MemberID: Int] = [:]
    var indexOfConnection: [UInt32: Int] = [:]
    var forest: Forest
    var buckets: Buckets
    /// Members with places to spare, whatever their home stripe.
    var spare: [Int32] = []
    /// Slots that each stripe's own members bring: a new member's home is the poorest stripe.
    var slotsOfStripe: [Int64]
    /// Places of all members, and the members that have some.
    var slotCount: Int64 = 0
    var forwarderCount = 0
    /// The stream's rate by which uplinks were last turned into places.
    var slotKilobits: UInt32 = 0

    var source: Int?
    var standbys: [Int] = []
    /// The stream's SSRC; 0 while there is no source.
    public internal(set) var epoch: UInt32 = 0
    /// The stream's rate as the source told it, kilobits a second.
    public internal(set) var streamKilobits: UInt32 = 0
    /// How far the stream has come.
    public internal(set) var highestSequence: Int64 = 0
    /// The source has said that it is over.
    public internal(set) var hasEnded = false

    /// Where each network is, as a member of it last said: the first guess for its neighbours.
    var networks: [UInt64: NetworkCoordinate] = [:]

    /// Members that wait for the start.
    var waiting: [Int] = []
    /// Places that have no parent and should: tried again until one is free.
    var orphans: [(member: MemberID, stripe: Int)] = []
    var orphanDeadline: Instant?
    /// Members with a ping, an absence or a removal under way.
    var watched: [Int] = []
    var removals: [(member: MemberID, at: Instant)] = []
    /// Children of members that have not come back yet after a restart, by the parent.
    var claims: [MemberID: [(child: MemberID, stripe: Int)]] = [:]
    var settledAt: Instant?
    /// Complaints since an instant, to notice when many fail at once; and when everybody was last pinged.
    var complaintCount = 0
    var complaintsSince = Instant.zero
    var rollCalled: Instant?
    /// Stable members that may be moved up.
    var promotions: [MemberID] = []
    /// Members that hang deeper than need be, or have somebody below that does.
    var deep: [MemberID] = []
    /// When they were last looked for.
    var deepSought = Instant.zero
    /// The index at which the next look begins.
    var deepPlace = 0
    var promotionTokens: Int64 = 0
    var promotionRenewed = Instant.zero
    var lastEra: UInt32
    var serial: UInt32 = 0

    var outgoing: [CoordinatorOutput] = []
    var outgoingHead = 0

    /// What a coordinator counts, for statistics and tests.
    public struct Tally: Equatable, Sendable {
        /// Messages that it could make nothing of.
        public var ignoredCount = 0
        /// Joins refused.
        public var refusedCount = 0
        /// Starving messages passed over because the branch is being moved by its top (figure 8, step 818).
        public var flaggedCount = 0
        /// Members given a new parent by the coordinator.
        public var regraftCount = 0
        /// Members that moved by themselves.
        public var movedCount = 0
        /// Parents convicted by two children.
        public var convictionCount = 0
        /// Members removed because they failed.
        public var failedCount = 0
        /// Moves for a better place.
        public var promotionCount = 0
        /// Members that took the place of another for that.
        public var exchangeCount = 0
        /// Messages sent.
        public var sentCount = 0
    }
    /// What happened so far.
    public internal(set) var tally = Tally()

    /// A coordinator without members. `key` makes tickets: the same after a restart, and old tickets stay good.
    public init(configuration: CoordinatorConfiguration, key: SipKey, random: PRNG) {
        self.configuration = configuration
        self.key = key
        self.random = random
        let stripes = configuration.totalStripes
        forest = Forest(stripeCount: stripes)
        buckets = Buckets(stripeCount: stripes)
        slotsOfStripe = [Int64](repeating: 0, count: stripes)
        lastEra = configuration.firstEra
    }

    /// Members that are in.
    public var memberCount: Int { indexOfMember.count }

    /// The record of `member`; `nil` when it is not in.
    public func record(of member: MemberID) -> MemberRecord? { indexOfMember[member].map { records[$0] } }

    /// Every member, in the order of their numbers.
    public var members: [MemberID] { indexOfMember.keys.sorted() }

    /// The primaries (figure 6A): who receives a stripe from the source itself.
    public var primaries: [MemberID] {
        guard let source else { return [] }
        var found: Set<MemberID> = []
        for stripe in 0..<forest.stripeCount {
            for child in forest.children(source, stripe) { found.insert(records[child].id) }
        }
        return found.sorted()
    }

    /// The parent of `member` on `stripe` as the coordinator knows it.
    public func parent(of member: MemberID, stripe: Int) -> MemberID? {
        guard let index = indexOfMember[member], stripe < forest.stripeCount else { return nil }
        return forest.parent(index, stripe).map { records[$0].id }
    }

    /// The depth of `member` on `stripe`; `nil` when no way leads up to the source.
    public func depth(of member: MemberID, stripe: Int) -> Int? {
        guard let index = indexOfMember[member], forest.isAttached(index, stripe) else { return nil }
        return Int(forest[index, stripe].depth)
    }

    /// The predicted way from the source to `member` on `stripe`, microseconds.
    public func predictedDelay(of member: MemberID, stripe: Int) -> Int? {
        guard let index = indexOfMember[member], forest.isAttached(index, stripe) else { return nil }
        return Int(forest[index, stripe].delay)
    }

    /// The era by which tickets are made now: a minute each.
    public var era: UInt32 {
        guard let start else { return configuration.firstEra }
        return configuration.firstEra &+ UInt32(truncatingIfNeeded: (now - start).count / 60_000_000_000)
    }

    // MARK: In and out

    /// The next message to send; `nil` when there is none.
    public mutating func nextMessage() -> CoordinatorOutput? {
        guard outgoingHead < outgoing.count else {
            outgoing.removeAll(keepingCapacity: true)
            outgoingHead = 0
            return nil
        }
        defer { outgoingHead += 1 }
        return outgoing[outgoingHead]
    }

    mutating func send(_ message: ControlMessage, to member: Int) {
        guard let connection = records[member].connection else { return }
        tally.sentCount += 1
        outgoing.append(CoordinatorOutput(connection: connection, message: message))
    }

    /// Takes a message that came on `connection`, from an address that the edge sees as `observed` (its port
    /// is the control connection's and means nothing).
    public mutating func receive(
        _ message: ControlMessage, from connection: UInt32, observed: PeerAddress, now: Instant
    ) {
        begin(now)
        if case .join(let join) = message {
            return signUp(join, connection: connection, observed: observed)
        }
        guard let member = indexOfConnection[connection] else {
            tally.ignoredCount += 1
            return
        }
        switch message {
        case .probe(let probe): send(.probeReply(probe), to: member)
        case .probeReply(let probe): noteProbe(member, serial: probe.serial)
        case .report(let report): noteReport(member, report)
        case .starving(let starving): noteStarving(member, starving)
        case .moved(let moved): noteMoved(member, moved)
        case .outside(let outside): noteOutside(member, outside)
        case .leave: scheduleRemoval(member, after: .seconds(1))
        case .streamState(let state) where member == source: noteState(state)
        default: tally.ignoredCount += 1
        }
    }

    /// The control connection is gone. Its member stays in the tree for a while: only the way to it may have failed.
    public mutating func disconnected(_ connection: UInt32, now: Instant) {
        begin(now)
        guard let member = indexOfConnection.removeValue(forKey: connection) else { return }
        records[member].connection = nil
        records[member].goneSince = now
        refresh(member)
        watch(member)
    }

    mutating func begin(_ now: Instant) {
        if start == nil {
            start = now
            promotionRenewed = now
        }
        self.now = now
    }

    mutating func watch(_ member: Int) {
        if records[member].isWatched { return }
        records[member].isWatched = true
        watched.append(member)
    }

    /// Does what is due: pings that were not answered, absences, removals, orphans, promotions, the start of a group.
    public mutating func advance(to now: Instant) {
        begin(now)
        if era != lastEra {
            lastEra = era
            announceState()
        }
        startIfDue()
        checkWatched()
        checkRemovals()
        if let settledAt, settledAt <= now { settle() }
        if let orphanDeadline, orphanDeadline <= now { retryOrphans() }
        promote()
    }

    /// When ``advance(to:)`` is to be called; `nil` when nothing is pending.
    public var nextDeadline: Instant? {
        var deadline = earliest(orphanDeadline, settledAt)
        if let start {
            deadline = earliest(deadline, start + .seconds(60) * Int64(era &- configuration.firstEra &+ 1))
        }
        for member in watched { deadline = earliest(deadline, watchDeadline(member)) }
        for removal in removals { deadline = earliest(deadline, removal.at) }
        // Without a source nothing begins, however long they have waited.
        if let first = waiting.first, configuration.waitForMembers > 0, source != nil {
            deadline = earliest(deadline, records[first].joined + configuration.waitLimit)
        }
        if !promotions.isEmpty || !deep.isEmpty {
            deadline = earliest(deadline, promotionRenewed + .milliseconds(100))
        }
        return deadline
    }

    // MARK: The stream

    mutating func noteState(_ state: StreamStateMessage) {
        highestSequence = max(highestSequence, state.highestSequence)
        if state.epoch != 0 { epoch = state.epoch }
        guard state.hasEnded, !hasEnded else { return }
        hasEnded = true
        announceState()
    }

    /// Tells everybody how the stream stands. The source too: it knows that better, but not the era, and would refuse
    /// the tickets of a later one.
    mutating func announceState() {
        let state = StreamStateMessage(
            epoch: epoch, hasEnded: hasEnded, highestSequence: highestSequence, era: era)
        for member in records.indices where !records[member].isRemoved {
            send(.streamState(state), to: member)
        }
    }
}
