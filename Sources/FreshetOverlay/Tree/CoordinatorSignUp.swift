import FreshetCore
import FreshetWire

/// Signing up a new client (figure 4) and beginning with many at once (figure 5).
extension Coordinator {
    mutating func signUp(_ join: JoinMessage, connection: UInt32, observed: PeerAddress) {
        guard indexOfConnection[connection] == nil else {
            tally.ignoredCount += 1
            return
        }
        var join = join
        // A number is known to neighbours: who comes back with one that is not its own is new.
        if join.resuming != .none,
            join.proof != JoinMessage.proof(of: join.resuming, under: ticketKey(of: join.resuming))
        {
            join.resuming = .none
            join.places = []
        }
        if let reason = refusal(of: join) {
            tally.refusedCount += 1
            if hasEnded {
                let state = StreamStateMessage(
                    epoch: epoch, hasEnded: true, highestSequence: highestSequence, era: era)
                outgoing.append(CoordinatorOutput(connection: connection, message: .streamState(state)))
            }
            outgoing.append(
                CoordinatorOutput(
                    connection: connection, message: .leave(LeaveMessage(reason: reason)), closes: true,
                    isFinal: true))
            return
        }
        let index = admit(join, observed: observed)
        records[index].connection = connection
        indexOfConnection[connection] = index
        welcome(index)
        ping(index)
        if join.role == .source {
            plantSource(index, join)
        } else if join.resuming != .none, !join.places.isEmpty {
            reclaim(index, join.places)
        } else if source == nil || configuration.waitForMembers > 0 && !hasStarted {
            records[index].isWaiting = true
            waiting.append(index)
            startIfDue()
        } else {
            placeEverywhere(index)
        }
        adoptClaims(of: index)
    }

    /// Why `join` cannot be taken; `nil` when it can (step 404).
    private func refusal(of join: JoinMessage) -> String? {
        if join.stream != configuration.stream { return "there is no stream '\(join.stream)' here" }
        if !configuration.token.isEmpty, join.token != configuration.token { return "the token is wrong" }
        if join.role == .source, !configuration.sourceToken.isEmpty,
            join.sourceToken != configuration.sourceToken
        {
            return "the source's token is wrong: the coordinator prints a URL for the source, with source=…"
        }
        if hasEnded { return "the stream is over" }
        if memberCount >= configuration.memberLimit {
            return "\(configuration.memberLimit) members are in already"
        }
        if join.role == .source, let source, records[source].goneSince == nil {
            return "the stream has a source already"
        }
        return nil
    }

    /// Makes the record, or takes up the old one of a member that comes back.
    private mutating func admit(_ join: JoinMessage, observed: PeerAddress) -> Int {
        let index: Int
        var isNew = true
        if join.resuming != .none, let old = indexOfMember[join.resuming], records[old].connection == nil,
            records[old].role == join.role
        {
            index = old
            isNew = false
        } else {
            index = freeIndexes.popLast() ?? records.count
            var id = indexOfMember[join.resuming] == nil ? join.resuming : MemberID.none
            while id == .none || indexOfMember[id] != nil { id = MemberID(UInt32(random.below(1 << 32))) }
            let record = MemberRecord(
                id: id, role: join.role, reach: join.reach, address: observed, joined: now)
            if index == records.count { records.append(record) } else { records[index] = record }
            forest.grow(to: index)
            indexOfMember[id] = index
            if join.role == .standby { standbys.append(index) }
        }
        notePlace(index, join, observed: observed, isNew: isNew)
        let address = records[index].address
        records[index].goneSince = nil
        records[index].routers = join.routers.map { Coordinator.number(of: $0) }
        if let coordinate = join.coordinate, coordinate.isSane {
            records[index].coordinate = coordinate
        } else if join.role == .source {
            // Coordinates are told from the source's.
            records[index].coordinate.errorPerMille = 50
        } else if var guess = networks[address.subnet] {
            guess.errorPerMille = max(guess.errorPerMille, Coordinator.guessPerMille)
            records[index].coordinate = guess
        }
        records[index].cell = Buckets.cell(of: records[index].coordinate, subnet: address.subnet)
        if records[index].slotLimit == 0 { assignSlots(index, join) }
        refresh(index)
        return index
    }

    /// A neighbour's coordinate is good for choosing parents, and no more.
    static let guessPerMille: Int32 = 500

    /// A number for a router's name: equal names, equal numbers.
    private static func number(of router: String) -> UInt64 {
        var hash = SipHash(key: SipKey(low: 0, high: 0))
        for byte in router.utf8 { hash.combine(UInt64(byte)) }
        return hash.tag()
    }

    mutating func welcome(_ index: Int) {
        var message = WelcomeMessage()
        message.member = records[index].id
        message.epoch = epoch
        message.stripeCount = configuration.stripeCount
        message.hasParity = configuration.hasParity
        message.slotLimit = UInt32(records[index].slotLimit)
        let shared = Int64(memberCount) * 1_000 / Int64(configuration.reportsPerSecond)
        message.reportMilliseconds = UInt32(max(configuration.reportInterval.count / 1_000_000, shared))
        message.era = era
        message.highestSequence = highestSequence
        message.ticketKey = ticketKey(of: records[index].id)
        message.mirrorPorts = configuration.mirrorPorts
        message.mirrorNonce = records[index].mirrorNonce
        send(.welcome(message), to: index)
    }

    func ticketKey(of member: MemberID) -> SipKey { key.derived(for: UInt64(member.number)) }

    // MARK: The source

    private mutating func plantSource(_ index: Int, _ join: JoinMessage) {
        source = index
        epoch = join.epoch
        records[index].home = nil
        records[index].isMature = true
        forest.plant(index)
        refresh(index)
        if join.resuming != .none { settledAt = now + .seconds(3) }
        announceState()
        startIfDue()
    }

    var hasStarted: Bool { waiting.isEmpty && memberCount > configuration.waitForMembers }

    /// Places those that wait, once there is a source and enough of them are there (figure 5).
    mutating func startIfDue() {
        guard let source, !waiting.isEmpty, let first = waiting.first else { return }
        let isDue = now - records[first].joined >= configuration.waitLimit
        guard waiting.count >= configuration.waitForMembers || isDue else { return }
        let order = startOrder(waiting.filter { !records[$0].isRemoved })
        waiting = []
        renewBranch(source, 0)
        // All have their places before the first backup is promised one: else backups take those near the source.
        var placed: [(member: Int, stripes: StripeSet)] = []
        for member in order {
            records[member].isWaiting = false
            placed.append((member, placeOnStripes(member)))
        }
        for (member, stripes) in placed where !stripes.isEmpty {
            for stripe in 0..<forest.stripeCount where stripes.has(stripe) { chooseBackups(member, stripe) }
            tell(member, stripes, isRegraft: false)
        }
    }

    /// Figure 5: sorted by the routers they share and by place (504), the best of every cluster first (506),
    /// then the next best (508), then the rest (510). Who is placed first becomes a primary.
    private func startOrder(_ members: [Int]) -> [Int] {
        var clusters: [UInt64: [Int]] = [:]
        for member in members {
            let cluster = records[member].routers.first ?? UInt64(records[member].cell)
            clusters[cluster, default: []].append(member)
        }
        var ranked = clusters.keys.sorted().map { key in
            clusters[key, default: []].sorted { isBetter($0, $1) }
        }
        // Every cluster gives its best, then its next best …; larger clusters go first within a round.
        ranked.sort { $0.count > $1.count }
        var order: [Int] = []
        var round = 0
        while order.count < members.count {
            for cluster in ranked where round < cluster.count { order.append(cluster[round]) }
            round += 1
        }
        // Those that cannot forward come last, whatever their place.
        return order.filter { records[$0].slotLimit > 0 } + order.filter { records[$0].slotLimit == 0 }
    }

    /// Probe performance and uplink: relays first, then the quicker echo for the same uplink.
    private func isBetter(_ a: Int, _ b: Int) -> Bool {
        if records[a].slotLimit != records[b].slotLimit { return records[a].slotLimit > records[b].slotLimit }
        let first = records[a].probeMicroseconds == 0 ? Int32.max : records[a].probeMicroseconds
        let second = records[b].probeMicroseconds == 0 ? Int32.max : records[b].probeMicroseconds
        return (first, a) < (second, b)
    }

    // MARK: Placing

    /// Finds parents and backups for every stripe and tells the member.
    mutating func placeEverywhere(_ member: Int) {
        let placed = placeOnStripes(member)
        for stripe in 0..<forest.stripeCount where placed.has(stripe) { chooseBackups(member, stripe) }
        if !placed.isEmpty { tell(member, placed, isRegraft: false) }
    }

    private mutating func placeOnStripes(_ member: Int) -> StripeSet {
        var placed = StripeSet()
        for stripe in 0..<forest.stripeCount where forest.parent(member, stripe) == nil {
            if place(member, stripe) { placed.insert(StripeSet(stripe)) }
        }
        return placed
    }

    /// Gives `member` a parent on `stripe`; false, and on the list of orphans, when nobody has a place.
    mutating func place(_ member: Int, _ stripe: Int, excluding: [Int] = []) -> Bool {
        let height = forest[member, stripe].firstChild < 0 ? 0 : forest.height(of: member, stripe)
        var search = Search(stripe: stripe, excluded: excluding, height: height)
        // Who is below a parent that fails starves as well.
        search.avoided = excluding.filter { $0 != source }
        search.depthBelow = max(0, usualDepth - height)
        if let parent = bestParent(for: member, search) {
            setParent(member, stripe, to: parent)
            return true
        }
        search.depthBelow = Buckets.depthCount
        // Deeper than need be, by and by it is put where it fits.
        flattenLater(member)
        if let parent = bestParent(for: member, search) {
            setParent(member, stripe, to: parent)
            return true
        }
        let depthBelow = configuration.depthLimit - height + 1
        if takeLeafPlace(member, stripe, avoiding: search.avoided, depthBelow: depthBelow) { return true }
        // Anybody is better than nobody: a place promised to others, in the end the one that is left.
        search.takesPromised = true
        search.avoided = []
        for excluded in [excluding, []] {
            search.excluded = excluded
            if let parent = bestParent(for: member, search) {
                setParent(member, stripe, to: parent)
                return true
            }
        }
        orphans.append((records[member].id, stripe))
        orphanDeadline = earliest(orphanDeadline, now + .milliseconds(250))
        return false
    }

    /// Puts `member`, which forwards `stripe`, in the place of a leaf that does not, and the leaf below it.
    mutating func takeLeafPlace(
        _ member: Int, _ stripe: Int, avoiding avoided: [Int] = [], depthBelow: Int = Buckets.depthCount,
        delayBelow: Int32 = .max
    ) -> Bool {
        guard records[member].home == nil || records[member].home == stripe, freePlaces(member) > 0 else {
            return false
        }
        for depth in 1..<max(1, min(depthBelow, configuration.depthLimit - 1)) {
            let key = Buckets.leafKey(stripe: stripe, depth: depth)
            guard
                let (leaf, parent) = nearestLeaf(
                    to: member, in: key, stripe, avoided, isUrgent: delayBelow == .max),
                delay(of: member, below: parent, stripe) < delayBelow
            else { continue }
            setParent(leaf, stripe, to: nil)
            setParent(member, stripe, to: parent)
            setParent(leaf, stripe, to: member)
            chooseBackups(leaf, stripe)
            release(leaf, from: parent)
            tell(leaf, StripeSet(stripe), isRegraft: true)
            return true
        }
        return false
    }

    /// `parent` may stop what it sends to `child` beyond what the records say, when it needs the place for another.
    mutating func release(_ child: Int, from parent: Int) {
        var primary = StripeSet()
        var backup = StripeSet()
        for stripe in 0..<forest.stripeCount where !records[child].isRemoved {
            let place = forest[child, stripe]
            if place.parent == Int32(parent) { primary.insert(StripeSet(stripe)) }
            if place.backup0 == Int32(parent) || place.backup1 == Int32(parent) {
                backup.insert(StripeSet(stripe))
            }
        }
        let record = records[child]
        send(
            .forward(
                ForwardMessage(
                    child: record.id, address: record.address, inside: inside(of: child, for: parent),
                    stripes: primary, backupStripes: backup, isGone: records[child].isRemoved)),
            to: parent)
    }

    /// Of some leaves of a bucket the one whose parent is the best for `member`.
    private mutating func nearestLeaf(
        to member: Int, in key: Int, _ stripe: Int, _ avoided: [Int], isUrgent: Bool
    ) -> (leaf: Int, parent: Int)? {
        let size = buckets[key].count
        if size == 0 { return nil }
        var best: (leaf: Int, parent: Int)?
        var least = Int32.max
        var place = Int(random.below(UInt64(size)))
        for _ in 0..<min(16, size) {
            let leaf = Int(buckets[key][place])
            place = place + 1 == size ? 0 : place + 1
            guard leaf != member, let parent = forest.parent(leaf, stripe), parent != member,
                !forest.isAtOrAbove(member, of: parent, stripe), canReach(parent, from: member),
                canReach(member, from: leaf), isUrgent || isAtRest(leaf, stripe),
                !avoided.contains(where: { forest.isAtOrAbove($0, of: parent, stripe) })
            else { continue }
            let way = delay(of: member, below: parent, stripe)
            if way < least {
                least = way
                best = (leaf, parent)
            }
        }
        return best
    }

    /// Chooses the warm backups of `member` on `stripe`, outside its primary's branch, and reserves their places.
    mutating func chooseBackups(_ member: Int, _ stripe: Int) {
        releaseBackups(member, stripe)
        guard let parent = forest.parent(member, stripe) else { return }
        // The member comes with all that is below it: a backup that is deep already would make the tree too deep.
        var search = Search(stripe: stripe)
        search.height = forest[member, stripe].firstChild < 0 ? 0 : forest.height(of: member, stripe)
        if parent == source { search.excluded = [parent] } else { search.avoided = [parent] }
        for slot in 0..<min(2, configuration.backupCount) {
            var found = backup(for: member, search, isFirst: slot == 0, below: parent)
            if found == nil, search.height > 0 {
                search.height = 0
                found = backup(for: member, search, isFirst: slot == 0, below: parent)
            }
            guard let backup = found else { return }
            records[backup].promisedTo.append(Int32(member))
            if slot == 0 {
                forest[member, stripe].backup0 = Int32(backup)
            } else {
                forest[member, stripe].backup1 = Int32(backup)
            }
            search.excluded.append(backup)
            refresh(backup)
        }
    }

    private mutating func backup(for member: Int, _ search: Search, isFirst: Bool, below parent: Int) -> Int?
    {
        // A standby is there for the children of primaries.
        if isFirst, let source, forest.parent(parent, search.stripe) == source || parent == source {
            for standby in standbys
            where standby != member && !search.excluded.contains(standby) && standby != parent
                && canTake(standby, search) && canReach(standby, from: member)
                && !forest.isAtOrAbove(member, of: standby, search.stripe)
            {
                return standby
            }
        }
        return bestParent(for: member, search)
    }

    mutating func releaseBackups(_ member: Int, _ stripe: Int) {
        for backup in [forest[member, stripe].backup0, forest[member, stripe].backup1] where backup >= 0 {
            if let place = records[Int(backup)].promisedTo.lastIndex(of: Int32(member)) {
                records[Int(backup)].promisedTo.remove(at: place)
            }
            refresh(Int(backup))
        }
        forest[member, stripe].backup0 = -1
        forest[member, stripe].backup1 = -1
    }

    /// Tells `member` its parents on `stripes`, and the parents of it (steps 412, 920).
    mutating func tell(_ member: Int, _ stripes: StripeSet, isRegraft: Bool) {
        var parents: [(index: Int, primary: StripeSet, backup: StripeSet)] = []
        for stripe in 0..<forest.stripeCount where stripes.has(stripe) {
            let place = forest[member, stripe]
            for index in [place.parent, place.backup0, place.backup1]
            where index >= 0 && !parents.contains(where: { $0.index == Int(index) }) {
                parents.append((Int(index), [], []))
            }
        }
        // A ticket says all that the parent is to the child: the newest is the only one in use.
        for stripe in 0..<forest.stripeCount {
            let place = forest[member, stripe]
            for index in parents.indices {
                let parent = Int32(parents[index].index)
                if place.parent == parent { parents[index].primary.insert(StripeSet(stripe)) }
                if place.backup0 == parent || place.backup1 == parent {
                    parents[index].backup.insert(StripeSet(stripe))
                }
            }
        }
        var message = AssignMessage()
        message.stripes = stripes
        for parent in parents {
            serial &+= 1
            let record = records[parent.index]
            let child = records[member]
            let vouched = vouched(member)
            let ticket = Ticket(
                epoch: epoch, parent: record.id, child: child.id, stripes: parent.primary,
                backupStripes: parent.backup, era: era, serial: serial, seenAt: vouched.seenAt,
                isPortKnown: vouched.isPortKnown, key: ticketKey(of: record.id))
            message.offers.append(
                ParentOffer(
                    member: record.id, address: record.address, inside: inside(of: parent.index, for: member),
                    ticket: ticket))
            if !parent.primary.isEmpty || record.reach == .mapped || child.reach != .open {
                send(
                    .forward(
                        ForwardMessage(
                            child: child.id, address: child.address,
                            inside: inside(of: member, for: parent.index),
                            stripes: parent.primary, backupStripes: parent.backup)), to: parent.index)
            }
        }
        send(isRegraft ? .regraft(message) : .assign(message), to: member)
    }
}
