import FreshetCore
import FreshetWire

/// The parent's side: cookies without memory, tickets, places, and the way above told down.
extension TreeNode {
    mutating func noteHello(_ nonce: UInt64, from address: PeerAddress) {
        guard epoch != 0, leavingAt == nil else { return }
        send(.cookie(nonce: nonce, cookie: cookies.cookie(for: address, nonce: nonce, now: now)), to: address)
    }

    mutating func noteSubscription(_ asked: Subscription, from address: PeerAddress) {
        // A ticket may be here before its parent has heard that the stream has begun: it is shown again soon.
        guard epoch != 0, member != .none else { return }
        let token = UInt32(truncatingIfNeeded: asked.cookie)
        if let reason = refusal(of: asked, from: address) {
            // It comes from another host than the coordinator saw, as behind the same NAT: as good as a greeting.
            if reason == .cookie, asked.ticket.vouch != 0, asked.ticket.isGenuine(key: ticketKey) {
                return noteHello(asked.nonce, from: address)
            }
            tally.refusedCount += 1
            if reason == .ticket { tally.rejectedCount += 1 }
            // A wrong cookie proves nothing of the address; the answer is shorter than the question all the same.
            let refusal = Refusal(nonce: asked.nonce, stripes: asked.stripes, reason: reason)
            return send(.refuse(token: token, refusal), to: address)
        }
        guard let link = makeLink(address, asked.ticket.child) else { return }
        punches.forget(address)
        if links[link]?.inside == address { moveInside(link) }
        remember(asked.ticket.serial, of: address)
        let old = links[link]?.down
        links[link]?.down = DownLink(
            token: token, nonce: asked.nonce, ticket: asked.ticket, stripes: old?.stripes ?? [],
            leaving: old?.leaving ?? [], stopDeadline: old?.stopDeadline, heard: now, pulsed: now)
        if old == nil { linkDeadline = earliest(linkDeadline, now + configuration.neighbourLimit) }
        // What it has and asks for no more stays until it says so: a repeated datagram takes nothing away.
        admit(
            asked.stripes, to: link, nonce: asked.nonce, from: asked.fromKeyframe ? nil : asked.fromSequence)
    }

    private mutating func refusal(of asked: Subscription, from address: PeerAddress) -> Refusal.Reason? {
        let ticket = asked.ticket
        // The coordinator has shaken hands with that host for this ticket; otherwise the cookie proves it.
        guard
            ticket.vouches(for: address, key: ticketKey)
                || cookies.accepts(asked.cookie, from: address, nonce: asked.nonce, now: now)
        else { return .cookie }
        guard ticket.isGenuine(key: ticketKey), ticket.parent == member, ticket.epoch == epoch,
            ticket.child != member, ticket.child != .none
        else { return .ticket }
        let age = Int32(bitPattern: era &- ticket.era)
        guard age >= -2, age <= 2 else { return .ticket }
        guard asked.stripes.isSubset(of: ticket.stripes.union(ticket.backupStripes)) else { return .ticket }
        if let owner = serialOwners[ticket.serial], owner != address, let link = linkOfAddress[owner],
            let down = links[link]?.down, now - down.heard < configuration.pingInterval * 2
        {
            return .ticket
        }
        if leavingAt != nil { return .leaving }
        if linkOfAddress[address] == nil, linkCount >= configuration.linkLimit { return .full }
        return refusal(
            of: asked.stripes, by: ticket, link: linkOfAddress[address])
    }

    /// Why `wanted` cannot be sent to `child`; `nil` when it can.
    private mutating func refusal(of wanted: StripeSet, by ticket: Ticket, link: Int?) -> Refusal.Reason? {
        guard wanted.isSubset(of: StripeSet(first: stripes.count)) else { return .stripe }
        for stripe in stripes.indices where wanted.has(stripe) {
            if stripes[stripe].path.contains(ticket.child) { return .loop }
            if stripes[stripe].candidatePath?.ancestors.contains(ticket.child) == true { return .loop }
            if let link, stripes[stripe].parent == link || stripes[stripe].candidate == link { return .loop }
        }
        let has = link.flatMap { links[$0]?.down?.stripes } ?? []
        let more = wanted.subtracting(has).count
        dismissGone(childCount + more - slotLimit, except: link)
        if childCount + more <= slotLimit { return nil }
        let mayComeFirst =
            wanted.isSubset(of: ticket.stripes) && overlap(childCount + more - slotLimit, except: link)
        return mayComeFirst ? nil : .full
    }

    /// Where `count` places are missing, children that are gone make room: a dead one would have its place for seconds yet.
    private mutating func dismissGone(_ count: Int, except kept: Int?) {
        var left = count
        for link in links.indices where left > 0 && link != kept {
            guard let down = links[link]?.down, down.isGone else { continue }
            left -= down.stripes.count
            stopSending(down.stripes, to: link)
        }
    }

    /// True when `count` more than there are places for may come at once: as many are about to go, by the
    /// coordinator's word. They keep what they have until they say that they have it from elsewhere, but not for long.
    private mutating func overlap(_ count: Int, except kept: Int?) -> Bool {
        if count > ChildPlaces.overlap(of: slotLimit) { return false }
        var left = count
        for link in links.indices where left > 0 && link != kept {
            guard let down = links[link]?.down else { continue }
            let gone = down.leaving.intersection(down.stripes)
            if gone.isEmpty { continue }
            left -= gone.count
            if down.stopDeadline == nil {
                links[link]?.down?.stopDeadline = now + ChildPlaces.overlapSpan
                linkDeadline = earliest(linkDeadline, now + ChildPlaces.overlapSpan)
            }
        }
        return left <= 0
    }

    /// Who should have gone by now goes, if its place is needed.
    mutating func endOverlap(_ link: Int) {
        guard let down = links[link]?.down, let deadline = down.stopDeadline else { return }
        if deadline > now {
            linkDeadline = earliest(linkDeadline, deadline)
            return
        }
        links[link]?.down?.stopDeadline = nil
        if childCount > slotLimit { stopSending(down.leaving, to: link) }
    }

    private mutating func remember(_ serial: UInt32, of address: PeerAddress) {
        if serialOwners.updateValue(address, forKey: serial) != nil { return }
        serialOrder.append(serial)
        // Enough for every link there may be; the oldest belong to eras that are over.
        guard serialOrder.count > 2 * configuration.linkLimit else { return }
        for old in serialOrder.prefix(configuration.linkLimit) { serialOwners[old] = nil }
        serialOrder.removeFirst(configuration.linkLimit)
    }

    /// Sends `wanted` to the child on `link` from now on.
    private mutating func admit(_ wanted: StripeSet, to link: Int, nonce: UInt64, from: Int64?) {
        guard let down = links[link]?.down, let address = links[link]?.address else { return }
        let added = wanted.subtracting(down.stripes)
        links[link]?.down?.stripes.formUnion(added)
        links[link]?.down?.leaving.subtract(added)
        links[link]?.down?.isGone = false
        links[link]?.down?.pulsed = now
        childCount += added.count
        var starving = StripeSet()
        for stripe in stripes.indices where wanted.has(stripe) {
            if stripes[stripe].isStarving { starving.insert(StripeSet(stripe)) }
            if added.has(stripe) { stripes[stripe].children.append(UInt16(link)) }
        }
        send(
            .accept(
                token: down.token,
                Acceptance(
                    nonce: nonce, stripes: down.stripes.union(added),
                    backupStripes: down.ticket.backupStripes.subtracting(added), starvingStripes: starving,
                    highestSequence: highestTold)), to: address)
        for stripe in stripes.indices where wanted.has(stripe) { tellPath(stripe, to: link) }
        if !added.isEmpty { events.append(.serve(link: link, stripes: added, from: from)) }
    }

    mutating func noteActivation(_ link: Int, _ asked: Activation) {
        guard let down = links[link]?.down, let address = links[link]?.address else { return }
        links[link]?.down?.heard = now
        var reason: Refusal.Reason?
        if !asked.stripes.isSubset(of: down.ticket.stripes.union(down.ticket.backupStripes)) {
            reason = .ticket
        }
        if leavingAt != nil { reason = .leaving }
        reason = reason ?? refusal(of: asked.stripes, by: down.ticket, link: link)
        if let reason {
            tally.refusedCount += 1
            let refusal = Refusal(nonce: asked.nonce, stripes: asked.stripes, reason: reason)
            return send(.refuse(token: down.token, refusal), to: address)
        }
        admit(asked.stripes, to: link, nonce: asked.nonce, from: asked.fromSequence)
    }

    mutating func tellPath(_ stripe: Int, to link: Int) {
        guard let down = links[link]?.down, let address = links[link]?.address else { return }
        var path = stripes[stripe].path
        path.append(member)
        send(
            .path(
                token: down.token,
                StripePath(stripe: UInt8(stripe), epoch: stripes[stripe].pathEpoch, ancestors: path)),
            to: address)
    }

    mutating func noteChildPing(_ link: Int, stamp: UInt64) {
        guard let down = links[link]?.down, let address = links[link]?.address else { return }
        links[link]?.down?.heard = now
        send(.pong(token: down.token, stamp: stamp, coordinate), to: address)
        // A lost path would stay lost; it is small.
        for stripe in stripes.indices where down.stripes.has(stripe) { tellPath(stripe, to: link) }
    }

    mutating func noteLeave(_ link: Int, _ leaving: StripeSet, keepsPlace: Bool) {
        links[link]?.down?.heard = now
        stopSending(leaving, to: link)
        if !keepsPlace, links[link]?.down?.stripes.isEmpty == true, leaving.rawValue == .max {
            forgetDown(link)
        }
    }

    mutating func stopSending(_ leaving: StripeSet, to link: Int) {
        guard let down = links[link]?.down else { return }
        let gone = down.stripes.intersection(leaving)
        childCount -= gone.count
        for stripe in stripes.indices where gone.has(stripe) {
            stripes[stripe].children.removeAll { $0 == UInt16(link) }
        }
        links[link]?.down?.stripes.subtract(gone)
        if !gone.isEmpty { events.append(.childrenChanged) }
    }

    mutating func forgetDown(_ link: Int) {
        stopSending(StripeSet(first: StripeSet.countLimit), to: link)
        links[link]?.down = nil
        dropLinkIfIdle(link)
    }

    /// Of the `due` stripes those whose path is to be said again. Members of a loop hear nothing but each other's pulses,
    /// which say that all is well: only the path tells, and one that was lost must not stay lost until the next ping.
    private mutating func tellPathsAgain(of due: StripeSet) -> StripeSet {
        var found = StripeSet()
        for stripe in stripes.indices where due.has(stripe) && !isSource {
            let packetAt = stripes[stripe].packetAt ?? .zero
            guard now - packetAt >= configuration.silenceLimit,
                now - stripes[stripe].pathTold >= configuration.pathInterval
            else { continue }
            stripes[stripe].pathTold = now
            found.insert(StripeSet(stripe))
        }
        return found
    }

    /// Tells the children of stripes that have nothing to forward that somebody is there.
    mutating func pulse() {
        var due = StripeSet()
        var starving = StripeSet()
        var level: Int64 = 0
        for stripe in stripes.indices where !stripes[stripe].children.isEmpty {
            if now - stripes[stripe].forwarded >= configuration.pulseInterval {
                due.insert(StripeSet(stripe))
                stripes[stripe].forwarded = now
            }
        }
        if due.isEmpty { return }
        let told = tellPathsAgain(of: due)
        for stripe in stripes.indices where due.has(stripe) && !isSource {
            let heard = stripes[stripe].heard
            if stripes[stripe].isStarving || now - heard >= configuration.silenceLimit / 2 {
                starving.insert(StripeSet(stripe))
                if stripes[stripe].stayingSince != nil { level = max(level, stripes[stripe].stayLevel + 1) }
            }
        }
        for link in links.indices {
            guard let down = links[link]?.down, let address = links[link]?.address else { continue }
            if down.stripes.isDisjoint(with: due) { continue }
            links[link]?.down?.pulsed = now
            for stripe in stripes.indices where told.has(stripe) && down.stripes.has(stripe) {
                tellPath(stripe, to: link)
            }
            send(
                .pulse(
                    token: down.token,
                    Pulse(
                        stripes: down.stripes, starvingStripes: starving.intersection(down.stripes),
                        starvingLevel: UInt8(clamping: level), highestSequence: highestTold)),
                to: address)
        }
    }
}
