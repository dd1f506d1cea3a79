/// What two neighbours of a tree say to each other on their link: RTCP APP packets named "FRSH", subtypes 16 to 31, beside
/// RTP and RTCP on one UDP flow. Layouts are in the WireProtocol page.
///
/// ``hello(nonce:)`` and ``cookie(nonce:cookie:)`` prove that an address hears what is sent to it; everything behind them
/// carries the link's `token`, the cookie's low half, which nobody off the path knows. A child that a ticket vouches for
/// begins with ``subscribe(_:)`` and a cookie of its own.
public enum LinkMessage: Equatable, Sendable {
    /// A child asks whether somebody is there. 44 bytes, longer than the answer.
    case hello(nonce: UInt64)
    /// The answer, made without remembering anybody: 32 bytes.
    case cookie(nonce: UInt64, cookie: UInt64)
    /// A child asks for stripes, with its ticket.
    case subscribe(Subscription)
    /// A parent's yes, to a subscription or an activation.
    case accept(token: UInt32, Acceptance)
    /// A parent's no.
    case refuse(token: UInt32, Refusal)
    /// Are you there; `stamp` is the asker's own and comes back as it is.
    case ping(token: UInt32, stamp: UInt64)
    /// Yes; where the answerer is in the network.
    case pong(token: UInt32, stamp: UInt64, NetworkCoordinate)
    /// A parent that has nothing to send says that it is there.
    case pulse(token: UInt32, Pulse)
    /// A child calls its warm backup: send these stripes now.
    case activate(token: UInt32, Activation)
    /// A parent tells who is above it on one stripe.
    case path(token: UInt32, StripePath)
    /// A parent goes and sends these stripes for `milliseconds` yet: move first.
    case handover(token: UInt32, stripes: StripeSet, milliseconds: UInt32)
    /// A child wants these stripes no more; it stays as a warm child when `keepsPlace`.
    case leave(token: UInt32, stripes: StripeSet, keepsPlace: Bool)
    /// A member asks a mirror of the coordinator from which address its datagrams come. 52 bytes, as long as the answer.
    case locate(nonce: UInt64)
    /// A mirror's answer.
    case located(Sighting)
    /// One packet of a train by which a member measures its uplink: 1200 bytes, all but a few of them nothing.
    case train(nonce: UInt64, index: UInt8)
    /// A mirror's answer: when the packet came, in nanoseconds of its own clock. 32 bytes.
    case trained(nonce: UInt64, index: UInt8, stamp: UInt64)

    /// The APP subtypes, 16 to 31.
    public enum Subtype {
        /// ``LinkMessage/hello(nonce:)``
        public static let hello = 16
        /// ``LinkMessage/cookie(nonce:cookie:)``
        public static let cookie = 17
        /// ``LinkMessage/subscribe(_:)``
        public static let subscribe = 18
        /// ``LinkMessage/accept(token:_:)``
        public static let accept = 19
        /// ``LinkMessage/refuse(token:_:)``
        public static let refuse = 20
        /// ``LinkMessage/ping(token:stamp:)``
        public static let ping = 21
        /// ``LinkMessage/pong(token:stamp:_:)``
        public static let pong = 22
        /// ``LinkMessage/pulse(token:_:)``
        public static let pulse = 23
        /// ``LinkMessage/activate(token:_:)``
        public static let activate = 24
        /// ``LinkMessage/path(token:_:)``
        public static let path = 25
        /// ``LinkMessage/handover(token:stripes:milliseconds:)``
        public static let handover = 26
        /// ``LinkMessage/leave(token:stripes:keepsPlace:)``
        public static let leave = 27
        /// ``LinkMessage/locate(nonce:)``
        public static let locate = 28
        /// ``LinkMessage/located(_:)``
        public static let located = 29
        /// ``LinkMessage/train(nonce:index:)``
        public static let train = 30
        /// ``LinkMessage/trained(nonce:index:stamp:)``
        public static let trained = 31
    }

    /// The version of the messages described here.
    public static let protocolVersion: UInt8 = 1
    /// Bytes of the longest message but a ``train(nonce:index:)``, in a datagram of its own.
    public static let byteCountLimit = 96
    /// Bytes of a whole ``hello(nonce:)``.
    public static let helloByteCount = 44
    /// Bytes of a whole ``cookie(nonce:cookie:)``.
    public static let cookieByteCount = 32
    /// Bytes of a whole ``locate(nonce:)`` and of a whole ``located(_:)``.
    public static let locateByteCount = 52
    /// Bytes of a whole ``train(nonce:index:)``.
    public static let trainByteCount = 1_200
}

/// What a mirror of the coordinator saw of a member: where its datagrams come from.
public struct Sighting: Equatable, Sendable {
    /// The nonce that was asked with.
    public var nonce: UInt64
    /// The address that the datagram came from: behind a NAT the outside one.
    public var address: PeerAddress
    /// The mirror's tag over both: who shows it to the coordinator hears what is sent to ``address``.
    public var cookie: UInt64

    /// A sighting of these values.
    public init(nonce: UInt64, address: PeerAddress, cookie: UInt64) {
        self.nonce = nonce
        self.address = address
        self.cookie = cookie
    }
}

/// What a child asks a parent for.
public struct Subscription: Equatable, Sendable {
    /// The cookie that the parent gave to the child's address.
    public var cookie: UInt64
    /// The nonce that the cookie was asked with.
    public var nonce: UInt64
    /// The stripes to send from now on; within the ticket's primary or backup stripes.
    public var stripes: StripeSet
    /// The first packet wanted, extended sequence number.
    public var fromSequence: Int64
    /// Start at the last keyframe the parent has instead.
    public var fromKeyframe: Bool
    /// The coordinator's leave.
    public var ticket: Ticket

    /// A subscription of these values.
    public init(
        cookie: UInt64, nonce: UInt64, stripes: StripeSet, fromSequence: Int64, fromKeyframe: Bool,
        ticket: Ticket
    ) {
        self.cookie = cookie
        self.nonce = nonce
        self.stripes = stripes
        self.fromSequence = fromSequence
        self.fromKeyframe = fromKeyframe
        self.ticket = ticket
    }
}

/// A parent's yes.
public struct Acceptance: Equatable, Sendable {
    /// The nonce of the subscription or activation that this answers.
    public var nonce: UInt64
    /// The stripes that are sent from now on.
    public var stripes: StripeSet
    /// The stripes for which a place is kept.
    public var backupStripes: StripeSet
    /// Those of `stripes` that the parent itself is waiting for.
    public var starvingStripes: StripeSet
    /// The highest extended sequence number that the parent has.
    public var highestSequence: Int64

    /// An acceptance of these values.
    public init(
        nonce: UInt64, stripes: StripeSet, backupStripes: StripeSet, starvingStripes: StripeSet,
        highestSequence: Int64
    ) {
        self.nonce = nonce
        self.stripes = stripes
        self.backupStripes = backupStripes
        self.starvingStripes = starvingStripes
        self.highestSequence = highestSequence
    }
}

/// A parent's no.
public struct Refusal: Equatable, Sendable {
    /// Why.
    public enum Reason: UInt8, Sendable {
        /// No place is free.
        case full = 1
        /// The child is an ancestor of the parent on one of the stripes.
        case loop = 2
        /// The ticket is forged, old, used by another address or for something else.
        case ticket = 3
        /// The cookie is not the address's own, or too old: say hello again.
        case cookie = 4
        /// The parent does not have the stripe.
        case stripe = 5
        /// The parent is about to leave.
        case leaving = 6
    }

    /// The nonce of what is refused.
    public var nonce: UInt64
    /// The stripes that are refused.
    public var stripes: StripeSet
    /// Why.
    public var reason: Reason

    /// A refusal of these values.
    public init(nonce: UInt64, stripes: StripeSet, reason: Reason) {
        self.nonce = nonce
        self.stripes = stripes
        self.reason = reason
    }
}

/// A parent's sign of life.
public struct Pulse: Equatable, Sendable {
    /// The stripes that the parent sends on this link.
    public var stripes: StripeSet
    /// Those of them for which it is looking for a parent itself: stay, the branch is moved by its top.
    public var starvingStripes: StripeSet
    /// How many levels there are between the parent and the branch's top that looks: 0 when it is the parent itself.
    public var starvingLevel: UInt8
    /// The highest extended sequence number sent on this link.
    public var highestSequence: Int64

    /// A pulse of these values.
    public init(
        stripes: StripeSet, starvingStripes: StripeSet, starvingLevel: UInt8 = 0, highestSequence: Int64
    ) {
        self.stripes = stripes
        self.starvingStripes = starvingStripes
        self.starvingLevel = starvingLevel
        self.highestSequence = highestSequence
    }
}

/// A child's call to its backup.
public struct Activation: Equatable, Sendable {
    /// A number of the child's own, repeated in the answer.
    public var nonce: UInt64
    /// The stripes to send from now on.
    public var stripes: StripeSet
    /// The first packet wanted.
    public var fromSequence: Int64

    /// An activation of these values.
    public init(nonce: UInt64, stripes: StripeSet, fromSequence: Int64) {
        self.nonce = nonce
        self.stripes = stripes
        self.fromSequence = fromSequence
    }
}

/// Who is above a parent on one stripe.
public struct StripePath: Equatable, Sendable {
    /// The stripe.
    public var stripe: UInt8
    /// Counts the parent's changes of path, so that an older one is known as such; wraps.
    public var epoch: UInt32
    /// The parent's ancestors and the parent itself.
    public var ancestors: AncestorPath

    /// A path of these values.
    public init(stripe: UInt8, epoch: UInt32, ancestors: AncestorPath) {
        self.stripe = stripe
        self.epoch = epoch
        self.ancestors = ancestors
    }
}
