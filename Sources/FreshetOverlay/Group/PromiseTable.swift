public import FreshetCore

/// Who keeps what they promise. A request or a loss notice that is heard promises a repair; a peer whose
/// promises came to nothing several times is not listened to for a while, so that nobody silences a group by
/// announcing what never comes.
///
/// The table is small: a new peer takes the place of the least blamed. What many invented peers can do is
/// bounded by how often one hole may be kept quiet at all.
public struct PromiseTable: Sendable {
    private struct Entry: Sendable {
        var peer = Peer(.max)
        var isUsed = false
        var blame: UInt8 = 0
        var ignoredUntil = Instant(nanoseconds: .min)
    }

    private var entries: InlineArray<8, Entry> = .init(repeating: Entry())
    private var cursor = 0

    /// Broken promises, less kept ones, from which a peer is ignored.
    public static let blameLimit: UInt8 = 4
    /// How long it is ignored then.
    public static let ignoreTime: Nanoseconds = .seconds(10)

    /// A table that knows nobody.
    public init() {}

    /// The place of `peer`, given to it now if it had none; `nil` while the peer is ignored.
    public mutating func place(of peer: Peer, now: Instant) -> UInt8? {
        for index in 0..<8 where entries.span[index].isUsed && entries.span[index].peer == peer {
            return now < entries.span[index].ignoredUntil ? nil : UInt8(index)
        }
        // The least blamed goes, the next in turn among equals, so that liars stay known.
        var best = cursor
        for offset in 0..<8 {
            let index = (cursor &+ offset) % 8
            if !entries[index].isUsed || entries[index].blame < entries[best].blame { best = index }
            if !entries[best].isUsed { break }
        }
        cursor = (best &+ 1) % 8
        entries[best] = Entry(peer: peer, isUsed: true)
        return UInt8(best)
    }

    /// True while `peer` is ignored. Changes nothing; a table that is not asked where it stands is copied first.
    public mutating func ignores(_ peer: Peer, now: Instant) -> Bool {
        let entries = entries.span
        for index in 0..<8 where entries[index].isUsed && entries[index].peer == peer {
            return now < entries[index].ignoredUntil
        }
        return false
    }

    /// The repair that the peer at `place` promised came.
    public mutating func keep(_ place: UInt8) {
        guard place < 8 else { return }
        if entries[Int(place)].blame > 0 { entries[Int(place)].blame &-= 1 }
    }

    /// The repair that the peer at `place` promised did not come.
    public mutating func breakPromise(_ place: UInt8, now: Instant) {
        guard place < 8 else { return }
        let index = Int(place)
        entries[index].blame = min(entries[index].blame &+ 1, PromiseTable.blameLimit)
        guard entries[index].blame >= PromiseTable.blameLimit else { return }
        entries[index].ignoredUntil = now + PromiseTable.ignoreTime
        entries[index].blame = PromiseTable.blameLimit / 2
    }
}
