import FreshetCore
import FreshetOverlay
import FreshetWire

/// What must hold in every world, and the figures that tests and benches tell.
extension TreeWorld {
    /// Viewers that are alive.
    var survivors: [Int] { hosts.indices.dropFirst().filter { hosts[$0].isAlive && !hosts[$0].isFrozen } }

    /// Members by number.
    var indexOfMember: [MemberID: Int] {
        var table: [MemberID: Int] = [:]
        for index in hosts.indices where hosts[index].isAlive { table[hosts[index].node.member] = index }
        return table
    }

    /// No cycle, no viewer without a way up, no more children than places. The sentence of what is wrong, or none.
    func structureProblems() -> [String] {
        var found: [String] = []
        let table = indexOfMember
        for index in survivors {
            for stripe in 0..<settings.stripeCount {
                var current = index
                var steps = 0
                while current != 0, steps <= 16 {
                    let parent = hosts[current].node.parent(of: stripe)
                    guard let above = table[parent] else {
                        found.append("\(index) has no way up on stripe \(stripe): \(current) has no parent")
                        break
                    }
                    current = above
                    steps += 1
                }
                if steps > 16 { found.append("\(index) is in a cycle on stripe \(stripe)") }
                maximalDepth = max(maximalDepth, steps)
            }
        }
        for index in hosts.indices where hosts[index].isAlive {
            let places = (index == 0 ? settings.sourceChildren : settings.children) * settings.stripeCount
            // Who takes the place of another comes before that one goes.
            let most = places + ChildPlaces.overlap(of: places)
            if hosts[index].node.childCount > most { found.append("\(index) has too many children") }
        }
        return found
    }

    /// Of the packets that a viewer should have had since its first, those it did not have in time; the last `tail` are
    /// still under way.
    func missing(_ index: Int, tail: Int = 100) -> (count: Int, longest: Int, due: Int) {
        let host = hosts[index]
        guard let first = host.firstSequence else { return (emitted.count, emitted.count, emitted.count) }
        let due = max(0, emitted.count - Int(first - TreeWorld.firstSequence) - tail)
        var count = 0
        var longest = 0
        var run = 0
        for place in 0..<due {
            if place < host.inTime.count, host.inTime[place] == 1 {
                run = 0
            } else {
                count += 1
                run += 1
                longest = max(longest, run)
            }
        }
        return (count, longest, due)
    }

    /// Viewers that missed something.
    func hurt(tail: Int = 100) -> [Int] { survivors.filter { missing($0, tail: tail).count > 0 } }
}
