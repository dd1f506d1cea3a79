import FreshetCore
import FreshetWire

/// Two members change places: who joined first is near the source, whatever its line is like, and all below it pay for a
/// long one twice, there and back. A member that would serve them sooner takes its place and its children.
extension Coordinator {
    /// Members that are looked at for an exchange, at most.
    private static let exchangeLookCount = 96
    /// What an exchange must win for each of those that it moves, in thousandths of the direct way from the source…
    private static let exchangeGain: Int64 = 50
    /// …which counts as so many microseconds at least: nobody is moved for what a busy machine may make of a short way.
    private static let leastDirect: Int64 = 40_000
    /// Members whose places are less sure than this are left where they are.
    private static let exchangePerMille: Int32 = 200
    /// Who has moved is not moved again by an exchange for so long.
    private static let exchangeRest = Nanoseconds.seconds(5)

    /// Puts `member` in the place of somebody nearer to the source, when all together are better off; gives how many
    /// have moved.
    mutating func exchange(_ member: Int, _ stripe: Int) -> Int {
        guard mayExchange(member, stripe),
            let former = forest.parent(member, stripe), let other = bestExchange(for: member, stripe),
            let above = forest.parent(other, stripe), isAtRest(other, stripe)
        else { return 0 }
        tally.exchangeCount += 1
        let children = forest.children(other, stripe)
        setParent(other, stripe, to: nil)
        for child in children { setParent(child, stripe, to: member) }
        setParent(member, stripe, to: above)
        let hasRoom = records[member].slotLimit > records[member].childCount
        setParent(other, stripe, to: hasRoom ? member : former)
        release(other, from: above)
        if !hasRoom { release(member, from: former) }
        for moved in [member] + children + [other] { finishMove(moved, stripe) }
        takeBackPromises(of: member)
        return children.count + 2
    }

    private func mayExchange(_ member: Int, _ stripe: Int) -> Bool {
        let record = records[member]
        if let last = record.lastMoved, now - last < Coordinator.exchangeRest { return false }
        return isPlaceSure(member) && record.isMature && isOfferable(member)
            && (record.home == nil || record.home == stripe)
            && record.role != .standby && !isHungry(member, stripe) && !isFlagged(member, stripe)
    }

    /// True when it is known well enough where `member` is.
    func isPlaceSure(_ member: Int) -> Bool {
        records[member].coordinate.errorPerMille <= Coordinator.exchangePerMille
    }

    /// Whose place is the best for `member`: children of those above it, not those above it themselves. Somebody below
    /// the other one could not take its place before it has learnt of the new way, which tells of no loop.
    private func bestExchange(for member: Int, _ stripe: Int) -> Int? {
        var best: (gain: Int64, member: Int)?
        var looked = 0
        guard var below = forest.parent(member, stripe) else { return nil }
        while let above = forest.parent(below, stripe), looked < Coordinator.exchangeLookCount {
            for other in forest.children(above, stripe) where other != below {
                looked += 1
                guard let gain = exchangeGain(of: member, with: other, below: above, stripe) else { continue }
                if best == nil || gain > best!.gain { best = (gain, other) }
            }
            below = above
        }
        return best?.member
    }

    /// What is won, summed over all that would move, those right below them counted with them; `nil` when too little, or
    /// when it cannot be. A way counts against the direct one: a millisecond is much to a neighbour of the source.
    private func exchangeGain(of member: Int, with other: Int, below above: Int, _ stripe: Int) -> Int64? {
        let place = forest[other, stripe]
        let free = records[member].slotLimit - records[member].childCount
        guard place.childCount <= free, records[other].role == .viewer, records[other].connection != nil,
            isPlaceSure(other)
        else {
            return nil
        }
        if let last = records[other].lastMoved, now - last < Coordinator.exchangeRest { return nil }
        let way = Int64(delay(of: member, below: above, stripe))
        var gain = (Int64(forest[member, stripe].delay) - way) * weight(member, stripe)
        // The other one will be below the member, or where that was.
        let hasRoom = place.childCount < free
        guard let former = hasRoom ? member : forest.parent(member, stripe) else { return nil }
        let next = hasRoom ? way + hop(member, other) : Int64(delay(of: other, below: former, stripe))
        gain -= (next - Int64(place.delay)) * 1_000_000 / direct(other)
        var child = place.firstChild
        while child >= 0 {
            let index = Int(child)
            gain +=
                (Int64(place.delay) + hop(other, index) - way - hop(member, index)) * weight(index, stripe)
            child = forest[index, stripe].nextSibling
        }
        let moved = Int64(place.childCount) + 2
        return gain >= moved * Coordinator.exchangeGain * 1_000 ? gain : nil
    }

    /// What a microsecond is worth to a member and those right below it, which are taken to be near it.
    private func weight(_ member: Int, _ stripe: Int) -> Int64 {
        Int64(forest[member, stripe].childCount + 1) * 1_000_000 / direct(member)
    }

    /// The direct way from the source, microseconds.
    private func direct(_ member: Int) -> Int64 {
        guard let source else { return Coordinator.leastDirect }
        return max(Coordinator.leastDirect, hop(source, member))
    }

    private func hop(_ a: Int, _ b: Int) -> Int64 { Int64(distance(a, b) / 2) + 1_000 }

    /// `member` has children where it had promised places: those who hold it as a backup beyond what it has left get
    /// another.
    private mutating func takeBackPromises(of member: Int) {
        while freePlaces(member) < 0, let holder = records[member].promisedTo.last {
            guard replaceBackup(member, of: Int(holder)) else { break }
        }
    }
}
