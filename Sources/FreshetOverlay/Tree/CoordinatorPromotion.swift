import FreshetCore
import FreshetWire

/// Making the tree better while it stands: stable members are moved nearer to the source, within a budget.
extension Coordinator {
    /// A member does well: it is stable from now on, and from time to time looked at for a better place.
    mutating func consider(_ member: Int) {
        records[member].isMature = true
        let pause = configuration.reviewInterval * Int64(1 << records[member].idleReviewCount)
        if let last = records[member].considered, now - last < pause { return }
        records[member].considered = now
        if promotions.count < configuration.memberLimit { promotions.append(records[member].id) }
    }

    /// Stable members with an uplink go nearer to the source when that wins enough: a level, or the
    /// configured share of the delay. The budget keeps the tree quiet.
    mutating func promote() {
        let span = now - promotionRenewed
        guard span >= .milliseconds(100) else { return }
        promotionRenewed = now
        seekDeep()
        flatten()
        let rate = Int64(configuration.moveBudgetPerSecond) * Int64(max(1, memberCount / 25))
        promotionTokens = min(max(1_000, rate * 1_000), promotionTokens + rate * span.count / 1_000_000)
        // Everybody is looked at within some seconds, whatever the size of the group.
        let most = max(64, memberCount / 100)
        var looked = 0
        while promotionTokens >= 1_000, looked < min(most, promotions.count) {
            let id = promotions[looked]
            looked += 1
            guard let member = indexOfMember[id], records[member].connection != nil else { continue }
            let moves = improve(member)
            promotionTokens -= Int64(moves) * 1_000
            if moves > 0 {
                tally.promotionCount += 1
                records[member].idleReviewCount = 0
            } else if isPlaceSure(member), records[member].idleReviewCount < Coordinator.idleReviewLimit {
                records[member].idleReviewCount += 1
            }
        }
        promotions.removeFirst(looked)
    }

    /// A member for whom there was no better place is looked at half as often as before, so many times.
    private static let idleReviewLimit = 2

    /// Who has just moved is left where it is for so long.
    static let moveRest = Nanoseconds.seconds(1)

    /// `member` or somebody below it is deeper than need be: it is given a better place in a moment.
    mutating func flattenLater(_ member: Int) {
        let id = records[member].id
        if deep.count < 4_096, !deep.contains(id) { deep.append(id) }
    }

    /// A tree is looked through for members that are too deep so often…
    private static let deepInterval = Nanoseconds.seconds(1)
    /// …until so many are found; the next look goes on there.
    private static let deepFindCount = 64

    /// Finds members that hang too deep though no move of their own has put them there: the group has shrunk, a branch was
    /// looked at while it was cut off, or somebody has come between.
    private mutating func seekDeep() {
        guard now - deepSought >= Coordinator.deepInterval, settledAt == nil else { return }
        deepSought = now
        let usual = usualDepth
        var left = Coordinator.deepFindCount
        for _ in records.indices where left > 0 {
            let member = deepPlace < records.count ? deepPlace : 0
            deepPlace = member + 1
            let depth = Int(forest[member, records[member].home ?? 0].depth)
            guard depth > usual, depth < Forest.detached, !records[member].isRemoved else { continue }
            flattenLater(member)
            left -= 1
        }
    }

    /// Looks at some of those that are too deep. A branch that fits nowhere as a whole is flattened from within.
    private mutating func flatten() {
        if deep.isEmpty || settledAt != nil || configuration.moveBudgetPerSecond == 0 { return }
        let usual = usualDepth
        for _ in 0..<min(deep.count, 16) {
            let id = deep.removeFirst()
            guard let member = indexOfMember[id], records[member].connection != nil else { continue }
            let stripe = records[member].home ?? 0
            guard isTooDeep(member, stripe, usual) else { continue }
            if !isAtRest(member, stripe) {
                deep.append(id)
                continue
            }
            if lift(member, stripe, usual) { tally.promotionCount += 1 }
            let below = forest.children(member, stripe).filter { isTooDeep($0, stripe, usual) }
            for child in below { flattenLater(child) }
            // There may be a place a little later.
            records[member].liftCount += 1
            if below.isEmpty, isTooDeep(member, stripe, usual),
                records[member].liftCount < Coordinator.liftLimit
            {
                deep.append(id)
            } else {
                records[member].liftCount = 0
            }
        }
    }

    /// Looks for a place nearer to the source in vain, in a row.
    private static let liftLimit = 250

    /// Puts `member` less deep, whatever way that is; with all below it within the usual depth, if there is such a place.
    private mutating func lift(_ member: Int, _ stripe: Int, _ usual: Int) -> Bool {
        guard let old = forest.parent(member, stripe) else { return false }
        let depth = Int(forest[member, stripe].depth)
        let height = forest.height(of: member, stripe)
        for limit in [min(depth - 1, usual - height), depth - 1] where limit > 0 {
            let search = Search(stripe: stripe, excluded: [old], height: height, depthBelow: limit)
            guard let parent = bestParent(for: member, search), Int(forest[parent, stripe].depth) < limit
            else { continue }
            setParent(member, stripe, to: parent)
            finishMove(member, stripe)
            return true
        }
        return improve(member, mayExchange: false) > 0
    }

    private func isTooDeep(_ member: Int, _ stripe: Int, _ usual: Int) -> Bool {
        forest.isAttached(member, stripe)
            && Int(forest[member, stripe].depth) + forest.height(of: member, stripe) > usual
    }

    /// Gives `member` a better place, if there is one; gives how many have moved.
    private mutating func improve(_ member: Int, mayExchange: Bool = true) -> Int {
        let stripe = records[member].home ?? 0
        guard forest.isAttached(member, stripe), let old = forest.parent(member, stripe) else { return 0 }
        // Where it is now is reckoned anew: coordinates have settled since.
        renewBranch(old, stripe)
        let depth = Int(forest[member, stripe].depth)
        guard depth > 1, isAtRest(member, stripe) else { return 0 }
        let height = forest.height(of: member, stripe)
        if records[member].slotLimit > 0, height + depth <= configuration.depthLimit,
            takeLeafPlace(member, stripe, depthBelow: depth, delayBelow: forest[member, stripe].delay)
        {
            finishMove(member, stripe)
            return 2
        }
        let exchanged = mayExchange ? exchange(member, stripe) : 0
        if exchanged > 0 { return exchanged }
        // A shorter way may be a level deeper, as long as the tree is no deeper for it.
        let depthBelow = min(depth + 1, max(depth, usualDepth - height))
        let search = Search(stripe: stripe, excluded: [old], height: height, depthBelow: depthBelow)
        guard let parent = bestParent(for: member, search) else { return 0 }
        // What is too deep is not kept waiting.
        if mayExchange, !isAtRest(parent, stripe) { return 0 }
        let now = forest[member, stripe].delay
        let gain = Int64(now) - Int64(delay(of: member, below: parent, stripe))
        let wanted = max(2_000, Int64(now) * Int64(configuration.moveGainPerMille) / 1000)
        let wins = Int(forest[parent, stripe].depth) + 1 < depth
        guard gain >= wanted || wins && gain >= 0 else { return 0 }
        setParent(member, stripe, to: parent)
        finishMove(member, stripe)
        return 1
    }

    /// True when neither `member` nor anybody above it has moved a moment ago: they are where they are said to be,
    /// and know who is above them. Two that are put below each other's branches while these move might be below
    /// each other for a moment.
    func isAtRest(_ member: Int, _ stripe: Int) -> Bool {
        var current: Int? = member
        for _ in 0..<AncestorPath.countLimit {
            guard let index = current else { return true }
            if let last = records[index].lastMoved, now - last < Coordinator.moveRest { return false }
            current = forest.parent(index, stripe)
        }
        return true
    }

    /// The predicted way from the source to `member`, were it a child of `parent`, microseconds.
    func delay(of member: Int, below parent: Int, _ stripe: Int) -> Int32 {
        let hop = distance(parent, member) / 2 + 1_000
        return Int32(clamping: Int64(forest[parent, stripe].delay) + Int64(hop))
    }

    mutating func finishMove(_ member: Int, _ stripe: Int) {
        records[member].lastMoved = now
        chooseBackups(member, stripe)
        tell(member, StripeSet(stripe), isRegraft: true)
        renewHolders(of: member, stripe)
    }

    /// `member` has moved: whose parent is above it now must not count on it any more.
    private mutating func renewHolders(of member: Int, _ stripe: Int) {
        for holder in Set(records[member].promisedTo).sorted() {
            let other = Int(holder)
            let place = forest[other, stripe]
            guard place.backup0 == Int32(member) || place.backup1 == Int32(member), place.parent >= 0,
                Int(place.parent) != source, forest.isAtOrAbove(Int(place.parent), of: member, stripe)
            else { continue }
            chooseBackups(other, stripe)
            tell(other, StripeSet(stripe), isRegraft: true)
        }
    }
}
