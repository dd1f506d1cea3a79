public import FreshetCore
public import FreshetWire

/// What the node is told by datagrams and by the clock.
extension TreeNode {
    /// What ``read(_:from:now:)`` made of a datagram.
    public enum Reading: Equatable, Sendable {
        /// It was the tree's own.
        case consumed
        /// RTCP from a neighbour that is not the tree's: repair's, on that link.
        case neighbour(Int)
        /// Nothing that anybody here understands or wants.
        case rejected
    }

    /// Takes a datagram that is not RTP.
    public mutating func read(_ datagram: RawSpan, from address: PeerAddress, now: Instant) -> Reading {
        self.now = now
        guard var packets = CompoundPacket(parsing: datagram, allowsReducedSize: true) else {
            tally.rejectedCount += 1
            return .rejected
        }
        var isForeign = false
        while let packet = packets.next() {
            if let message = LinkMessage(packet) {
                note(message, from: address)
            } else if let heartbeat = Heartbeat(packet), heartbeat.flags.contains(.isEnding),
                heartbeat.ssrc == epoch, let link = linkOfAddress[address], isParent(link)
            {
                end(at: heartbeat.highestSequence)
            } else {
                isForeign = true
            }
        }
        guard isForeign else { return .consumed }
        return linkOfAddress[address].map { .neighbour($0) } ?? .rejected
    }

    private func isParent(_ link: Int) -> Bool {
        stripes.contains { $0.parent == link || $0.candidate == link || $0.backups.contains(link) }
    }

    private mutating func note(_ message: LinkMessage, from address: PeerAddress) {
        switch message {
        case .hello(let nonce): return noteHello(nonce, from: address)
        case .subscribe(let asked): return noteSubscription(asked, from: address)
        case .located(let sighting): return noteSighting(sighting, from: address)
        case .trained(let nonce, let index, let stamp):
            return noteTrained(nonce, index, stamp, from: address)
        case .cookie(let nonce, _) where survey.noteAnswer(nonce, from: address, now: now): return
        default: break
        }
        guard let link = linkOfAddress[address], settleAddress(link, message, from: address) else {
            tally.rejectedCount += 1
            return
        }
        if case .cookie(let nonce, let cookie) = message {
            return noteCookie(link, nonce: nonce, cookie: cookie)
        }
        guard let token = message.token else {
            tally.rejectedCount += 1
            return
        }
        let isFromParent = links[link]?.up.map { $0.phase != .greeting && $0.token == token } ?? false
        let isFromChild = links[link]?.down?.token == token
        switch message {
        case .accept(_, let acceptance) where isFromParent: noteAcceptance(link, acceptance)
        case .refuse(_, let refusal) where isFromParent: noteRefusal(link, refusal)
        case .pulse(_, let pulse) where isFromParent: notePulse(link, pulse)
        case .path(_, let path) where isFromParent: notePath(link, path)
        case .handover(_, let leaving, _) where isFromParent: noteHandover(link, leaving)
        case .pong(_, let stamp, let place) where isFromParent: notePong(link, stamp, place)
        case .ping(_, let stamp) where isFromChild: noteChildPing(link, stamp: stamp)
        case .activate(_, let asked) where isFromChild: noteActivation(link, asked)
        case .leave(_, let leaving, let keeps) where isFromChild: noteLeave(link, leaving, keepsPlace: keeps)
        default: tally.rejectedCount += 1
        }
    }

    private mutating func notePong(_ link: Int, _ stamp: UInt64, _ place: NetworkCoordinate) {
        guard let sent = links[link]?.up?.pingStamp, UInt64(bitPattern: sent.nanoseconds) == stamp else {
            return
        }
        links[link]?.up?.pingStamp = nil
        links[link]?.up?.heard = now
        let took = Int32(clamping: (now - sent).count / 1_000)
        let old = links[link]?.roundTrip ?? 0
        links[link]?.roundTrip = old == 0 ? took : old + (took - old) / 8
        sampleCount += 1
        if let address = links[link]?.address { survey.note(max(1, took), to: place, at: address, now: now) }
        // What few neighbours say would only disturb what many landmarks have.
        if !isSettled { survey.fit(&coordinate, steps: TreeNode.fitStepCount, random: &random) }
    }

    /// Samples that the coordinate is fitted to with every measured round trip.
    static let fitStepCount = 8

    /// Goes on with the survey: greets the landmarks, or takes its results.
    private mutating func goOnSurveying() {
        for (address, nonce) in survey.nextRound(random: &random, now: now) {
            send(.hello(nonce: nonce), to: address)
        }
        guard survey.due == nil else { return }
        coordinate = survey.settle(from: coordinate, random: &random)
        isSettled = true
        guard let reportDeadline else { return }
        self.reportDeadline = min(reportDeadline, now + reportInterval / 4)
    }

    /// The edge learnt that nobody is at `address` (ICMP): what is there is gone.
    public mutating func unreachable(_ address: PeerAddress, now: Instant) {
        self.now = now
        guard let link = linkOfAddress[address] else { return }
        if links[link]?.down != nil { forgetDown(link) }
        for stripe in stripes.indices where stripes[stripe].parent == link { suspect(stripe) }
    }

    // MARK: Time

    /// Does what is due at `now`.
    public mutating func advance(to now: Instant) {
        self.now = now
        for stripe in stripes.indices where !isSource && finalSequence == nil { watch(stripe) }
        pulse()
        while let farewell = farewells.next(now: now) { send(farewell.message, to: farewell.address) }
        locate()
        if let linkDeadline, linkDeadline <= now { keepLinks() }
        if let due = survey.due, due <= now { goOnSurveying() }
        if let reportDeadline, reportDeadline <= now { report() }
        if let goodbyeDeadline, goodbyeDeadline <= now { sayGoodbye() }
        if let announced = announcedEnd, announced.at <= now {
            announcedEnd = nil
            end(at: announced.sequence)
        }
        if let leavingAt, childCount == 0 || leavingAt <= now { goAway() }
    }

    /// When ``advance(to:)`` is to be called next; `nil` when nothing is pending.
    public var nextDeadline: Instant? {
        var deadline = earliest(earliest(linkDeadline, reportDeadline), earliest(goodbyeDeadline, leavingAt))
        deadline = earliest(deadline, earliest(announcedEnd?.at, farewells.due))
        deadline = earliest(deadline, earliest(outside.deadline, punches.deadline))
        deadline = earliest(deadline, uplink.deadline)
        deadline = earliest(deadline, survey.due)
        for stripe in stripes.indices {
            if !stripes[stripe].children.isEmpty {
                deadline = earliest(deadline, stripes[stripe].forwarded + configuration.pulseInterval)
            }
            if !isSource, finalSequence == nil { deadline = earliest(deadline, silenceDeadline(stripe)) }
        }
        return deadline
    }

    private func silenceDeadline(_ stripe: Int) -> Instant? {
        // Field by field: a copy of the stripe would count references to its lists.
        if let deadline = stripes[stripe].candidateDeadline {
            return stripes[stripe].isMovingAtLeisure ? min(deadline, parentDeadline(stripe)) : deadline
        }
        return stripes[stripe].parent < 0 ? nil : parentDeadline(stripe)
    }

    /// When the parent, if it says nothing more until then, is to be replaced.
    private func parentDeadline(_ stripe: Int) -> Instant {
        let gaps = Nanoseconds(configuration.silentGapCount * stripes[stripe].gap)
        var deadline = stripes[stripe].heard + max(configuration.silenceLimit, gaps)
        if let since = stripes[stripe].stayingSince {
            let stay = configuration.stayLimit + configuration.stayStep * stripes[stripe].stayLevel
            deadline = min(deadline, since + stay)
        }
        return max(deadline, stripes[stripe].excusedUntil)
    }

    /// A node that was called so late has been held up…
    private static let punctuality = Nanoseconds.milliseconds(5)
    /// …and its parent may be for a little longer.
    private static let leastExcuse = Nanoseconds.milliseconds(20)

    /// Who was itself held up when it was to miss its parent cannot know whether that was silent, or held up as well: the
    /// parent has as long again, once. On a machine that has stood still for a moment a whole tree would change places.
    /// - Returns: Whether the parent of `stripe` has been excused now.
    private mutating func grantExcuse(_ stripe: Int, since deadline: Instant) -> Bool {
        let late = now - deadline
        guard late > TreeNode.punctuality, stripes[stripe].excusedUntil <= stripes[stripe].heard else {
            return false
        }
        stripes[stripe].excusedUntil = now + min(configuration.silenceLimit, max(late, TreeNode.leastExcuse))
        return true
    }

    private mutating func watch(_ stripe: Int) {
        guard let deadline = silenceDeadline(stripe), deadline <= now else { return }
        if let limit = stripes[stripe].candidateDeadline, limit <= now {
            if stripes[stripe].isMovingAtLeisure { return remain(stripe) }
            let isServed = stripes[stripe].parent >= 0 && stripes[stripe].starvingSince == nil
            abandonCandidate(stripe)
            if isServed, stripes[stripe].reason == nil { return }
            return callBackup(stripe, reason: stripes[stripe].reason ?? .silence)
        }
        if grantExcuse(stripe, since: deadline) { return }
        suspect(stripe)
    }

    /// The parent of `stripe` says nothing: the backup is called, then the coordinator told. A parent that it is about to
    /// move to will do, if that has agreed.
    private mutating func suspect(_ stripe: Int) {
        let candidate = stripes[stripe].candidate
        guard candidate < 0 || stripes[stripe].isMovingAtLeisure else { return }
        tally.silenceCount += 1
        if stripes[stripe].missed == nil {
            stripes[stripe].missed = (stripes[stripe].heard, now)
            tellSilent(stripe)
        }
        stripes[stripe].stayingSince = nil
        guard candidate >= 0, links[candidate]?.up?.accepted.has(stripe) == true else {
            return callBackup(stripe, reason: .silence)
        }
        stripes[stripe].reason = .silence
        stripes[stripe].starvingSince = stripes[stripe].starvingSince ?? now
        stripes[stripe].candidateDeadline = now + patience(with: candidate)
    }

    /// Repeats what was not answered, asks neighbours for a sign of life, forgets who gave none.
    private mutating func keepLinks() {
        linkDeadline = nil
        for link in links.indices {
            if links[link]?.up != nil { keepUp(link) }
            guard let down = links[link]?.down else { continue }
            let limit = down.heard + configuration.neighbourLimit
            if limit <= now {
                forgetDown(link)
                continue
            }
            endOverlap(link)
            linkDeadline = earliest(linkDeadline, limit)
        }
    }

    mutating func judgeChild(_ link: Int) {
        switch links[link]?.down?.budget.judge(now: now) {
        case .thin? where hasParity:
            let parity = stripes.count - 1
            links[link]?.down?.thinned.insert(StripeSet(parity))
            stripes[parity].children.removeAll { $0 == UInt16(link) }
            events.append(.childrenChanged)
        case .move?, .thin?:
            if let child = links[link]?.member, slowChildren.count < 64, !slowChildren.contains(child) {
                slowChildren.append(child)
            }
        default: break
        }
    }

    private mutating func keepUp(_ link: Int) {
        guard let up = links[link]?.up else { return }
        if let retry = up.retryDeadline, retry <= now {
            if up.tries > 3 * configuration.retryLimit
                || (up.phase != .open && up.tries > configuration.retryLimit)
            {
                return giveUp(link)
            }
            ask(link)
        }
        guard let up = links[link]?.up, up.phase == .open, let address = links[link]?.address else {
            linkDeadline = earliest(linkDeadline, links[link]?.up?.retryDeadline)
            return
        }
        // Packets are a sign of life too.
        var heard = up.heard
        for stripe in stripes where stripe.parent == link { heard = max(heard, stripe.heard) }
        if heard + configuration.neighbourLimit <= now { return giveUp(link) }
        // Who does not know yet where it is asks more often.
        let interval =
            sampleCount < TreeNode.firstSampleCount && coordinate.errorPerMille > TreeNode.uncertainPerMille
            ? configuration.pingInterval / 8 : configuration.pingInterval
        if up.pinged + interval <= now {
            links[link]?.up?.pinged = now
            links[link]?.up?.pingStamp = now
            send(.ping(token: up.token, stamp: UInt64(bitPattern: now.nanoseconds)), to: address)
        }
        let next = (links[link]?.up?.pinged ?? now) + interval
        linkDeadline = earliest(linkDeadline, earliest(next, links[link]?.up?.retryDeadline))
    }

    /// From this error on a node's coordinate is not good for choosing parents.
    static let uncertainPerMille: Int32 = 300
    /// Measures of round trips that are taken soon.
    static let firstSampleCount = 24

    /// Nobody answers on `link`: it is no backup any more, and the coordinator gives another.
    private mutating func giveUp(_ link: Int) {
        var lost = StripeSet()
        var parent = -1
        let gone = links[link]?.member ?? .none
        for stripe in stripes.indices {
            if stripes[stripe].backups.contains(link), stripes[stripe].parent >= 0,
                stripes[stripe].parent != link
            {
                if parent < 0 { parent = stripes[stripe].parent }
                if stripes[stripe].parent == parent { lost.insert(StripeSet(stripe)) }
            }
            if stripes[stripe].candidate == link,
                stripes[stripe].parent < 0 || stripes[stripe].starvingSince != nil
            {
                stripes[stripe].candidateDeadline = now
            }
        }
        if !lost.isEmpty, let to = links[parent]?.member {
            messages.append(.moved(MovedMessage(stripes: lost, from: gone, to: to, reason: .silence)))
        }
        forgetUp(link)
    }

    private mutating func sayGoodbye() {
        goodbyesLeft -= 1
        goodbyeDeadline = goodbyesLeft > 0 ? now + .milliseconds(20) : nil
        for link in links.indices {
            guard links[link]?.down != nil, let address = links[link]?.address else { continue }
            goodbyes.append(address)
        }
    }

    private mutating func goAway() {
        leavingAt = nil
        for link in links.indices {
            if links[link]?.up != nil { forgetUp(link, isLeaving: true) }
            if links[link]?.down != nil { forgetDown(link) }
        }
        reportDeadline = nil
        linkDeadline = nil
        events.append(.left)
    }
}
