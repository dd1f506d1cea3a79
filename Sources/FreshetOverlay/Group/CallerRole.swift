/// Whether a member asks at once when it misses a packet, or waits (``NackBackoff``) like everyone else.
///
/// A group that loses the same packets needs one caller: it asks at once and all others hear it before their
/// waits end. Nobody appoints it. Who asked first after a wait, and was answered, calls at once the next time;
/// of callers that asked for the same packet at the same time all but the first few in the order of their
/// SSRCs give it up, and so does one that nobody answers. So callers gather where losses are shared, one for
/// each part of the group that loses together, and where losses are each member's own many are callers and
/// nobody waits. Where both happen, a crowd of callers meets at a shared loss: each of them then has to be
/// first, alone and answered twice as often as before to become one again. On a segment the elected member asks for what
/// all of them miss: whoever called for it too has to miss two packets of its own to call again, and nobody calls before
/// some packets were its own, or where more than about one in seventeen is missed by the whole segment.
public struct CallerRole: Sendable {
    /// True while the member asks at once.
    public private(set) var isCaller: Bool
    /// How many may ask at once for one packet.
    private let limit: UInt8
    /// Requests at once in a row that nobody answered.
    private var vainCount: UInt8 = 0
    /// Times in a row that this member was first and alone, and how many of them make it a caller.
    private var streak: UInt8 = 0
    private var streakNeeded: UInt8 = 1
    /// Requests at once that no crowd asked for too, since ``streakNeeded`` changed.
    private var quietCount: UInt8 = 0
    /// Rises with each packet that the whole segment missed, falls with each that this member asked for and got from it.
    private var sharedShare: UInt8

    /// From this share on nobody calls.
    static let sharedLimit: UInt8 = 88
    /// What one packet missed by all weighs, against 1 for one that was not.
    static let sharedWeight: UInt8 = 16

    /// Requests at once that may stay without an answer before the role is given up.
    static let vainLimit: UInt8 = 4
    /// As many better callers for one packet are a crowd.
    static let crowd: UInt8 = 8

    /// Where a segment begins: nine packets of its own make a member a caller. Losses are taken for shared ones until they
    /// show that they are not.
    public static let sharedStart: UInt8 = sharedLimit + 8

    /// True while the whole segment misses so many of the packets that this member misses that nobody calls.
    public var areLossesShared: Bool { sharedShare >= CallerRole.sharedLimit }

    /// The role in a scope where `limit` callers for one packet are not too many, and losses are shared as often as
    /// `sharedShare` says to begin with.
    public init(limit: UInt8, isCaller: Bool = false, sharedShare: UInt8 = 0) {
        self.sharedShare = sharedShare
        self.limit = limit
        self.isCaller = isCaller
    }

    /// The source named this member.
    public mutating func appoint() { isCaller = true }

    /// A hole was closed, or a round is over: what the requests for it say about the role. `isAnswered`: the
    /// repair came, from whom it was asked of.
    public mutating func judge(_ hole: GroupHole, isAnswered: Bool) {
        if isAnswered, hole.asks > 0, sharedShare > 0 { sharedShare &-= 1 }
        if hole.wasAskedAtOnce {
            judge(betterHeard: hole.betterHeard)
            vainCount = isAnswered ? 0 : min(vainCount &+ 1, CallerRole.vainLimit)
            if vainCount == CallerRole.vainLimit { resign() }
            guard hole.betterHeard < limit, isAnswered else { return }
            quietCount &+= 1
            if quietCount == 64 {
                quietCount = 0
                streakNeeded = max(1, streakNeeded / 2)
            }
        } else if hole.wasAskedFirst, hole.betterHeard == 0, isAnswered {
            streak = min(streak &+ 1, 64)
            if streak >= streakNeeded, !areLossesShared {
                isCaller = true
                vainCount = 0
                streak = 0
            }
        }
    }

    /// `betterHeard` members that go before this one asked for a packet that it asked for too. To be told
    /// once more with each of them that is heard when the packet has come already.
    public mutating func judge(betterHeard: UInt8) {
        if betterHeard >= limit { resign() }
        if betterHeard == CallerRole.crowd {
            streakNeeded = min(streakNeeded &* 2, 64)
            quietCount = 0
        }
    }

    /// The whole segment missed a packet, which its elected member asks for: whoever called for it had no need to. It takes
    /// two packets in a row that this member alone missed to become a caller then, and more where this happens often.
    public mutating func meetSharedLoss() {
        sharedShare = min(sharedShare, .max - CallerRole.sharedWeight) &+ CallerRole.sharedWeight
        streakNeeded = max(2, streakNeeded)
        quietCount = 0
        resign()
    }

    private mutating func resign() {
        isCaller = false
        streak = 0
    }
}
