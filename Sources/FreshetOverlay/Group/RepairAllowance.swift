/// What repair may cost: bytes in proportion to the media that passed, with a little to start from. Every
/// repair is paid from it, so whatever is asked for, by whomever, repair never takes more than its share of
/// the line.
public struct RepairAllowance: Sendable {
    private let perMille: Int64
    private let limit: Int64
    private var credit: Int64

    /// `perMille` bytes of repair for a thousand of media, and at most `burst` bytes at once.
    public init(perMille: Int, burst: Int) {
        self.perMille = Int64(max(0, perMille))
        limit = Int64(burst) &* 1000
        credit = limit
    }

    /// `byteCount` bytes of media passed.
    public mutating func earn(_ byteCount: Int) {
        credit = min(limit, credit &+ Int64(byteCount) &* perMille)
    }

    /// Pays for `byteCount` bytes of repair; false, and nothing paid, when there is not enough.
    public mutating func pay(_ byteCount: Int) -> Bool {
        let price = Int64(byteCount) &* 1000
        if price > credit { return false }
        credit &-= price
        return true
    }
}

/// How much of the repair each asker may take, so that one that claims to miss everything leaves something
/// for the others.
///
/// Each packet asked for fills the asker's measure by one; each packet of media empties all measures by a
/// share. A full measure is not listened to. The table is small: a new asker takes the place of the one with
/// the emptiest measure, so heavy askers stay known.
public struct AskerTable: Sendable {
    private struct Entry: Sendable {
        var peer = Peer(.max)
        var isUsed = false
        var level: Int64 = 0
        var seenAt: Int64 = 0
    }

    private var mediaCount: Int64 = 0
    private let perMille: Int64
    private let limit: Int64
    private var entries: InlineArray<16, Entry> = .init(repeating: Entry())

    /// An asker may ask for `perMille` in a thousand packets of media, and `burst` at once.
    public init(perMille: Int, burst: Int) {
        self.perMille = Int64(perMille)
        limit = Int64(burst) &* 1000
    }

    /// One packet of media passed.
    public mutating func notePacket() { mediaCount &+= 1 }

    /// `count` packets of media passed.
    public mutating func notePackets(_ count: Int) { mediaCount &+= Int64(count) }

    /// `peer` asks for a packet; false when it asked for too many.
    public mutating func allow(_ peer: Peer) -> Bool {
        let index = place(of: peer)
        var entry = at(index)
        let drained = (mediaCount &- entry.seenAt) &* perMille
        entry.seenAt = mediaCount
        entry.level = max(0, entry.level &- drained)
        let isAllowed = entry.level &+ 1000 <= limit
        if isAllowed { entry.level &+= 1000 }
        entries[index] = entry
        return isAllowed
    }

    private mutating func place(of peer: Peer) -> Int {
        var emptiest = 0
        var least = Int64.max
        for index in 0..<16 {
            let entry = at(index)
            if !entry.isUsed {
                entries[index] = Entry(peer: peer, isUsed: true, seenAt: mediaCount)
                return index
            }
            if entry.peer == peer { return index }
            let level = level(entry)
            if level < least {
                least = level
                emptiest = index
            }
        }
        entries[emptiest] = Entry(peer: peer, isUsed: true, seenAt: mediaCount)
        return emptiest
    }

    private func level(_ entry: Entry) -> Int64 {
        max(0, entry.level &- (mediaCount &- entry.seenAt) &* perMille)
    }

    // Through the span, and where the table stands: the subscript of an inline array copies all of it, and so does a call
    // that changes nothing.
    @inline(__always)
    private mutating func at(_ index: Int) -> Entry { entries.span[index] }
}
