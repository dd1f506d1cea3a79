import FreshetCore
import FreshetWire

/// Who may be a member's parent, and who is best: figure 4's step 410. Bound by places and depth, chosen by
/// the way from the source, the child's neighbourhood, and how well the candidate has served.
extension Coordinator {
    /// What a parent is looked for.
    struct Search {
        var stripe: Int
        /// Not these, nor anybody below them.
        var avoided: [Int] = []
        /// Not these.
        var excluded: [Int] = []
        /// Levels that come along below the member.
        var height = 0
        /// Places that are promised to others will do: somebody is there, and those may not come.
        var takesPromised = false
        /// Only candidates less deep than this.
        var depthBelow = Buckets.depthCount
    }

    /// Places that `member` may still give away for good.
    func freePlaces(_ member: Int) -> Int32 {
        let reserved =
            (records[member].promisedCount + Int32(configuration.promisesPerPlace) - 1)
            / Int32(configuration.promisesPerPlace)
        return records[member].slotLimit - records[member].childCount - reserved
    }

    /// True when `member` may be offered to others at all.
    func isOfferable(_ member: Int) -> Bool {
        if records[member].isRemoved || records[member].connection == nil { return false }
        if records[member].reach == .closed { return false }
        if let until = records[member].convictedUntil, until > now { return false }
        return records[member].slotLimit > 0
    }

    /// True when a child on `stripe` can be put below `member`.
    func canTake(_ member: Int, _ search: Search) -> Bool {
        let free =
            search.takesPromised ? records[member].slotLimit - records[member].childCount : freePlaces(member)
        guard isOfferable(member), free > 0 else { return false }
        let place = forest[member, search.stripe]
        guard place.depth != Forest.detached, Int(place.depth) < search.depthBelow,
            Int(place.depth) + 1 + search.height <= configuration.depthLimit
        else { return false }
        if records[member].home == nil {
            let share = records[member].slotLimit / Int32(forest.stripeCount)
            return place.childCount < max(1, share)
        }
        return true
    }

    /// The best parent for `member`, or `nil` when nobody has a place.
    mutating func bestParent(for member: Int, _ search: Search) -> Int? {
        var best: (score: Int64, member: Int)?
        var seen = 0
        var levels = 0
        for depth in 0..<min(search.depthBelow, configuration.depthLimit) {
            if buckets.offers(stripe: search.stripe, depth: depth) == 0 { continue }
            for candidate in candidates(near: records[member].cell, stripe: search.stripe, depth: depth) {
                guard canTake(candidate, search), isAllowed(candidate, for: member, search) else { continue }
                seen += 1
                let score = score(candidate, for: member, search.stripe)
                if best == nil || score < best!.score { best = (score, candidate) }
            }
            // What is two levels deeper than the first with a choice is taken for depth's sake by nobody.
            if seen >= 12 { levels += 1 }
            if levels >= 2 { break }
        }
        return best?.member ?? spareParent(for: member, search)
    }

    /// Up to some dozen members with a free place at `depth`: from the own cell, its neighbours, and anywhere.
    private mutating func candidates(near cell: Int, stripe: Int, depth: Int) -> [Int] {
        var found: [Int] = []
        let row = cell / 8
        let column = cell % 8
        sample(Buckets.key(offering: cell, stripe: stripe, depth: depth), 12, into: &found)
        for (dr, dc) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            guard row + dr >= 0, row + dr < 8, column + dc >= 0, column + dc < 8 else { continue }
            let neighbour = (row + dr) * 8 + column + dc
            sample(Buckets.key(offering: neighbour, stripe: stripe, depth: depth), 2, into: &found)
        }
        var other = Int(random.below(UInt64(Buckets.cellCount)))
        for _ in 0..<Buckets.cellCount where found.count < 8 {
            if other != cell {
                sample(Buckets.key(offering: other, stripe: stripe, depth: depth), 1, into: &found)
            }
            other = (other + 1) % Buckets.cellCount
        }
        return found
    }

    private mutating func sample(_ key: Int, _ count: Int, into found: inout [Int]) {
        let size = buckets[key].count
        if size == 0 { return }
        var place = Int(random.below(UInt64(size)))
        for _ in 0..<min(count, size) {
            found.append(Int(buckets[key][place]))
            place = place + 1 == size ? 0 : place + 1
        }
    }

    /// A member whose home is another stripe but whose uplink has room: the mapping of members to stripes is no law
    /// (Magharei and Rejaie). At most 64 are looked at.
    private mutating func spareParent(for member: Int, _ search: Search) -> Int? {
        if spare.isEmpty { return nil }
        var best: (score: Int64, member: Int)?
        var place = Int(random.below(UInt64(spare.count)))
        for _ in 0..<min(64, spare.count) {
            let candidate = Int(spare[place])
            if canTake(candidate, search), isAllowed(candidate, for: member, search) {
                let score = score(candidate, for: member, search.stripe)
                if best == nil || score < best!.score { best = (score, candidate) }
            }
            place = place + 1 == spare.count ? 0 : place + 1
        }
        return best?.member
    }

    private func isAllowed(_ candidate: Int, for member: Int, _ search: Search) -> Bool {
        if search.excluded.contains(candidate) { return false }
        if !canReach(candidate, from: member) { return false }
        if forest.isAtOrAbove(member, of: candidate, search.stripe) { return false }
        for avoided in search.avoided where forest.isAtOrAbove(avoided, of: candidate, search.stripe) {
            return false
        }
        return true
    }

    /// Lower is better, in microseconds of delay: the way to the candidate and on, and what its age, record and
    /// neighbourhood are worth.
    private func score(_ candidate: Int, for member: Int, _ stripe: Int) -> Int64 {
        var score = Int64(forest[candidate, stripe].delay) + Int64(distance(candidate, member) / 2) + 5_000
        if !records[candidate].isMature, records[candidate].role == .viewer { score += 30_000 }
        score += Int64(1000 - records[candidate].transmitPerMille) * 200
        // Who gets nothing now has nothing to give, and cannot tell yet whom it will be below.
        if isHungry(candidate, stripe) || isFlagged(candidate, stripe) || isBelowSilence(candidate, stripe) {
            score += 500_000
        }
        // Two parents behind one line fail together.
        for other in 0..<forest.stripeCount where other != stripe {
            guard let parent = forest.parent(member, other) else { continue }
            if parent == candidate, records[candidate].home != nil { score += 20_000 }
        }
        return score
    }

    /// Predicted round trip between two members by both coordinates, microseconds; a guess of 50 ms while one knows
    /// nothing.
    func distance(_ a: Int, _ b: Int) -> Int32 {
        let from = records[a].coordinate
        let to = records[b].coordinate
        if from.errorPerMille >= 1000 || to.errorPerMille >= 1000 {
            return records[a].address.subnet == records[b].address.subnet ? 2_000 : 50_000
        }
        return from.distance(to: to)
    }

    // MARK: Bookkeeping

    /// Puts `member` below `parent` (nobody when `nil`) and renews what follows from it.
    mutating func setParent(_ member: Int, _ stripe: Int, to parent: Int?) {
        if let old = forest.parent(member, stripe) {
            if old == parent { return }
            forest.unlink(member, stripe)
            records[old].childCount -= 1
            refresh(old)
        }
        if let parent {
            forest.link(member, below: parent, stripe)
            records[parent].childCount += 1
            refresh(parent)
        }
        renewBranch(member, stripe)
    }

    /// Renews depth and delay of `member` and everybody below it.
    mutating func renewBranch(_ member: Int, _ stripe: Int) {
        for index in forest.branch(of: member, stripe) {
            var place = forest[index, stripe]
            if index == source {
                place.depth = 0
                place.delay = 0
            } else if place.parent >= 0, forest[Int(place.parent), stripe].depth < Forest.detached - 1 {
                let above = forest[Int(place.parent), stripe]
                place.depth = above.depth + 1
                let hop = distance(Int(place.parent), index) / 2 + 1_000
                place.delay = Int32(clamping: Int64(above.delay) + Int64(hop))
            } else {
                place.depth = Forest.detached
            }
            forest[index, stripe] = place
            refreshBucket(index, stripe)
        }
    }

    /// Puts `member` into the buckets it belongs in now, on every stripe.
    mutating func refresh(_ member: Int) {
        for stripe in 0..<forest.stripeCount { refreshBucket(member, stripe) }
        let hasSpare = isOfferable(member) && records[member].slotLimit > records[member].childCount
        let place = records[member].sparePlace
        if hasSpare, place < 0 {
            records[member].sparePlace = Int32(spare.count)
            spare.append(Int32(member))
        } else if !hasSpare, place >= 0 {
            let last = spare.removeLast()
            if Int(place) < spare.count {
                spare[Int(place)] = last
                records[Int(last)].sparePlace = place
            }
            records[member].sparePlace = -1
        }
    }

    private mutating func refreshBucket(_ member: Int, _ stripe: Int) {
        let key = bucketKey(member, stripe)
        let place = forest[member, stripe]
        if Int(place.bucket) == key { return }
        if place.bucket >= 0, let moved = buckets.remove(at: Int(place.bucketPlace), from: Int(place.bucket))
        {
            forest[moved, stripe].bucketPlace = place.bucketPlace
        }
        forest[member, stripe].bucket = Int32(key)
        if key >= 0 { forest[member, stripe].bucketPlace = Int32(buckets.add(member, to: key)) }
    }

    private func bucketKey(_ member: Int, _ stripe: Int) -> Int {
        let place = forest[member, stripe]
        guard Int(place.depth) < Buckets.depthCount, !records[member].isRemoved else { return -1 }
        let home = records[member].home
        if home == nil || home == stripe {
            guard canTake(member, Search(stripe: stripe)) else {
                return member != source && records[member].slotLimit == 0 && place.childCount == 0
                    ? Buckets.leafKey(stripe: stripe, depth: Int(place.depth)) : -1
            }
            return Buckets.key(offering: records[member].cell, stripe: stripe, depth: Int(place.depth))
        }
        return place.childCount == 0 ? Buckets.leafKey(stripe: stripe, depth: Int(place.depth)) : -1
    }
}
