import FreshetCore
import FreshetWire

/// Where one stripe comes from, and where it would come from if not from there.
///
///     idle --assign--> joining --packet--> flowing --silence--> switching --packet--> flowing
///                                             '--parent says it starves--> staying --'
struct UpstreamStripe {
    /// Link index of who sends; -1 for nobody yet.
    var parent = -1
    /// Link index of who was asked and has not sent yet; -1 for nobody.
    var candidate = -1
    /// When the candidate must have sent.
    var candidateDeadline: Instant?
    /// Why the parent is left for the candidate; `nil` when the coordinator said so or there was no parent.
    var reason: MovedMessage.Reason?
    /// Link indexes of the warm backups, best first.
    var backups: [Int] = []
    /// The next of them to call.
    var nextBackup = 0
    /// The parent's last packet or pulse.
    var heard = Instant.zero
    /// Before this the parent is not missed: the node was itself held up when it was to be.
    var excusedUntil = Instant.zero
    /// When the parent was last heard, and when its silence was noticed; `nil` while nobody is missed.
    var missed: (since: Instant, noticed: Instant)?
    /// The last packet from anybody.
    var packetAt: Instant?
    /// The usual gap between packets, a moving average, nanoseconds.
    var gap: Int64 = 10_000_000
    /// Highest number that came on this stripe.
    var highest: Int64?
    /// Since when the parent says that it starves; `nil` while it does not.
    var stayingSince: Instant?
    /// How many levels above, from the parent on, wait for the branch's top.
    var stayLevel: Int64 = 0
    /// Since when nobody sends; `nil` while somebody does.
    var starvingSince: Instant?
    var toldStarving: Instant?
    /// When something was last forwarded or a pulse sent.
    var forwarded = Instant.zero
    /// Who is above; the parent last.
    var path = AncestorPath()
    /// What the candidate said of its own, for when it becomes the parent.
    var candidatePath: StripePath?
    /// The candidate says that it starves itself: what it sends up to this number is its history, and no reason to move
    /// to it.
    var candidateStarvesAt: Int64?
    /// The parent's count of its changes, to know old news; `nil` before it said one.
    var parentPathEpoch: UInt32?
    /// Our own count.
    var pathEpoch: UInt32 = 0
    /// When the children were last told of the path though it had not changed.
    var pathTold = Instant.zero
    /// Link indexes of the children that are sent this stripe.
    var children: [UInt16] = []
    /// For reports: packets that came in time since the last, and where the last one ended.
    var receivedCount = 0
    var reportedHighest: Int64?

    /// The coordinator has named another parent; the old one is there, as far as is known.
    var isMovingAtLeisure: Bool { candidate >= 0 && parent >= 0 && reason == nil && starvingSince == nil }

    /// Asks `link` from now on, and knows nothing of it yet.
    mutating func call(_ link: Int, until deadline: Instant) {
        candidateDeadline = deadline
        if candidate == link { return }
        candidate = link
        candidatePath = nil
        candidateStarvesAt = nil
    }

    /// True while the node is itself waiting for this stripe.
    var isStarving: Bool { starvingSince != nil || stayingSince != nil }
}
