public import FreshetCore
public import FreshetWire

/// What the coordinator says, and what it is told.
extension TreeNode {
    /// The control connection is up: the node joins, or comes back with what it has.
    public mutating func connected(now: Instant) {
        self.now = now
        isConnected = true
        messages.removeAll()
        var join = configuration.join
        join.resuming = member
        if member != .none { join.proof = JoinMessage.proof(of: member, under: ticketKey) }
        if !routers.isEmpty { join.routers = routers }
        join.coordinate = coordinate.errorPerMille < 1000 ? coordinate : nil
        if member != .none { join.places = placeReports(closing: false) }
        messages.append(.join(join))
        if isSource { tellStart() }
    }

    /// The source's numbers begin: who joins must know at which multiple of 65 536.
    mutating func tellStart() {
        guard isConnected, highestTold != 0 else { return }
        let state = StreamStateMessage(
            epoch: epoch, hasEnded: false, highestSequence: highestTold, era: era)
        messages.append(.streamState(state))
    }

    /// The control connection is gone: the node goes on.
    public mutating func disconnected(now: Instant) {
        self.now = now
        isConnected = false
        messages.removeAll()
    }

    /// Takes a message of the coordinator.
    public mutating func receive(_ message: ControlMessage, now: Instant) {
        self.now = now
        switch message {
        case .welcome(let welcome): noteWelcome(welcome)
        case .assign(let assign), .regraft(let assign): noteAssignment(assign)
        case .forward(let forward): noteForward(forward)
        case .probe(let probe): messages.append(.probeReply(probe))
        case .survey(let message): if leavingAt == nil { survey.begin(message.landmarks, now: now) }
        case .streamState(let state): noteState(state)
        case .leave(let leave): events.append(.refused(leave.reason))
        case .join, .probeReply, .report, .starving, .moved, .outside, .inspect: tally.rejectedCount += 1
        }
    }

    private mutating func noteForward(_ forward: ForwardMessage) {
        guard leavingAt == nil else { return }
        let inside = forward.inside.flatMap { linkOfAddress[$0] }
        guard let link = inside ?? linkOfAddress[forward.address] else {
            if !forward.stripes.isEmpty || !forward.backupStripes.isEmpty {
                punches.begin(forward.address, now: now)
                if let inside = forward.inside { punches.begin(inside, now: now) }
                locate()
            }
            return
        }
        guard let down = links[link]?.down, links[link]?.member == forward.child else { return }
        links[link]?.down?.leaving = down.stripes.subtracting(forward.stripes)
        links[link]?.down?.isGone = forward.isGone
    }

    private mutating func noteWelcome(_ welcome: WelcomeMessage) {
        member = welcome.member
        epoch = isSource ? configuration.join.epoch : welcome.epoch
        noteKnown(welcome.highestSequence)
        era = welcome.era
        ticketKey = welcome.ticketKey
        slotLimit = Int(welcome.slotLimit)
        reportInterval = .milliseconds(Int64(welcome.reportMilliseconds))
        beginLocating(welcome)
        // The first report is spread, so that a burst of joins is no burst of reports.
        let spread = Int64(random.below(UInt64(max(1, welcome.reportMilliseconds))))
        reportDeadline = now + .milliseconds(spread)
        let total = welcome.stripeCount + (welcome.hasParity ? 1 : 0)
        hasParity = welcome.hasParity
        guard total != stripes.count || welcome.stripeCount != stripeCount else { return }
        stripeCount = welcome.stripeCount
        stripes = Array(repeating: UpstreamStripe(), count: total)
    }

    private mutating func noteState(_ state: StreamStateMessage) {
        if state.era != 0 { era = state.era }
        // What the stream is, how far it has come and when it is over, the source knows itself.
        if isSource { return }
        if state.epoch != 0 { epoch = state.epoch }
        noteKnown(state.highestSequence)
        guard state.hasEnded, finalSequence == nil, announcedEnd == nil else { return }
        // The goodbye that comes behind the packets is better: what is on its way must not seem lost.
        announcedEnd = (state.highestSequence, now + configuration.endPatience)
    }

    // MARK: Assignments

    private mutating func noteAssignment(_ assign: AssignMessage) {
        guard epoch != 0 || !assign.offers.isEmpty, leavingAt == nil else { return }
        if epoch == 0, let ticket = assign.offers.first?.ticket { epoch = ticket.epoch }
        var primary = [Int](repeating: -1, count: stripes.count)
        var backups = [[Int]](repeating: [], count: stripes.count)
        for offer in assign.offers where offer.member != member && offer.ticket.parent == offer.member {
            guard let link = takeOffer(offer) else { continue }
            for stripe in stripes.indices {
                if offer.ticket.stripes.has(stripe) { primary[stripe] = link }
                if offer.ticket.backupStripes.has(stripe) { backups[stripe].append(link) }
            }
        }
        isGathering = true
        for stripe in stripes.indices where assign.stripes.has(stripe) {
            stripes[stripe].backups = backups[stripe]
            stripes[stripe].nextBackup = 0
            take(primary[stripe], for: stripe, isFresh: assign.fromSequence == nil)
        }
        isGathering = false
        for link in links.indices where links[link]?.up != nil { forgetUpIfUnused(link) }
        for offer in assign.offers {
            guard let link = link(to: offer) else { continue }
            if links[link]?.up?.mustAsk == true { ask(link) }
        }
    }

    /// Opens, or widens, the link to an offered parent; its handshake begins at once, whether it is primary or backup.
    private mutating func takeOffer(_ offer: ParentOffer) -> Int? {
        guard let link = link(to: offer) ?? makeLink(offer.address, offer.member) else { return nil }
        setMember(link, offer.member)
        tryInside(link, offer.inside)
        if let up = links[link]?.up {
            if up.ticket == offer.ticket { return link }
            links[link]?.up?.ticket = offer.ticket
            // The cookie may be old; then the parent says so, and the handshake starts over.
            if up.phase == .open { links[link]?.up?.phase = .subscribing }
        } else {
            var up = UpLink(nonce: random.next(), ticket: offer.ticket, heard: now, pinged: now)
            if offer.ticket.vouch != 0 {
                up.phase = .subscribing
                up.cookie = random.next()
            }
            links[link]?.up = up
        }
        links[link]?.up?.tries = 0
        links[link]?.up?.mustAsk = true
        return link
    }

    private mutating func take(_ link: Int, for stripe: Int, isFresh: Bool) {
        if link < 0 || link == stripes[stripe].parent {
            if stripes[stripe].starvingSince == nil { abandonCandidate(stripe) }
            return
        }
        // A starving node takes whom it is given; a fed one keeps its parent until the new one sends.
        let isStarving = stripes[stripe].starvingSince != nil
        if !isStarving || stripes[stripe].candidate < 0
            || !stripes[stripe].backups.contains(stripes[stripe].candidate)
        {
            stripes[stripe].reason = nil
            if stripes[stripe].candidate != link { abandonCandidate(stripe) }
            // The coordinator may not know yet that the one it offers is dead: no greeting, no waiting.
            let patience = configuration.activationTimeout * (isStarving ? 3 : 8) / 2
            stripes[stripe].call(link, until: now + patience)
            want(stripe, from: link, fromKeyframe: isFresh && window.highest == nil)
        }
    }

    // MARK: Reports

    mutating func placeReports(closing: Bool) -> [PlaceReport] {
        var places: [PlaceReport] = []
        for stripe in stripes.indices {
            var place = PlaceReport()
            place.stripe = UInt8(stripe)
            place.parent = parent(of: stripe)
            place.depth = UInt8(stripes[stripe].path.count)
            let isParity = hasParity && stripe == stripes.count - 1
            if closing, !isParity, let top = window.highest {
                let since = stripes[stripe].reportedHighest ?? top
                let due = Int((top &- since) / Int64(stripeCount))
                let share = due <= 0 ? 1000 : min(1000, stripes[stripe].receivedCount * 1000 / due)
                // A packet at either end counts for nothing.
                place.receivedPerMille = stripes[stripe].receivedCount + 2 >= due ? 1000 : UInt16(share)
                stripes[stripe].reportedHighest = top
                stripes[stripe].receivedCount = 0
            }
            places.append(place)
        }
        return places
    }

    mutating func report() {
        reportDeadline = now + reportInterval
        guard isConnected, member != .none else { return }
        var message = ReportMessage()
        if !isSource { message.places = placeReports(closing: true) }
        message.childCount = UInt32(childCount)
        message.coordinate = coordinate.errorPerMille < 1000 ? coordinate : nil
        message.highestSequence = highestTold
        message.slowChildren = slowChildren
        slowChildren = []
        message.uplinkKilobits = uplink.kilobits
        message.delivery = delivery
        delivery.lostCount = 0
        delivery.repairedCount = 0
        messages.append(.report(message))
    }

    // MARK: The end

    /// The stream is over with packet `sequence`: the source says it, everybody passes it on, three times.
    public mutating func end(at sequence: Int64) {
        if finalSequence != nil { return }
        finalSequence = sequence
        goodbyesLeft = 3
        goodbyeDeadline = now
        events.append(.ended(sequence))
        if isSource {
            messages.append(
                .streamState(
                    StreamStateMessage(epoch: epoch, hasEnded: true, highestSequence: sequence, era: era)))
        }
    }

    /// The node wants to go: its children are handed to their backups first.
    public mutating func leave(now: Instant) {
        self.now = now
        if leavingAt != nil { return }
        leavingAt = now + configuration.handoverInterval
        messages.append(.leave(LeaveMessage()))
        let span = UInt32(configuration.handoverInterval.count / 1_000_000)
        for link in links.indices {
            guard let down = links[link]?.down, let address = links[link]?.address else { continue }
            send(.handover(token: down.token, stripes: down.stripes, milliseconds: span), to: address)
        }
    }
}
