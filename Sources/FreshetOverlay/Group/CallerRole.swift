/// Whether a member asks at once when it misses a packet, or waits (``NackBackoff``) like everyone else.
///
/// A group that loses the same packets needs one caller: it asks at once and all others hear it before their
/// waits end. Nobody appoints it. Who asked first after a wait calls at once the next time; of callers that
/// asked for the same packet at the same time all but the first few in the order of their SSRCs give it up.
/// So callers gather where losses are shared, one for each part of the group that loses together, and where
/// losses are each member's own many are callers and nobody waits. Requests too many are paid for in
/// advance: each caller stands for one loss that had none.
public struct CallerRole: Sendable {
    /// True while the member asks at once.
    public private(set) var isCaller: Bool
    /// How many may ask at once for one packet.
    private let limit: UInt8

    /// The role in a scope where `limit` callers for one packet are not too many.
    public init(limit: UInt8, isCaller: Bool = false) {
        self.limit = limit
        self.isCaller = isCaller
    }

    /// The source named this member.
    public mutating func appoint() { isCaller = true }

    /// A hole was closed, or its first round is over: what the requests for it say about the role.
    public mutating func judge(_ hole: GroupHole) {
        if hole.wasAskedAtOnce {
            if hole.betterHeard >= limit { isCaller = false }
        } else if hole.wasAskedFirst, hole.betterHeard == 0 {
            isCaller = true
        }
    }
}
