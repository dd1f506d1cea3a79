public import FreshetCore

/// How far a request or a repair reaches.
public enum RepairScope: UInt8, Sendable {
    /// The members of the own segment, by a small hop limit.
    case segment
    /// The whole group, the source included.
    case group
}

/// One missing packet, and how far its repair has come.
public struct GroupHole: Sendable {
    /// Where a hole stands.
    public enum Phase: UInt8, Sendable {
        /// A wait before asking runs; `due` is its end.
        case waiting
        /// It is to be asked for with the next datagram.
        case asking
        /// It was asked for, or somebody takes care of it: quiet until `due`.
        case quiet
        /// Filled, or given up; kept until the holes before it go.
        case closed
    }

    /// The extended sequence number.
    public let sequence: Int64
    /// When the packet was noticed to be missing.
    public let noticed: Instant
    /// When the present phase ends.
    public var due: Instant
    /// Where it stands.
    public var phase: Phase
    /// Whom the next request goes to.
    public var scope: RepairScope
    /// Rounds of asking in the present scope: own requests and those of others that were waited for.
    public var rounds: UInt8 = 0
    /// Own requests.
    public var asks: UInt8 = 0
    /// Requests of others that were heard.
    public var heard: UInt8 = 0
    /// Of those, requests of members that go first when two ask at once.
    public var betterHeard: UInt8 = 0
    /// How often it was kept from being asked for by what was heard.
    public var suppressions: UInt8 = 0
    /// The first own request went out without a wait.
    public var wasAskedAtOnce = false
    /// The first own request went out before any other was heard.
    public var wasAskedFirst = false
    /// It is quiet because of an announcement, not of a request.
    public var wasPromised = false
    /// The segment is asked only when nobody has asked the group by then.
    public var yields = false
    /// The segment was told that this member takes care of it.
    public var wasAnnounced = false
    /// The place, in the table of promises, of who made this hole quiet; 255: nobody.
    public var promiser: UInt8 = .max
    /// The place of one whose announcement of this packet's repair came to nothing; 255: nobody.
    public var liar: UInt8 = .max
    /// When the first request in the present scope went out or was heard.
    public var askedAt: Instant

    init(sequence: Int64, noticed: Instant, due: Instant, scope: RepairScope) {
        self.sequence = sequence
        self.noticed = noticed
        self.due = due
        self.scope = scope
        phase = .waiting
        askedAt = noticed
    }
}

/// The packets a member misses, in order, in storage taken once.
///
/// When it is full the oldest hole is given up for the newest: it is the next to be too late.
public struct GroupHoles: ~Copyable {
    private var ring: FixedRing<GroupHole>
    /// Not later than the earliest `due` of an open hole; `nil` when there is none.
    public private(set) var nextDue: Instant?
    /// Holes that are open.
    public private(set) var openCount = 0

    /// A table for `capacity` holes.
    public init(capacity: Int) { ring = FixedRing(capacity: capacity) }

    /// How many holes are in the table, the closed ones among them.
    public var count: Int { ring.count }

    /// GroupHole `index` from the oldest on.
    public subscript(index: Int) -> GroupHole {
        get { ring[index] }
        set { ring[index] = newValue }
    }

    /// Adds a hole newer than all others; gives the one that had to go, if any.
    public mutating func append(_ hole: GroupHole) -> GroupHole? {
        var lost: GroupHole?
        if ring.isFull, let oldest = ring.popFirst(), oldest.phase != .closed {
            openCount &-= 1
            lost = oldest
        }
        ring.append(hole)
        openCount &+= 1
        wake(at: hole.due)
        return lost
    }

    /// Has ``nextDue`` be no later than `instant`.
    public mutating func wake(at instant: Instant) { nextDue = earliest(nextDue, instant) }

    /// The place of the hole `sequence`; `nil` when that packet is not missing.
    public func index(of sequence: Int64) -> Int? {
        if openCount == 0 { return nil }
        let place = firstIndex(from: sequence)
        guard place < ring.count, ring[place].sequence == sequence, ring[place].phase != .closed else {
            return nil
        }
        return place
    }

    /// The place of the first hole at or after `sequence`; ``count`` when there is none.
    public func firstIndex(from sequence: Int64) -> Int {
        var low = 0
        var high = ring.count
        while low < high {
            let middle = (low &+ high) / 2
            if ring[middle].sequence < sequence { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// Closes hole `index`; the closed ones at the front leave the table, so places move.
    public mutating func close(_ index: Int) {
        if ring[index].phase != .closed {
            ring[index].phase = .closed
            openCount &-= 1
        }
        while !ring.isEmpty, ring[0].phase == .closed { _ = ring.popFirst() }
        if openCount == 0 { nextDue = nil }
    }

    /// Works ``nextDue`` out again.
    public mutating func settle() {
        nextDue = nil
        for index in 0..<ring.count {
            let phase = ring[index].phase
            if phase == .waiting || phase == .quiet { wake(at: ring[index].due) }
        }
    }
}
