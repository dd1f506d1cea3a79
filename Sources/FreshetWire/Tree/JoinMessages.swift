public import FreshetCore

/// What somebody who wants to join says of itself (the patent's figure 4, step 402).
public struct JoinMessage: Equatable, Sendable {
    /// What a member is to the tree.
    public enum Role: String, Sendable {
        /// It makes the stream.
        case source
        /// It watches or records, and forwards when told.
        case viewer
        /// It is there to forward.
        case relay
        /// It is there to take the children of a primary that failed.
        case standby
    }

    /// How others reach the member.
    public enum Reach: String, Sendable {
        /// Its address is its own.
        case open
        /// Behind a NAT that keeps one outside address: hole punching works.
        case mapped
        /// Behind a NAT with an outside address per destination, or unknown: a leaf.
        case closed
    }

    /// The stream's name.
    public var stream = ""
    /// What authenticates the member; empty where the stream is open.
    public var token = ""
    /// What lets it be the source; empty for others.
    public var sourceToken = ""
    /// What it is.
    public var role = Role.viewer
    /// How it is reached.
    public var reach = Reach.open
    /// Its UDP addresses, the preferred first. The coordinator adds the one that it sees.
    public var addresses: [PeerAddress] = []
    /// False when it forwards to nobody.
    public var forwards = true
    /// Its uplink as it claims, kilobits a second; 0 when it does not know.
    public var uplinkKilobits: UInt32 = 0
    /// The most children (whole streams) it takes; 0 leaves it to the coordinator.
    public var childLimit: UInt32 = 0
    /// Routers on its way to the coordinator, the nearest to it first, where it could find them.
    public var routers: [String] = []
    /// Where it is in the network, when it knows.
    public var coordinate: NetworkCoordinate?
    /// The number it had, when it comes back or the coordinator does.
    public var resuming = MemberID.none
    /// That it is the one who had this number: ``proof(of:under:)``.
    public var proof: UInt64 = 0
    /// Its parents as they are, when it comes back: the coordinator's records are rebuilt from these.
    public var places: [PlaceReport] = []
    /// The stream's SSRC: told by the source.
    public var epoch: UInt32 = 0
    /// The stream's rate, kilobits a second: told by the source.
    public var streamKilobits: UInt32 = 0

    /// A viewer of nothing yet.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        stream = try fields.string("stream", byteCountLimit: 128)
        token = try fields.string("token", byteCountLimit: 1024, default: "")
        sourceToken = try fields.string("sourceToken", byteCountLimit: 1024, default: "")
        guard let role = Role(rawValue: try fields.string("role", default: "viewer")) else {
            throw JSONError("'role' of 'join' is not source, viewer, relay or standby")
        }
        self.role = role
        guard let reach = Reach(rawValue: try fields.string("reach", default: "open")) else {
            throw JSONError("'reach' of 'join' is not open, mapped or closed")
        }
        self.reach = reach
        for text in try fields.strings("addresses", countLimit: 8) {
            addresses.append(try fields.address(text))
        }
        forwards = try fields.boolean("forwards", default: true)
        uplinkKilobits = try fields.integer("uplink", in: 0...100_000_000, default: 0)
        childLimit = try fields.integer("children", in: 0...100_000, default: 0)
        routers = try fields.strings("routers", countLimit: 16)
        coordinate = try fields.coordinate("coordinate")
        resuming = try fields.member("resuming", default: MemberID.none)
        if fields.has("proof") { proof = try fields.word("proof") }
        for place in try fields.objects("places", countLimit: StripeSet.countLimit) {
            places.append(try PlaceReport(place))
        }
        epoch = try fields.integer("epoch", in: 0...UInt32.max, default: 0)
        streamKilobits = try fields.integer("rate", in: 0...100_000_000, default: 0)
    }

    /// What only `member` and the coordinator can say: a tag over its number under the key of the tickets for it.
    public static func proof(of member: MemberID, under key: SipKey) -> UInt64 {
        var hash = SipHash(key: key)
        hash.combine(UInt64(member.number) << 32 | 0x6261_636B)
        return hash.tag()
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stream", stream)
        if !token.isEmpty { writer.member("token", token) }
        if !sourceToken.isEmpty { writer.member("sourceToken", sourceToken) }
        writer.member("role", role.rawValue)
        writer.member("reach", reach.rawValue)
        writer.member("addresses", addresses.map(\.description))
        writer.member("forwards", forwards)
        if uplinkKilobits > 0 { writer.member("uplink", uplinkKilobits) }
        if childLimit > 0 { writer.member("children", childLimit) }
        if !routers.isEmpty { writer.member("routers", routers) }
        if let coordinate { writer.member("coordinate", coordinate) }
        if resuming != .none {
            writer.member("resuming", resuming.number)
            writer.member("proof", word: proof)
        }
        if !places.isEmpty {
            writer.array("places") { writer in
                for place in places { writer.object { place.write(into: &$0) } }
            }
        }
        if epoch != 0 { writer.member("epoch", epoch) }
        if streamKilobits != 0 { writer.member("rate", streamKilobits) }
    }
}

/// What a new member must know.
public struct WelcomeMessage: Equatable, Sendable {
    /// Its number.
    public var member = MemberID.none
    /// The stream's SSRC; 0 while there is no source.
    public var epoch: UInt32 = 0
    /// How many stripes the stream is split into, parity not counted.
    public var stripeCount = 1
    /// A parity stripe is behind them.
    public var hasParity = false
    /// Children (of one stripe each) that the member may take in all.
    public var slotLimit: UInt32 = 0
    /// How often it is to report, milliseconds.
    public var reportMilliseconds: UInt32 = 2_000
    /// The era by which it judges tickets.
    public var era: UInt32 = 0
    /// How far the stream has come, as far as the coordinator knows; 0 when it does not.
    public var highestSequence: Int64 = 0
    /// The key of the tickets for it, 32 hexadecimal digits: two numbers of 64 bits.
    public var ticketKey = SipKey(low: 0, high: 0)
    /// UDP ports of the coordinator's host that say where a datagram comes from; none: nobody there does.
    public var mirrorPorts: [UInt16] = []
    /// What they are asked with.
    public var mirrorNonce: UInt64 = 0

    /// A welcome that says nothing yet.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        member = try fields.member("member")
        epoch = try fields.integer("epoch", in: 0...UInt32.max)
        stripeCount = try fields.integer("stripes", in: 1...StripeSet.countLimit - 1)
        hasParity = try fields.boolean("parity", default: false)
        slotLimit = try fields.integer("slots", in: 0...1_000_000)
        reportMilliseconds = try fields.integer("reportEvery", in: 100...600_000)
        era = try fields.integer("era", in: 0...UInt32.max)
        highestSequence = try fields.integer("highest", in: Int64.min...Int64.max, default: 0)
        let digits = try fields.string("key", byteCountLimit: 32)
        guard digits.utf8.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { throw JSONError("'key' of 'welcome' is not 32 hexadecimal digits") }
        ticketKey = SipKey(low: low, high: high)
        mirrorPorts = try fields.integers("mirrors", of: UInt16.self, countLimit: 4)
        if !mirrorPorts.isEmpty { mirrorNonce = try fields.word("nonce") }
    }

    func write(into writer: inout JSONWriter) {
        writer.member("member", member.number)
        writer.member("epoch", epoch)
        writer.member("stripes", stripeCount)
        writer.member("parity", hasParity)
        writer.member("slots", slotLimit)
        writer.member("reportEvery", reportMilliseconds)
        writer.member("era", era)
        if highestSequence != 0 { writer.member("highest", highestSequence) }
        writer.member("key", JSONWriter.digits(ticketKey.high) + JSONWriter.digits(ticketKey.low))
        if !mirrorPorts.isEmpty {
            writer.member("mirrors", mirrorPorts)
            writer.member("nonce", word: mirrorNonce)
        }
    }
}

/// A small data echo: the asker measures the time it takes (figure 4, step 406).
public struct ProbeMessage: Equatable, Sendable {
    /// The asker's number for it.
    public var serial: UInt32 = 0
    /// What is sent back as it is; its length makes the echo a measure of the rate too.
    public var fill = ""

    /// Bytes of `fill` at most.
    public static let fillByteCountLimit = 16_384

    /// The probe `serial` with `fill`.
    public init(serial: UInt32 = 0, fill: String = "") {
        self.serial = serial
        self.fill = fill
    }

    init(_ fields: JSONFields) throws(JSONError) {
        serial = try fields.integer("serial", in: 0...UInt32.max)
        fill = try fields.string("fill", byteCountLimit: ProbeMessage.fillByteCountLimit, default: "")
    }

    func write(into writer: inout JSONWriter) {
        writer.member("serial", serial)
        if !fill.isEmpty { writer.member("fill", fill) }
    }
}

/// A member goes, or is told to.
public struct LeaveMessage: Equatable, Sendable {
    /// Why, in words for people.
    public var reason = ""

    /// A leave for `reason`.
    public init(reason: String = "") { self.reason = reason }

    init(_ fields: JSONFields) throws(JSONError) { reason = try fields.string("reason", default: "") }

    func write(into writer: inout JSONWriter) { writer.member("reason", reason) }
}
