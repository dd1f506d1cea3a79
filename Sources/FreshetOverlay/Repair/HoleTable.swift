public import FreshetCore

/// One missing packet, as its receiver thinks of it.
public struct Hole: Sendable {
    /// The extended sequence number that is missing.
    public var sequence: Int64
    /// When it was noticed.
    public var noticed: Instant
    /// When it is given up.
    public var deadline: Instant
    /// When the next round of asking begins.
    public var nextRound: Instant
    /// When the current round's request is sent next.
    public var nextAsk: Instant
    /// After this instant a request of this round is of no use.
    public var askEnd: Instant
    /// Between two requests of this round.
    public var askGap: Nanoseconds
    /// Requests of the current round still to be sent.
    public var asksLeft: Int16
    /// Rounds begun so far.
    public var rounds: UInt8
    /// Copies asked for in earlier rounds and this one, in quarters.
    public var spentQuarters: UInt8
    /// Copies asked for in this round, in quarters.
    public var quarterCopies: UInt8
    /// True once it was filled: it stays in the table until those before it go, so that copies are told as such.
    public var isFilled: Bool
    /// Parity may stand in for copies.
    public var allowsParity: Bool

    /// A hole that was not asked for yet.
    public init(sequence: Int64, noticed: Instant, deadline: Instant, nextRound: Instant) {
        self.sequence = sequence
        self.noticed = noticed
        self.deadline = deadline
        self.nextRound = nextRound
        nextAsk = .distantFuture
        askEnd = .distantFuture
        askGap = .zero
        asksLeft = 0
        rounds = 0
        spentQuarters = 0
        quarterCopies = 4
        isFilled = false
        allowsParity = false
    }
}

/// The missing packets in order of their sequence numbers: a bounded queue in storage taken once.
///
/// Holes are noticed in order, so new ones go to the back; finding one is a binary search, done only when
/// something comes that is not the next packet.
public struct HoleTable: Sendable {
    private var storage: [Hole]
    private let mask: Int
    private var head = 0
    /// Holes in the table, filled ones among them.
    public private(set) var count = 0
    /// Holes that are still open.
    public private(set) var openCount = 0

    /// An empty table for `capacity` holes, rounded up to a power of two.
    public init(capacity: Int) {
        let size = capacity.roundedUpToPowerOfTwo(atLeast: 16)
        mask = size - 1
        let empty = Hole(sequence: 0, noticed: .zero, deadline: .zero, nextRound: .zero)
        storage = Array(repeating: empty, count: size)
    }

    /// How many holes fit.
    public var capacity: Int { mask + 1 }

    /// True when no more fit.
    public var isFull: Bool { count > mask }

    /// Hole `index` from the oldest; traps outside the table.
    public subscript(index: Int) -> Hole {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return storage[(head &+ index) & mask]
        }
        @inline(__always) _modify {
            precondition(index >= 0 && index < count)
            yield &storage[(head &+ index) & mask]
        }
    }

    /// Adds a hole behind all others; its number must be higher. Traps when full.
    public mutating func append(_ hole: Hole) {
        precondition(!isFull)
        precondition(count == 0 || storage[(head &+ count &- 1) & mask].sequence < hole.sequence)
        storage[(head &+ count) & mask] = hole
        count += 1
        openCount += 1
    }

    /// Adds a hole in front of all others; its number must be lower. Traps when full.
    public mutating func prepend(_ hole: Hole) {
        precondition(!isFull)
        precondition(count == 0 || storage[head].sequence > hole.sequence)
        head = (head &- 1) & mask
        storage[head] = hole
        count += 1
        openCount += 1
    }

    /// The place of the first hole with a number of `sequence` or more; `count` when there is none.
    public func index(from sequence: Int64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if storage[(head &+ middle) & mask].sequence < sequence {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// The place of the hole with the number `sequence`; `nil` when it is no hole.
    public func find(_ sequence: Int64) -> Int? {
        let place = index(from: sequence)
        return place < count && self[place].sequence == sequence ? place : nil
    }

    /// Hole `index` is filled.
    public mutating func fill(_ index: Int) {
        if self[index].isFilled { return }
        self[index].isFilled = true
        self[index].asksLeft = 0
        openCount -= 1
    }

    /// Takes the oldest hole out when it is filled or its deadline has passed; gives it.
    public mutating func popSettled(now: Instant) -> Hole? {
        guard count > 0 else { return nil }
        let first = storage[head]
        guard first.isFilled || first.deadline <= now else { return nil }
        if !first.isFilled { openCount -= 1 }
        head = (head + 1) & mask
        count -= 1
        return first
    }

    /// Forgets all.
    public mutating func removeAll() {
        count = 0
        openCount = 0
    }
}
