import FreshetCore
import FreshetWire

/// Mending the tree (figure 8): the branch below a starving member is kept whole and moved by its top; a ping tells the
/// dead from the deaf; two children convict a parent.
extension Coordinator {
    // MARK: Pings

    /// Sends a small data echo: it measures at sign-up, and later tells whether somebody is there.
    mutating func ping(_ member: Int) {
        guard records[member].connection != nil, records[member].pingSent == nil else { return }
        serial &+= 1
        records[member].pingSerial = serial
        records[member].pingSent = now
        send(.probe(ProbeMessage(serial: serial)), to: member)
    }

    /// Pings a member that somebody complains of; silence means that it failed (step 808).
    mutating func pingUrgently(_ member: Int) {
        guard member != source, records[member].pingDeadline == nil else { return }
        records[member].pingSent = nil
        ping(member)
        records[member].pingDeadline = now + configuration.pingTimeout
        watch(member)
    }

    mutating func noteProbe(_ member: Int, serial: UInt32) {
        guard let sent = records[member].pingSent, serial == records[member].pingSerial else {
            tally.ignoredCount += 1
            return
        }
        let took = Int32(clamping: max(1, (now - sent).count / 1_000))
        let old = records[member].probeMicroseconds
        records[member].probeMicroseconds = old == 0 ? took : old + (took - old) / 4
        records[member].pingSent = nil
        records[member].pingDeadline = nil
    }

    func watchDeadline(_ member: Int) -> Instant? {
        let record = records[member]
        if record.isRemoved { return now }
        let absence = record.goneSince.map { $0 + configuration.absenceLimit }
        return earliest(absence, record.pingDeadline)
    }

    mutating func checkWatched() {
        guard !watched.isEmpty else { return }
        var kept: [Int] = []
        var failed: [Int] = []
        for member in watched {
            let record = records[member]
            guard !record.isRemoved, let deadline = watchDeadline(member) else {
                records[member].isWatched = false
                continue
            }
            if deadline > now {
                kept.append(member)
                continue
            }
            records[member].pingDeadline = nil
            records[member].pingSent = nil
            records[member].isWatched = false
            tally.failedCount += 1
            failed.append(member)
        }
        watched = kept
        // All that are gone are known as such before the first orphan is given a parent.
        for member in failed { scheduleRemoval(member, after: .zero, isLast: false) }
        if !failed.isEmpty { checkRemovals() }
    }

    // MARK: Complaints

    /// Step 802: a member receives nothing.
    mutating func noteStarving(_ member: Int, _ message: StarvingMessage) {
        for stripe in 0..<forest.stripeCount where message.stripes.has(stripe) {
            if isFlagged(member, stripe) {
                tally.flaggedCount += 1
                continue
            }
            noteHungry(member, stripe)
            let parent = indexOfMember[message.parent] ?? forest.parent(member, stripe)
            if let parent { complain(about: parent, by: member) }
            pingUrgently(member)
            regraft(member, stripe, awayFrom: parent)
        }
    }

    private mutating func noteHungry(_ member: Int, _ stripe: Int) {
        if let since = records[member].starvingSince, now - since >= configuration.branchFlagInterval {
            records[member].starvingStripes = []
            records[member].hungrySince = nil
        }
        records[member].hungrySince = records[member].hungrySince ?? now
        records[member].starvingSince = now
        records[member].starvingStripes.insert(StripeSet(stripe))
    }

    /// True when `member` has said a moment ago that it gets nothing of `stripe`.
    func isHungry(_ member: Int, _ stripe: Int) -> Bool {
        guard let since = records[member].starvingSince, records[member].starvingStripes.has(stripe) else {
            return false
        }
        return now - since < configuration.branchFlagInterval
    }

    /// Step 804: somebody above starves and is being moved, with this branch. Not flagged when that has not helped.
    func isFlagged(_ member: Int, _ stripe: Int) -> Bool {
        var current = forest.parent(member, stripe)
        for _ in 0..<AncestorPath.countLimit {
            guard let index = current else { return false }
            // One that goes on starving is perhaps deaf: then nothing helps those below but another parent.
            if isHungry(index, stripe), let since = records[index].hungrySince,
                now - since < configuration.branchFlagInterval
            {
                return true
            }
            current = forest.parent(index, stripe)
        }
        return false
    }

    /// A child says that `parent` does not serve. One complaint gets it pinged; a second child's convicts it:
    /// it is offered to nobody for a while. A member that complains of parent after parent convicts nobody.
    mutating func complain(about parent: Int, by child: Int) {
        guard parent != source, !records[parent].isRemoved else { return }
        noteMassFailure()
        if records[parent].goneSince != nil {
            return scheduleRemoval(parent, after: .milliseconds(500))
        }
        let id = records[child].id
        if let last = records[parent].complained, now - last <= configuration.complaintInterval,
            records[parent].complainer != id
        {
            if records[parent].convictedUntil.map({ $0 <= now }) ?? true { tally.convictionCount += 1 }
            records[parent].convictedUntil = now + configuration.convictionInterval
            records[parent].transmitPerMille /= 2
            records[parent].isMature = false
            records[parent].goodSince = nil
            refresh(parent)
        }
        records[parent].complainer = id
        records[parent].complained = now
        pingUrgently(parent)
    }

    /// Many complaints in a moment: everybody is asked for a sign of life, so that nobody is sent to the dead.
    private mutating func noteMassFailure() {
        if now - complaintsSince > .seconds(1) {
            complaintsSince = now
            complaintCount = 0
        }
        complaintCount += 1
        guard complaintCount > max(8, memberCount / 100) else { return }
        if let rollCalled, now - rollCalled < .seconds(5) { return }
        rollCalled = now
        for member in records.indices
        where !records[member].isRemoved && records[member].connection != nil {
            pingUrgently(member)
        }
    }

    /// A member moved by itself; the record follows, and it gets new backups.
    mutating func noteMoved(_ member: Int, _ message: MovedMessage) {
        guard let to = indexOfMember[message.to], to != member, member != source else {
            tally.ignoredCount += 1
            return
        }
        tally.movedCount += 1
        if message.reason == .silence, let from = indexOfMember[message.from] {
            complain(about: from, by: member)
        }
        var stripes = StripeSet()
        for stripe in 0..<forest.stripeCount where message.stripes.has(stripe) {
            adopt(member, stripe, by: to)
            guard forest.parent(member, stripe) == to else { continue }
            if message.reason == .refused {
                makeRoom(to, member, stripe, awayFrom: indexOfMember[message.from])
            }
            shorten(member, stripe, awayFrom: indexOfMember[message.from])
            chooseBackups(member, stripe)
            stripes.insert(StripeSet(stripe))
        }
        records[member].lastMoved = now
        records[member].starvingSince = nil
        records[member].starvingStripes = []
        records[member].hungrySince = nil
        if !stripes.isEmpty { tell(member, stripes, isRegraft: true) }
    }

    /// `member` could not go where it was sent, and stays with `parent`, which has given the place to another: it goes
    /// elsewhere, if there is a place. Otherwise one of the two is cut off there and calls its backup.
    private mutating func makeRoom(_ parent: Int, _ member: Int, _ stripe: Int, awayFrom former: Int?) {
        guard records[parent].childCount > records[parent].slotLimit else { return }
        var search = Search(stripe: stripe, excluded: former.map { [parent, $0] } ?? [parent])
        search.height = forest.height(of: member, stripe)
        guard let next = bestParent(for: member, search) else { return release(member, from: parent) }
        setParent(member, stripe, to: next)
        release(member, from: parent)
    }

    /// A branch that moved by itself may hang too deep now: it is put where it fits, if there is such a place.
    private mutating func shorten(_ member: Int, _ stripe: Int, awayFrom former: Int?) {
        guard forest.isAttached(member, stripe) else { return }
        let height = forest.height(of: member, stripe)
        let usual = usualDepth
        guard Int(forest[member, stripe].depth) + height > usual else { return }
        var search = Search(stripe: stripe, excluded: former.map { [$0] } ?? [], height: height)
        search.depthBelow = max(0, usual - height)
        var parent = bestParent(for: member, search)
        // Where there is no such place now, one is looked for again by and by, below the branch's top too.
        if parent == nil { flattenLater(member) }
        if parent == nil, Int(forest[member, stripe].depth) + height > configuration.depthLimit {
            search.depthBelow = Buckets.depthCount
            search.excluded = []
            parent = bestParent(for: member, search)
        }
        guard let parent else { return }
        setParent(member, stripe, to: parent)
    }

    /// Step 814: a new transmitter for `member`, whose branch stays below it.
    mutating func regraft(_ member: Int, _ stripe: Int, awayFrom parent: Int?) {
        guard member != source else { return }
        tally.regraftCount += 1
        setParent(member, stripe, to: nil)
        guard place(member, stripe, excluding: parent.map { [$0] } ?? []) else { return }
        records[member].lastMoved = now
        chooseBackups(member, stripe)
        tell(member, StripeSet(stripe), isRegraft: true)
    }

    mutating func retryOrphans() {
        orphanDeadline = nil
        let pending = orphans
        orphans = []
        for orphan in pending.prefix(2_000) {
            guard let member = indexOfMember[orphan.member], forest.parent(member, orphan.stripe) == nil
            else {
                continue
            }
            guard place(member, orphan.stripe) else { continue }
            records[member].lastMoved = now
            chooseBackups(member, orphan.stripe)
            tell(member, StripeSet(orphan.stripe), isRegraft: true)
        }
        orphans.append(contentsOf: pending.dropFirst(2_000))
        if !orphans.isEmpty { orphanDeadline = now + .milliseconds(250) }
    }

    // MARK: Removal

    /// `member` is out in a moment: its children have gone to their backups by then, or are given a parent.
    mutating func scheduleRemoval(_ member: Int, after span: Nanoseconds, isLast: Bool = true) {
        let id = records[member].id
        guard member != source, !records[member].isRemoved, !removals.contains(where: { $0.member == id })
        else {
            return
        }
        removals.append((id, now + span))
        records[member].convictedUntil = now + .seconds(3_600)
        refresh(member)
        if span == .zero, isLast { checkRemovals() }
    }

    mutating func checkRemovals() {
        while let place = removals.firstIndex(where: { $0.at <= now }) {
            let id = removals.remove(at: place).member
            if let member = indexOfMember[id] { remove(member) }
        }
    }

    /// Takes `member` out; the tops of the branches below it get new parents, the branches stay whole (step 810).
    private mutating func remove(_ member: Int) {
        if let connection = records[member].connection {
            indexOfConnection[connection] = nil
            outgoing.append(
                CoordinatorOutput(
                    connection: connection, message: .leave(LeaveMessage(reason: "you do not answer")),
                    closes: true))
        }
        records[member].isRemoved = true
        records[member].connection = nil
        indexOfMember[records[member].id] = nil
        releaseSlots(member)
        standbys.removeAll { $0 == member }
        waiting.removeAll { $0 == member }
        for stripe in 0..<forest.stripeCount {
            releaseBackups(member, stripe)
            let parent = forest.parent(member, stripe)
            setParent(member, stripe, to: nil)
            if let parent { release(member, from: parent) }
        }
        for stripe in 0..<forest.stripeCount {
            for child in forest.children(member, stripe) {
                setParent(child, stripe, to: nil)
                regraft(child, stripe, awayFrom: nil)
            }
        }
        forgetPromises(of: member)
        refresh(member)
        if records[member].isWatched {
            records[member].isWatched = false
            watched.removeAll { $0 == member }
        }
        freeIndexes.append(member)
    }

    /// Others hold `member` as a backup: they get another.
    private mutating func forgetPromises(of member: Int) {
        for holder in Set(records[member].promisedTo).sorted() { replaceBackup(member, of: Int(holder)) }
        records[member].promisedTo = []
    }

    /// `holder` is given another backup, and told, on each stripe where it has `member` for one; false when it has on none.
    @discardableResult
    mutating func replaceBackup(_ member: Int, of holder: Int) -> Bool {
        var lost = StripeSet()
        for stripe in 0..<forest.stripeCount {
            let place = forest[holder, stripe]
            guard place.backup0 == Int32(member) || place.backup1 == Int32(member) else { continue }
            chooseBackups(holder, stripe)
            lost.insert(StripeSet(stripe))
        }
        if !lost.isEmpty { tell(holder, lost, isRegraft: true) }
        return !lost.isEmpty
    }

    // MARK: After a restart

    /// A member of the coordinator's former life: its parents are as it says, no new ones are given.
    mutating func reclaim(_ member: Int, _ places: [PlaceReport]) {
        // Among others that never went, one that comes back need not wait for the rest.
        let isAlone = source != nil && settledAt == nil
        if !isAlone { settledAt = now + .seconds(3) }
        for place in places where Int(place.stripe) < forest.stripeCount && place.parent != .none {
            let stripe = Int(place.stripe)
            if let parent = indexOfMember[place.parent], parent != member {
                adopt(member, stripe, by: parent)
            } else {
                claims[place.parent, default: []].append((records[member].id, stripe))
            }
        }
        if isAlone { welcomeBack(member) }
    }

    private mutating func welcomeBack(_ member: Int) {
        claims = [:]
        var changed = StripeSet()
        for stripe in 0..<forest.stripeCount {
            if forest.parent(member, stripe) == nil, !place(member, stripe) { continue }
            chooseBackups(member, stripe)
            changed.insert(StripeSet(stripe))
        }
        if !changed.isEmpty { tell(member, changed, isRegraft: true) }
    }

    /// `member` is back: those who said it is their parent are below it again.
    mutating func adoptClaims(of member: Int) {
        guard let waiting = claims.removeValue(forKey: records[member].id) else { return }
        for claim in waiting {
            guard let child = indexOfMember[claim.child], child != member,
                forest.parent(child, claim.stripe) == nil
            else { continue }
            adopt(child, claim.stripe, by: member)
        }
    }

    /// Everybody who comes back is back: backups are chosen anew, and who has no parent gets one.
    mutating func settle() {
        settledAt = nil
        claims = [:]
        guard source != nil else { return }
        for member in records.indices where !records[member].isRemoved && member != source {
            if records[member].isWaiting { continue }
            var changed = StripeSet()
            for stripe in 0..<forest.stripeCount {
                if forest.parent(member, stripe) == nil, !place(member, stripe) { continue }
                if forest[member, stripe].backup0 < 0 {
                    chooseBackups(member, stripe)
                    changed.insert(StripeSet(stripe))
                }
            }
            if !changed.isEmpty { tell(member, changed, isRegraft: true) }
        }
    }
}
