public import FreshetCore
public import FreshetWire

/// What the edge asks about neighbours: whose packets count, whom to ask for what is missing, who is still there.
extension TreeNode {
    /// True when `link` leads to a parent, a candidate or a warm backup, whose packets are taken; those of children are
    /// not.
    public func isAbove(_ link: Int) -> Bool {
        guard links.indices.contains(link), let up = links[link]?.up else { return false }
        return up.phase != .greeting
    }

    /// True when `link` leads to a child, fed or warm: it may ask for what it misses.
    public func isBelow(_ link: Int) -> Bool { links.indices.contains(link) && links[link]?.down != nil }

    /// Whom to ask for what is missing, in its `attempt`-th round: the parent of `stripe` first, then its warm backups
    /// and the parent by turns; `nil` when nobody is there to ask.
    public func repairLink(stripe: Int, attempt: Int) -> Int? {
        guard stripes.indices.contains(stripe) else { return nil }
        let parent = stripes[stripe].parent
        let candidate = stripes[stripe].candidate
        let first = stripes[stripe].isStarving && candidate >= 0 ? candidate : parent
        if attempt > 0 {
            let open = stripes[stripe].backups.filter { $0 != first && links[$0]?.up?.phase == .open }
            let place = attempt % (open.count + 1)
            if place > 0 { return open[place - 1] }
        }
        if first >= 0 { return first }
        return stripes[stripe].backups.first { links[$0]?.up?.phase == .open }
    }

    /// True when somebody has said that the stream is over.
    public var isEnding: Bool { finalSequence != nil || announcedEnd != nil }

    /// True when the end of the stream was said as often as it is.
    public var hasSaidGoodbye: Bool { finalSequence != nil && goodbyesLeft <= 0 && goodbyes.isEmpty }

    /// The ticket by which `stripe` comes; `nil` while it does not.
    public func ticketInUse(for stripe: Int) -> Ticket? {
        guard stripes.indices.contains(stripe), stripes[stripe].parent >= 0 else { return nil }
        return links[stripes[stripe].parent]?.up?.ticket
    }

    /// The members it sends something to, in the order of their links.
    public var children: [MemberID] {
        links.compactMap { link in link?.down.map { !$0.stripes.isEmpty } == true ? link?.member : nil }
    }

    /// The stripes that are sent to `link` now.
    public func stripesSent(to link: Int) -> StripeSet {
        links.indices.contains(link) ? links[link]?.down?.stripes ?? [] : []
    }

    /// Nothing more is wanted from above: the stream is over and whole. Children stay.
    public mutating func releaseParents(now: Instant) {
        self.now = now
        for link in links.indices where links[link]?.up != nil { forgetUp(link) }
    }

    /// The source's first packet has this number: members are told before it comes, or they could not place it.
    public mutating func begin(at sequence: Int64) {
        noteKnown(sequence == 0 ? 1 : sequence)
        tellStart()
    }

    /// How far the stream has come, as far as is known here; 0 when it is not.
    var highestTold: Int64 { window.highest ?? knownSequence ?? 0 }

    /// Somebody who knows said how far the stream has come; it tells which multiple of 65 536 the wire's numbers
    /// belong to.
    mutating func noteKnown(_ sequence: Int64) {
        guard sequence != 0 else { return }
        if knownSequence == nil {
            // Children that came before have waited for it.
            knownSequence = sequence
            for stripe in stripes.indices { stripes[stripe].forwarded = .zero }
            pulse()
        }
        knownSequence = max(knownSequence ?? sequence, sequence)
    }
}
