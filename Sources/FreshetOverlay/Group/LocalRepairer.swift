public import FreshetCore
public import FreshetWire

/// Who answers first on a segment: the member with the best reception, nearest to the source, elected by
/// what the members say.
///
/// ```
///            nobody heard for a while,             a better one is heard
///            after a random wait
/// listening ------------------------> elected ---------------------------> listening
///     \                                 ^
///      `-- much better than the elected '
/// ```
///
/// The elected one says so once a second; three silent seconds end the office. Members that are about as
/// good as the elected one leave it alone, so the office does not wander. (LBRM's logger, PGM's designated
/// local repairer.)
public struct LocalRepairer: Sendable {
    /// Who holds the office, as far as this member knows.
    public struct Holder: Sendable {
        /// Its address.
        public var peer: Peer
        /// Its SSRC, which decides between equals.
        public var ssrc: UInt32
        /// How well placed it is, less is better.
        public var rank: UInt16
        /// When it was last heard.
        public var heard: Instant
    }

    private let ssrc: UInt32
    private let mayServe: Bool
    private let interval: Nanoseconds
    private var isStarted = false
    /// The member elected, when it is not this one and was heard of late.
    public private(set) var holder: Holder?
    /// True while this member answers for the segment.
    public private(set) var isElected = false
    /// When the next notice, or the next look at the office, is due; `nil` for a member that never serves.
    public private(set) var due: Instant?
    /// A notice is to be sent.
    public private(set) var wantsNotice = false
    /// How well placed this member is, less is better.
    public var rank: UInt16 = 0x00FF

    /// A rank has to be better by this much to take the office from one who has it: two points of loss in 256.
    public static let margin: UInt16 = 0x0200

    /// A member with `ssrc` that stands for election if `mayServe`. The elected one gives notice every `interval`.
    public init(ssrc: UInt32, mayServe: Bool, interval: Nanoseconds) {
        self.ssrc = ssrc
        self.mayServe = mayServe
        self.interval = interval
    }

    /// True when somebody on the segment, this member included, answers for it.
    public var hasRepairer: Bool { isElected || holder != nil }

    private func precedes(_ other: UInt32, _ otherRank: UInt16) -> Bool {
        rank < otherRank || rank == otherRank && ssrc < other
    }

    /// A notice was heard on the segment.
    public mutating func read(
        _ notice: RepairerNotice, from peer: Peer, now: Instant, random: inout PRNG
    ) {
        guard notice.senderSSRC != ssrc else { return }
        if notice.flags.contains(.isLeaving) {
            if holder?.ssrc == notice.senderSSRC { resign(now: now, random: &random) }
            return
        }
        if isElected {
            if precedes(notice.senderSSRC, notice.rank) {
                // The other has not heard of this one: it is told at once.
                wantsNotice = true
                due = now
                return
            }
            isElected = false
            wantsNotice = false
        }
        let isBetterKnown = holder.map { $0.ssrc != notice.senderSSRC && $0.rank < notice.rank } ?? false
        if isBetterKnown { return }
        holder = Holder(peer: peer, ssrc: notice.senderSSRC, rank: notice.rank, heard: now)
        guard mayServe else { return }
        let isMuchBetter = Int(rank) &+ Int(LocalRepairer.margin) <= Int(notice.rank)
        due = isMuchBetter ? now + wait(&random) : now + interval * 3 + wait(&random)
    }

    /// The office is empty, or its holder does not do its work: all who may serve stand again after a random wait.
    public mutating func resign(now: Instant, random: inout PRNG) {
        holder = nil
        if mayServe, !isElected { due = now + wait(&random) }
    }

    /// A wait among perhaps thousands, of whom one or two should come first.
    private func wait(_ random: inout PRNG) -> Nanoseconds {
        NackBackoff.draw(window: interval, groupSize: 1000, random: &random)
    }

    /// Lets time pass.
    public mutating func advance(to now: Instant, random: inout PRNG) {
        if !isStarted {
            isStarted = true
            if mayServe { due = now + wait(&random) }
        }
        if let holder, now - holder.heard > interval * 3 { self.holder = nil }
        guard let due, due <= now else { return }
        if let holder, Int(rank) &+ Int(LocalRepairer.margin) > Int(holder.rank) {
            self.due = holder.heard + interval * 3 + wait(&random)
            return
        }
        isElected = true
        holder = nil
        wantsNotice = true
        self.due = now + interval
    }

    /// Gives this member the office without election.
    public mutating func appoint(now: Instant) {
        if isElected { return }
        isElected = true
        rank = 0
        wantsNotice = true
        due = now
    }

    /// The notice to send now; `nil` when none is due.
    public mutating func nextNotice(mediaSSRC: UInt32, now: Instant) -> RepairerNotice? {
        guard wantsNotice, isElected else { return nil }
        wantsNotice = false
        due = now + interval
        return RepairerNotice(senderSSRC: ssrc, mediaSSRC: mediaSSRC, rank: rank)
    }
}
