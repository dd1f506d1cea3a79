import FreshetCore
import FreshetWire

/// The child's side: asking parents, moving between them, noticing silence.
extension TreeNode {
    // MARK: Asking

    /// Says the next thing of the handshake on `link`, and when to say it again.
    mutating func ask(_ link: Int) {
        guard var up = links[link]?.up, let address = askedAddress(link, tries: up.tries) else { return }
        let missing = up.wanted.subtracting(up.accepted)
        up.mustAsk = false
        switch up.phase {
        case .greeting:
            send(.hello(nonce: up.nonce), to: address)
        case .subscribing:
            let allowed = up.ticket.stripes.union(up.ticket.backupStripes)
            send(
                .subscribe(
                    Subscription(
                        cookie: up.cookie, nonce: up.nonce, stripes: up.wanted.intersection(allowed),
                        fromSequence: up.fromSequence, fromKeyframe: up.fromKeyframe, ticket: up.ticket)),
                to: address)
        case .open where missing.isEmpty:
            up.retryDeadline = nil
            up.tries = 0
            links[link]?.up = up
            return
        case .open:
            send(
                .activate(
                    token: up.token,
                    Activation(nonce: up.nonce, stripes: missing, fromSequence: up.fromSequence)), to: address
            )
        }
        let wait = configuration.retryInterval * Int64(1 << min(up.tries, 4))
        up.tries += 1
        up.retryDeadline = now + (up.phase == .open ? configuration.retryInterval : wait)
        links[link]?.up = up
        linkDeadline = earliest(linkDeadline, up.retryDeadline)
    }

    /// Wants `stripe` from `link` from now on.
    mutating func want(_ stripe: Int, from link: Int, fromKeyframe: Bool = false) {
        guard let up = links[link]?.up, let address = links[link]?.address else { return }
        links[link]?.up?.wanted.insert(StripeSet(stripe))
        farewells.takeBack(StripeSet(stripe), from: address)
        // Several stripes may be asked for in one message: from where the farthest behind is.
        let isAlone = up.wanted.subtracting(up.accepted).isSubset(of: StripeSet(stripe))
        let from = nextWanted(stripe)
        links[link]?.up?.fromSequence = isAlone ? from : min(from, up.fromSequence)
        links[link]?.up?.fromKeyframe = fromKeyframe
        // A greeting that is under way is answered for all that is wanted by then.
        if links[link]?.up?.phase == .greeting, links[link]?.up?.retryDeadline != nil { return }
        links[link]?.up?.tries = 0
        if isGathering { links[link]?.up?.mustAsk = true } else { ask(link) }
    }

    /// The first packet to ask for: behind the last one of the stripe that came. When none came yet, where the other
    /// stripes began, unless that is long ago.
    func nextWanted(_ stripe: Int) -> Int64 {
        if let stripe = stripes[stripe].highest { return stripe &+ 1 }
        guard let highest = window.highest else { return 0 }
        guard let first else { return highest }
        // What came first of the others need not be where the stream begins: it may be the very packet that is missing.
        let isYoung = now - first.at < TreeNode.youth
        let lowest = isYoung ? first.lowest &- Int64(4 * stripeCount) : first.lowest
        return max(lowest, highest &- TreeNode.headReach)
    }

    /// So long after its first packet a node may have come to know a stream that has only begun.
    static let youth = Nanoseconds.seconds(2)

    /// A stripe that comes last is asked for so many packets of the stream back.
    static let headReach: Int64 = 1_024

    // MARK: Answers

    mutating func noteCookie(_ link: Int, nonce: UInt64, cookie: UInt64) {
        guard let up = links[link]?.up, up.nonce == nonce,
            up.phase == .greeting || up.phase == .subscribing && up.ticket.vouch != 0 && up.cookie != cookie
        else {
            tally.rejectedCount += 1
            return
        }
        links[link]?.up?.cookie = cookie
        links[link]?.up?.phase = .subscribing
        for stripe in stripes.indices where stripes[stripe].candidate == link {
            // Somebody is there: that is worth waiting for.
            stripes[stripe].candidateDeadline = now + configuration.activationTimeout * 3
        }
        links[link]?.up?.tries = 0
        links[link]?.up?.heard = now
        ask(link)
    }

    mutating func noteAcceptance(_ link: Int, _ acceptance: Acceptance) {
        guard let up = links[link]?.up, up.nonce == acceptance.nonce, up.phase != .greeting else { return }
        links[link]?.up?.phase = .open
        links[link]?.up?.accepted = acceptance.stripes
        noteKnown(acceptance.highestSequence)
        links[link]?.up?.heard = now
        links[link]?.up?.tries = 0
        if up.wanted.isSubset(of: acceptance.stripes) { links[link]?.up?.retryDeadline = nil }
        if links[link]?.roundTrip == 0 {
            // The first measure of the way is taken at once.
            links[link]?.up?.pinged = now - configuration.pingInterval
            linkDeadline = now
        }
        for stripe in stripes.indices where acceptance.stripes.has(stripe) {
            if stripes[stripe].candidate == link {
                stripes[stripe].candidateStarvesAt =
                    acceptance.starvingStripes.has(stripe) ? acceptance.highestSequence : nil
                stripes[stripe].candidateDeadline = now + configuration.activationTimeout * 2
            } else if stripes[stripe].parent != link {
                // Asked for once, and no more.
                sendLeave(link, StripeSet(stripe), keepsPlace: true)
            }
        }
    }

    mutating func noteRefusal(_ link: Int, _ refusal: Refusal) {
        guard let up = links[link]?.up, up.nonce == refusal.nonce else { return }
        switch refusal.reason {
        case .cookie:
            links[link]?.up?.phase = .greeting
            return ask(link)
        case .full where up.tries < 3 * configuration.retryLimit:
            // A place that the coordinator promised is about to be free: the one who has it is moving too.
            var isPatient = true
            for stripe in stripes.indices
            where stripes[stripe].candidate == link && refusal.stripes.has(stripe) {
                if stripes[stripe].reason != nil || stripes[stripe].parent < 0 { isPatient = false }
            }
            if isPatient {
                links[link]?.up?.retryDeadline = now + configuration.retryInterval
                linkDeadline = earliest(linkDeadline, links[link]?.up?.retryDeadline)
                return
            }
        default: break
        }
        if refusal.reason == .loop { tally.loopCount += 1 }
        links[link]?.up?.wanted.subtract(refusal.stripes)
        links[link]?.up?.retryDeadline = nil
        for stripe in stripes.indices where refusal.stripes.has(stripe) {
            if stripes[stripe].candidate == link {
                if stripes[stripe].isMovingAtLeisure {
                    remain(stripe)
                } else {
                    callBackup(stripe, reason: stripes[stripe].reason ?? .refused)
                }
            } else if stripes[stripe].parent == link {
                callBackup(stripe, reason: .refused)
            }
        }
        if refusal.reason != .full, refusal.reason != .loop { forgetUp(link) }
    }

    mutating func notePath(_ link: Int, _ path: StripePath) {
        let stripe = Int(path.stripe)
        guard stripes.indices.contains(stripe) else { return }
        let isParent = stripes[stripe].parent == link
        guard isParent || stripes[stripe].candidate == link else { return }
        let isLoop = path.ancestors.contains(member) || !isParent && hasChild(in: path.ancestors, stripe)
        if isLoop || path.ancestors.isFull {
            tally.loopCount += 1
            sendLeave(link, StripeSet(stripe), keepsPlace: true)
            if stripes[stripe].isMovingAtLeisure, !isParent { return remain(stripe) }
            return callBackup(stripe, reason: isParent ? .loop : stripes[stripe].reason ?? .loop)
        }
        guard isParent else {
            stripes[stripe].candidatePath = path
            return
        }
        if let last = stripes[stripe].parentPathEpoch, Int32(bitPattern: path.epoch &- last) < 0 { return }
        stripes[stripe].parentPathEpoch = path.epoch
        setPath(stripe, path.ancestors)
    }

    /// True when a child of its own is on `path`, as it may be while both are moving.
    private func hasChild(in path: AncestorPath, _ stripe: Int) -> Bool {
        stripes[stripe].children.contains { path.contains(links[Int($0)]?.member ?? .none) }
    }

    mutating func setPath(_ stripe: Int, _ path: AncestorPath) {
        if stripes[stripe].path == path { return }
        stripes[stripe].path = path
        stripes[stripe].pathEpoch &+= 1
        for child in stripes[stripe].children { tellPath(stripe, to: Int(child)) }
    }

    mutating func notePulse(_ link: Int, _ pulse: Pulse) {
        links[link]?.up?.heard = now
        noteKnown(pulse.highestSequence)
        for stripe in stripes.indices {
            if stripes[stripe].candidate == link, pulse.stripes.has(stripe),
                !pulse.starvingStripes.has(stripe)
            {
                completeMove(stripe, to: link)
            }
            guard stripes[stripe].parent == link else { continue }
            guard pulse.stripes.has(stripe) else {
                // It does not know that it should send: ask again.
                if links[link]?.up?.accepted.has(stripe) == true {
                    links[link]?.up?.accepted.remove(StripeSet(stripe))
                    want(stripe, from: link)
                }
                continue
            }
            if isWithheld(stripe, pulse) { continue }
            stripes[stripe].heard = now
            if pulse.starvingStripes.has(stripe) {
                if stripes[stripe].stayingSince == nil { stripes[stripe].stayingSince = now }
                // A tree is never so deep: more levels are counted round and round a loop, which would be waited for.
                stripes[stripe].stayLevel = min(Int64(pulse.starvingLevel), Int64(AncestorPath.countLimit))
            } else if stripes[stripe].isStarving {
                stay(stripe)
            }
        }
    }

    /// True when the parent says that it is well and yet sends nothing while the stream goes on, as its own
    /// words or the other stripes show: its pulses are no sign of life then.
    private func isWithheld(_ stripe: Int, _ pulse: Pulse) -> Bool {
        if pulse.starvingStripes.has(stripe) { return false }
        guard let last = stripes[stripe].packetAt, now - last > configuration.silenceLimit,
            let highest = stripes[stripe].highest
        else { return false }
        let known = max(pulse.highestSequence, window.highest ?? highest)
        return known &- highest >= Int64(4 * stripeCount)
    }

    mutating func noteHandover(_ link: Int, _ leaving: StripeSet) {
        for stripe in stripes.indices where leaving.has(stripe) && stripes[stripe].parent == link {
            guard stripes[stripe].candidate < 0 else { continue }
            callBackup(stripe, reason: .handover)
        }
    }

    // MARK: Moving

    /// Calls the next warm backup of `stripe`; when all were called in vain, the coordinator is told and they
    /// are called again.
    mutating func callBackup(_ stripe: Int, reason: MovedMessage.Reason) {
        stripes[stripe].reason = reason
        abandonCandidate(stripe)
        if reason != .handover, stripes[stripe].starvingSince == nil { stripes[stripe].starvingSince = now }
        while stripes[stripe].nextBackup < stripes[stripe].backups.count {
            let backup = stripes[stripe].backups[stripes[stripe].nextBackup]
            stripes[stripe].nextBackup += 1
            guard backup != stripes[stripe].parent, links[backup]?.up != nil,
                links[backup]?.down?.stripes.has(stripe) != true
            else { continue }
            stripes[stripe].call(backup, until: now + patience(with: backup))
            want(stripe, from: backup)
            return
        }
        tellStarving(stripe)
    }

    /// Whoever was asked for `stripe` and has not sent is not wanted any more.
    mutating func abandonCandidate(_ stripe: Int) {
        let candidate = stripes[stripe].candidate
        stripes[stripe].candidate = -1
        stripes[stripe].candidateDeadline = nil
        stripes[stripe].candidatePath = nil
        guard candidate >= 0, candidate != stripes[stripe].parent else { return }
        sendLeave(candidate, StripeSet(stripe), keepsPlace: true)
        // While an assignment is taken it may yet be somebody's backup.
        if !isGathering { forgetUpIfUnused(candidate) }
    }

    /// The parent that the coordinator named for `stripe` does not send: the one that does stays, and the coordinator is
    /// told, so that it names another.
    mutating func remain(_ stripe: Int) {
        let refuser = stripes[stripe].candidate
        let from = refuser >= 0 ? links[refuser]?.member ?? .none : .none
        abandonCandidate(stripe)
        guard isConnected, from != .none else { return }
        noteMoved(
            MovedMessage(stripes: StripeSet(stripe), from: from, to: parent(of: stripe), reason: .refused))
    }

    /// How long a called backup may take: a round trip and what goes with it, where that is known.
    func patience(with link: Int) -> Nanoseconds {
        let trip = Nanoseconds.microseconds(Int64(links[link]?.roundTrip ?? 0))
        if trip == .zero { return configuration.activationTimeout * 3 / 2 }
        return max(configuration.activationTimeout / 2, trip * 3 / 2 + .milliseconds(40))
    }

    mutating func tellStarving(_ stripe: Int) {
        stripes[stripe].toldStarving = now
        stripes[stripe].nextBackup = 0
        stripes[stripe].candidateDeadline = now + configuration.starvingInterval
        // Before the first parent there is nothing to starve from: the coordinator knows.
        messages.append(.starving(StarvingMessage(stripes: StripeSet(stripe), parent: parent(of: stripe))))
    }

    /// The parent is silent and a backup is being called: when many are gone at once, the coordinator must know before all
    /// backups were called in vain.
    mutating func tellSilent(_ stripe: Int) {
        guard isConnected, stripes[stripe].parent >= 0 else { return }
        noteMoved(
            MovedMessage(stripes: StripeSet(stripe), from: parent(of: stripe), to: .none, reason: .silence))
    }

    /// `link` sends: it is the parent now.
    mutating func completeMove(_ stripe: Int, to link: Int) {
        let old = stripes[stripe].parent
        let from = parent(of: stripe)
        stripes[stripe].parent = link
        stripes[stripe].candidate = -1
        stripes[stripe].candidateDeadline = nil
        stripes[stripe].nextBackup = 0
        stripes[stripe].heard = now
        stripes[stripe].backups.removeAll { $0 == link }
        calm(stripe)
        tally.moveCount += 1
        if old >= 0, old != link {
            let keeps = stripes[stripe].backups.contains(old)
            sendLeave(old, StripeSet(stripe), keepsPlace: keeps)
            if !keeps { forgetUpIfUnused(old) }
        }
        if let reason = stripes[stripe].reason, isConnected {
            let to = links[link]?.member ?? .none
            noteMoved(MovedMessage(stripes: StripeSet(stripe), from: from, to: to, reason: reason))
        }
        stripes[stripe].reason = nil
        stripes[stripe].parentPathEpoch = stripes[stripe].candidatePath?.epoch
        if let path = stripes[stripe].candidatePath { setPath(stripe, path.ancestors) }
        stripes[stripe].candidatePath = nil
        events.append(.parentChanged(stripe: stripe, link: link))
        guard let missed = stripes[stripe].missed else { return }
        stripes[stripe].missed = nil
        events.append(
            .parentReplaced(
                stripe: stripe, noticedAfter: missed.noticed - missed.since,
                replacedAfter: now - missed.since))
    }

    /// Moves of several stripes between the same two become one message.
    private mutating func noteMoved(_ moved: MovedMessage) {
        if case .moved(var last) = messages.last, last.from == moved.from, last.to == moved.to,
            last.reason == moved.reason
        {
            last.stripes.formUnion(moved.stripes)
            messages[messages.count - 1] = .moved(last)
        } else {
            messages.append(.moved(moved))
        }
    }

    mutating func sendLeave(_ link: Int, _ leaving: StripeSet, keepsPlace: Bool) {
        guard let up = links[link]?.up, let address = links[link]?.address else { return }
        links[link]?.up?.wanted.subtract(leaving)
        links[link]?.up?.accepted.subtract(leaving)
        guard up.phase != .greeting else { return }
        send(.leave(token: up.token, stripes: leaving, keepsPlace: keepsPlace), to: address)
        farewells.note(leaving, to: address, token: up.token, keepsPlace: keepsPlace, now: now)
    }

    /// True when some stripe has `link` as parent, candidate or backup.
    func isUsed(_ link: Int) -> Bool {
        for stripe in stripes
        where stripe.parent == link || stripe.candidate == link || stripe.backups.contains(link) {
            return true
        }
        return false
    }

    mutating func forgetUpIfUnused(_ link: Int) {
        if links[link]?.up != nil, !isUsed(link) { forgetUp(link) }
    }

    /// `link` is no parent any more, in no stripe. Where it was one and nobody is called yet, a backup is, unless the
    /// node `isLeaving`.
    mutating func forgetUp(_ link: Int, isLeaving: Bool = false) {
        var orphaned = StripeSet()
        for stripe in stripes.indices {
            stripes[stripe].backups.removeAll { $0 == link }
            if stripes[stripe].candidate == link { stripes[stripe].candidate = -1 }
            guard stripes[stripe].parent == link else { continue }
            stripes[stripe].parent = -1
            orphaned.insert(StripeSet(stripe))
        }
        sendLeave(link, StripeSet(first: StripeSet.countLimit), keepsPlace: false)
        links[link]?.up = nil
        dropLinkIfIdle(link)
        if isLeaving || finalSequence != nil { return }
        for stripe in stripes.indices where orphaned.has(stripe) {
            guard stripes[stripe].candidate < 0, stripes[stripe].candidateDeadline == nil else { continue }
            callBackup(stripe, reason: .silence)
        }
    }
}
