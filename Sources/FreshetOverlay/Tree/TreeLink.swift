public import FreshetCore
import FreshetWire

/// A neighbour: who it is, where, and what each is to the other. Both directions may be in use at once: its
/// parent on one stripe, its child on another; each has a handshake and a token of its own.
struct TreeLink {
    var address: PeerAddress
    var member: MemberID
    /// Where it may be within the own network: tried first, forgotten once it is known where it answers.
    var inside: PeerAddress?
    /// The neighbour as a parent; `nil` when it is none.
    var up: UpLink?
    /// The neighbour as a child; `nil` when it is none.
    var down: DownLink?
    /// Round trip, microseconds, smoothed; 0 before the first.
    var roundTrip: Int32 = 0

    init(address: PeerAddress, member: MemberID) {
        self.address = address
        self.member = member
    }
}

/// The child's side of a link.
///
///     greeting --COOKIE--> subscribing --ACCEPT--> open --(silence, LEAVE, REFUSE)--> gone
///        ^--------REFUSE(cookie)---'
///
/// With a ticket that vouches for its host it begins as subscribing, with a cookie of its own; a parent that sees it at
/// another host answers with a COOKIE.
struct UpLink {
    enum Phase { case greeting, subscribing, open }
    var phase = Phase.greeting
    var nonce: UInt64
    /// The parent's, or one of its own where the ticket vouches for it.
    var cookie: UInt64 = 0
    var ticket: Ticket
    /// The stripes it is asked to send.
    var wanted: StripeSet = []
    /// Those it has agreed to.
    var accepted: StripeSet = []
    /// From where, for the next asking.
    var fromSequence: Int64 = 0
    var fromKeyframe = false
    var retryDeadline: Instant?
    var tries = 0
    /// There is something to say to it, once it is known what else.
    var mustAsk = false
    var heard: Instant
    var pinged: Instant
    /// When the last ping went out unanswered, its stamp.
    var pingStamp: Instant?
    var token: UInt32 { UInt32(truncatingIfNeeded: cookie) }
}

/// The parent's side of a link.
struct DownLink {
    var token: UInt32
    /// The nonce of the handshake, to tell a repeated one.
    var nonce: UInt64
    /// What the ticket allows.
    var ticket: Ticket
    /// The stripes that are sent.
    var stripes: StripeSet = []
    /// The stripes not sent for now because the child cannot keep up.
    var thinned: StripeSet = []
    /// The stripes that the coordinator has given it elsewhere: their places are another's when one is needed.
    var leaving: StripeSet = []
    /// The coordinator has taken it out: nobody waits for it to go.
    var isGone = false
    /// When those are not sent any more, because somebody else has the place already.
    var stopDeadline: Instant?
    var heard: Instant
    var pulsed: Instant
    var budget = ChildBudget()
}

/// How many children a member has places for.
public enum ChildPlaces {
    /// A child that takes the place of another comes before that one goes: so long they may both be there.
    public static let overlapSpan = Nanoseconds.seconds(1)

    /// Stripes beyond `limit` that may be sent meanwhile.
    public static func overlap(of limit: Int) -> Int { limit > 0 ? max(1, limit / 4) : 0 }
}
