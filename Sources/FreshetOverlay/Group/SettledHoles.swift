/// The holes that were closed last, for requests that are heard late.
///
/// On a network of short ways the repair is there before the requests of those who asked at the same moment
/// were read. They say all the same that too many ask.
struct SettledHoles {
    /// A hole, and what was heard about it.
    struct Entry {
        var sequence = Int64.min
        var scope = RepairScope.segment
        /// Requests in its last scope, the own ones among them.
        var requestCount: UInt8 = 0
        /// Of those, requests of members that go first.
        var betterHeard: UInt8 = 0
        /// This member asked for it, in the group once only: those who ask after a repair was lost do not compete.
        var wasAsked = false
    }

    /// None is newer than this one: most requests are for packets that nothing is known of here.
    private var newest = Int64.min
    private var next = 0
    private var entries: InlineArray<16, Entry> = .init(repeating: Entry())

    /// `hole` is closed; gives the one that is forgotten for it, about which no more will be heard.
    mutating func settle(_ hole: GroupHole) -> Entry? {
        let old = entries.span[next]
        entries[next] = Entry(
            sequence: hole.sequence, scope: hole.scope,
            requestCount: UInt8(clamping: Int(hole.asks) &+ Int(hole.heard)), betterHeard: hole.betterHeard,
            wasAsked: hole.scope == .segment ? hole.asks > 0 : hole.asks == 1 && hole.rounds <= 1)
        next = (next &+ 1) % 16
        newest = max(newest, hole.sequence)
        return old.sequence == .min ? nil : old
    }

    /// True when `sequence` is among the last. Changes nothing; who is not asked where it stands is copied first.
    mutating func contains(_ sequence: Int64) -> Bool {
        if sequence > newest { return false }
        let entries = entries.span
        for index in 0..<16 where entries[index].sequence == sequence { return true }
        return false
    }

    /// A request for `sequence` was heard: what is known of it now; `nil` when it is not among the last.
    mutating func hear(_ sequence: Int64, _ scope: RepairScope, isBetter: Bool) -> Entry? {
        for index in 0..<16 where entries.span[index].sequence == sequence {
            guard entries.span[index].scope == scope else { return nil }
            if entries[index].requestCount < .max { entries[index].requestCount &+= 1 }
            if isBetter, entries[index].betterHeard < .max { entries[index].betterHeard &+= 1 }
            return entries[index]
        }
        return nil
    }

    /// Everything is forgotten.
    mutating func removeAll() { self = SettledHoles() }
}
