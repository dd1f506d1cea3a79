import FreshetCore
import FreshetWire

/// Mending the tree (figure 8): the branch below a starving member is kept whole and moved by its top; two children convict
/// a parent.
extension Coordinator {
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
        weigh(complaintOf: child, about: parent)
        doubt(parent)
    }

    private mutating func weigh(complaintOf child: Int, about parent: Int) {
        guard parent != source, !records[parent].isRemoved, records[parent].goneSince == nil else { return }
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
    }

    /// A child misses `parent`: it is asked for a sign of life.
    private mutating func doubt(_ parent: Int) {
        guard parent != source, !records[parent].isRemoved else { return }
        noteMassFailure()
        if records[parent].goneSince != nil {
            return scheduleRemoval(parent, after: .milliseconds(500))
        }
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
        if message.to == .none, message.reason == .silence, let from = indexOfMember[message.from] {
            // It calls its backup: where it is then it says itself. A silence that ends by itself convicts nobody.
            return doubt(from)
        }
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
        guard replant(member, stripe, awayFrom: parent) else { return }
        announceRegraft(member, stripe)
    }

    /// Gives `member` a parent, if there is one for it.
    private mutating func replant(_ member: Int, _ stripe: Int, awayFrom parent: Int? = nil) -> Bool {
        guard place(member, stripe, excluding: parent.map { [$0] } ?? []) else { return false }
        records[member].lastMoved = now
        return true
    }

    private mutating func announceRegraft(_ member: Int, _ stripe: Int) {
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
            if replant(member, orphan.stripe) { announceRegraft(member, orphan.stripe) }
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
        var tops: [(member: MemberID, stripe: Int, height: Int)] = []
        var removed: [Int] = []
        while let place = removals.firstIndex(where: { $0.at <= now }) {
            let id = removals.remove(at: place).member
            guard let member = indexOfMember[id] else { continue }
            remove(member, leaving: &tops)
            removed.append(member)
        }
        // Nobody is put below a branch that is itself without a parent now; the highest branches come first.
        tops.sort { ($0.height, $1.member, $0.stripe) > ($1.height, $0.member, $1.stripe) }
        // All have their places before the first backup is promised one: else backups take those near the source.
        for top in tops {
            guard let member = indexOfMember[top.member], forest.parent(member, top.stripe) == nil else {
                continue
            }
            tally.regraftCount += 1
            _ = replant(member, top.stripe)
        }
        for top in tops {
            guard let member = indexOfMember[top.member], forest.parent(member, top.stripe) != nil else {
                continue
            }
            announceRegraft(member, top.stripe)
        }
        for member in removed { forgetPromises(of: member) }
    }

    /// Takes `member` out; the branches below it stay whole, and their tops are to get new parents (step 810).
    private mutating func remove(
        _ member: Int, leaving tops: inout [(member: MemberID, stripe: Int, height: Int)]
    ) {
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
                tops.append((records[child].id, stripe, forest.height(of: child, stripe)))
            }
        }
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
            // Who has no parent now is given one with backups in a moment.
            if place.parent >= 0 { lost.insert(StripeSet(stripe)) }
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
