/// One parent that a member may turn to.
public struct ParentOffer: Equatable, Sendable {
    /// Who.
    public var member: MemberID
    /// Where.
    public var address: PeerAddress
    /// Where it is within the network that both are in, behind one NAT: tried first.
    public var inside: PeerAddress?
    /// Which stripes to ask for, and for which it is a warm backup.
    public var ticket: Ticket

    /// The offer of `member` at `address`.
    public init(member: MemberID, address: PeerAddress, inside: PeerAddress? = nil, ticket: Ticket) {
        self.member = member
        self.address = address
        self.inside = inside
        self.ticket = ticket
    }
}

/// A member's parents, whole: for the stripes it names it takes the place of what was assigned before.
public struct AssignMessage: Equatable, Sendable {
    /// The stripes that this is about.
    public var stripes: StripeSet = []
    /// The parents, primary or backup by their tickets.
    public var offers: [ParentOffer] = []
    /// How far the tree has come when this is sent: the extended sequence number to ask from; `nil` to start at the
    /// parent's last keyframe.
    public var fromSequence: Int64?

    /// An assignment of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        stripes = try fields.stripes("stripes")
        for offer in try fields.objects("parents", countLimit: 64) {
            guard let ticket = Ticket(hexadecimal: try offer.string("ticket", byteCountLimit: 72)) else {
                throw JSONError("'ticket' is not \(2 * Ticket.byteCount) hexadecimal digits of version 1")
            }
            let address = try offer.address(try offer.string("address", byteCountLimit: 64))
            let inside = try offer.addressIfThere("inside")
            offers.append(
                ParentOffer(
                    member: try offer.member("member"), address: address, inside: inside, ticket: ticket))
        }
        if fields.has("from") { fromSequence = try fields.integer("from", in: Int64.min...Int64.max) }
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stripes", stripes.rawValue)
        writer.array("parents") { writer in
            for offer in offers {
                writer.object { writer in
                    writer.member("member", offer.member.number)
                    writer.member("address", offer.address.description)
                    if let inside = offer.inside { writer.member("inside", inside.description) }
                    writer.member("ticket", offer.ticket.hexadecimal)
                }
            }
        }
        if let fromSequence { writer.member("from", fromSequence) }
    }
}

/// A parent is told of a child that comes (figure 9C, step 920). The child subscribes by itself; the parent opens its own
/// NAT towards it and keeps a place.
public struct ForwardMessage: Equatable, Sendable {
    /// Who.
    public var child: MemberID
    /// Where; a datagram to it opens the way back.
    public var address: PeerAddress
    /// Where it is within the network that both are in, behind one NAT.
    public var inside: PeerAddress?
    /// What it will ask for.
    public var stripes: StripeSet
    /// What it holds the parent as a warm backup for.
    public var backupStripes: StripeSet
    /// It is no member any more: its places are free at once.
    public var isGone: Bool

    /// Forward `stripes` to `child`.
    public init(
        child: MemberID, address: PeerAddress, inside: PeerAddress? = nil, stripes: StripeSet,
        backupStripes: StripeSet, isGone: Bool = false
    ) {
        self.child = child
        self.address = address
        self.inside = inside
        self.stripes = stripes
        self.backupStripes = backupStripes
        self.isGone = isGone
    }

    init(_ fields: JSONFields) throws(JSONError) {
        child = try fields.member("child")
        address = try fields.address(try fields.string("address", byteCountLimit: 64))
        inside = try fields.addressIfThere("inside")
        stripes = try fields.stripes("stripes")
        backupStripes = try fields.stripes("backup", default: [])
        isGone = try fields.boolean("gone", default: false)
    }

    func write(into writer: inout JSONWriter) {
        writer.member("child", child.number)
        writer.member("address", address.description)
        if let inside { writer.member("inside", inside.description) }
        writer.member("stripes", stripes.rawValue)
        writer.member("backup", backupStripes.rawValue)
        if isGone { writer.member("gone", true) }
    }
}
