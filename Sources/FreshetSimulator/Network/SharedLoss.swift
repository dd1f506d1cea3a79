import FreshetCore
import FreshetStages

/// Who of many members of one class loses a datagram that goes to all of them.
///
/// The same law as ``LinkModel``'s for each member by itself (independent losses, or Gilbert bursts), drawn
/// for the class as a whole: members and datagrams stand in one long row, and the loss skips from one lost
/// place to the next. Members in a burst are in a list of their own.
struct SharedLoss {
    private var random: PRNG
    private let turnsBad: GeometricSkip
    private let isBursty: Bool
    private let goodThreshold: UInt64
    private let badPart: Int
    private let badWhole: Int
    private let count: Int
    /// Members to pass before the next that turns bad.
    private var distance: Int
    private var bad: [Int32] = []
    private var isBad: [Bool]

    /// For `count` members with the loss and bursts of `link`.
    init(_ link: LinkModel.Configuration, count: Int, random: PRNG) {
        self.random = random
        self.count = count
        let loss = max(0, min(link.loss, 1_000_000))
        let rest = 1_000_000 - loss
        isBursty = link.burst > 1 && loss > 0 && rest > 0
        let burst = max(1, link.burst, rest > 0 ? (loss + rest - 1) / rest : 1)
        (badPart, badWhole) = isBursty ? (loss, burst * rest) : (loss, 1_000_000)
        turnsBad = GeometricSkip(badPart, of: badWhole)
        goodThreshold = UInt64.max / UInt64(burst)
        isBad = Array(repeating: false, count: isBursty ? count : 0)
        distance = turnsBad.next(&self.random)
    }

    /// Fills `losers` with the indices of the members that lose the next datagram.
    mutating func next(into losers: inout [Int32]) {
        losers.removeAll(keepingCapacity: true)
        let wasBad = bad.count
        var index = 0
        while index < bad.count {
            if random.next() < goodThreshold {
                isBad[Int(bad[index])] = false
                bad.swapAt(index, bad.count - 1)
                bad.removeLast()
            } else {
                losers.append(bad[index])
                index += 1
            }
        }
        if distance >= count {
            if distance != .max { distance -= count }
            return
        }
        find(into: &losers, hadBad: wasBad > 0)
    }

    private mutating func find(into losers: inout [Int32], hadBad: Bool) {
        while distance < count {
            let member = Int32(truncatingIfNeeded: distance)
            let skip = turnsBad.next(&random)
            distance = skip == .max ? .max : distance + 1 + skip
            if isBursty {
                // Its channel is bad already.
                if isBad[Int(member)] { continue }
                isBad[Int(member)] = true
                bad.append(member)
            }
            losers.append(member)
        }
        if distance != .max { distance -= count }
    }

    /// True when `member` loses a datagram that goes to it alone. Such datagrams do not move the channel's
    /// state.
    mutating func losesAlone(_ member: Int32) -> Bool {
        if isBursty { return isBad[Int(member)] }
        return random.chance(UInt64(max(0, badPart)), in: UInt64(badWhole))
    }
}
