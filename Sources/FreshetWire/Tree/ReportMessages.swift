/// How one stripe of a member goes.
public struct PlaceReport: Equatable, Sendable {
    /// The stripe.
    public var stripe: UInt8 = 0
    /// Who sends it; nobody while the member looks for a parent.
    public var parent = MemberID.none
    /// Members between it and the source, the source counted: 1 for a primary.
    public var depth: UInt8 = 0
    /// Of 1000 packets due in the last interval, how many came in time.
    public var receivedPerMille: UInt16 = 1000
    /// Packets in the last interval that had to be repaired.
    public var repairedCount: UInt32 = 0

    /// A report of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        stripe = try fields.integer("stripe", in: 0...UInt8(StripeSet.countLimit - 1))
        parent = try fields.member("parent", default: MemberID.none)
        depth = try fields.integer("depth", in: 0...UInt8(AncestorPath.countLimit), default: 0)
        receivedPerMille = try fields.integer("received", in: 0...1000, default: 1000)
        repairedCount = try fields.integer("repaired", in: 0...UInt32.max, default: 0)
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stripe", stripe)
        if parent != .none { writer.member("parent", parent.number) }
        writer.member("depth", depth)
        if receivedPerMille != 1000 { writer.member("received", receivedPerMille) }
        if repairedCount != 0 { writer.member("repaired", repairedCount) }
    }
}

/// A member's statistics, sent every report interval (figure 9B, step 914).
public struct ReportMessage: Equatable, Sendable {
    /// Its stripes.
    public var places: [PlaceReport] = []
    /// The children (of one stripe each) it sends to.
    public var childCount: UInt32 = 0
    /// Children it cannot keep up with: they should be moved.
    public var slowChildren: [MemberID] = []
    /// Where it is in the network.
    public var coordinate: NetworkCoordinate?
    /// The highest extended sequence number it has.
    public var highestSequence: Int64 = 0
    /// What its line carries out, as it measured, kilobits a second; 0 when it does not know or was told.
    public var uplinkKilobits: UInt32 = 0
    /// How the stream reached it since its last report.
    public var delivery = DeliveryReport()

    /// A report of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        for place in try fields.objects("places", countLimit: StripeSet.countLimit) {
            places.append(try PlaceReport(place))
        }
        childCount = try fields.integer("children", in: 0...1_000_000, default: 0)
        for number in try fields.integers("slow", of: UInt32.self, countLimit: 64) {
            slowChildren.append(MemberID(number))
        }
        coordinate = try fields.coordinate("coordinate")
        highestSequence = try fields.integer("highest", in: Int64.min...Int64.max, default: 0)
        uplinkKilobits = try fields.integer("uplink", in: 0...100_000_000, default: 0)
        delivery = try DeliveryReport(fields)
    }

    func write(into writer: inout JSONWriter) {
        writer.array("places") { writer in
            for place in places { writer.object { place.write(into: &$0) } }
        }
        writer.member("children", childCount)
        if !slowChildren.isEmpty { writer.member("slow", slowChildren.map(\.number)) }
        if let coordinate { writer.member("coordinate", coordinate) }
        writer.member("highest", highestSequence)
        if uplinkKilobits != 0 { writer.member("uplink", uplinkKilobits) }
        delivery.write(into: &writer)
    }
}

/// A member hears nobody on some stripes and its backups are used up (figure 9A, step 904). Repeated while it lasts.
public struct StarvingMessage: Equatable, Sendable {
    /// The stripes.
    public var stripes: StripeSet
    /// Who should have sent them.
    public var parent: MemberID

    /// Nobody sends `stripes`; `parent` should.
    public init(stripes: StripeSet, parent: MemberID) {
        self.stripes = stripes
        self.parent = parent
    }

    init(_ fields: JSONFields) throws(JSONError) {
        stripes = try fields.stripes("stripes")
        parent = try fields.member("parent", default: MemberID.none)
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stripes", stripes.rawValue)
        writer.member("parent", parent.number)
    }
}

/// A member went to another parent without being told to, or calls one because its own is silent.
public struct MovedMessage: Equatable, Sendable {
    /// Why.
    public enum Reason: String, Sendable {
        /// The old parent was silent.
        case silence
        /// The old parent said that it goes.
        case handover
        /// The old parent is below the member.
        case loop
        /// The old parent refused.
        case refused
    }

    /// The stripes.
    public var stripes: StripeSet
    /// The old parent.
    public var from: MemberID
    /// The new one; nobody while it is only being called.
    public var to: MemberID
    /// Why.
    public var reason: Reason

    /// `stripes` now come from `to`.
    public init(stripes: StripeSet, from: MemberID, to: MemberID, reason: Reason) {
        self.stripes = stripes
        self.from = from
        self.to = to
        self.reason = reason
    }

    init(_ fields: JSONFields) throws(JSONError) {
        stripes = try fields.stripes("stripes")
        from = try fields.member("from", default: MemberID.none)
        to = try fields.member("to", default: MemberID.none)
        guard let reason = Reason(rawValue: try fields.string("reason", default: "silence")) else {
            throw JSONError("'reason' of 'moved' is not silence, handover, loop or refused")
        }
        self.reason = reason
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stripes", stripes.rawValue)
        writer.member("from", from.number)
        writer.member("to", to.number)
        writer.member("reason", reason.rawValue)
    }
}

/// How the stream is.
public struct StreamStateMessage: Equatable, Sendable {
    /// The stream's SSRC; 0 while there is no source.
    public var epoch: UInt32
    /// It is over: `highestSequence` is its last packet.
    public var hasEnded: Bool
    /// How far it has come.
    public var highestSequence: Int64
    /// The coordinator's era, by which tickets are judged.
    public var era: UInt32

    /// A state of these values.
    public init(epoch: UInt32, hasEnded: Bool, highestSequence: Int64, era: UInt32) {
        self.epoch = epoch
        self.hasEnded = hasEnded
        self.highestSequence = highestSequence
        self.era = era
    }

    init(_ fields: JSONFields) throws(JSONError) {
        epoch = try fields.integer("epoch", in: 0...UInt32.max)
        hasEnded = try fields.boolean("ended", default: false)
        highestSequence = try fields.integer("highest", in: Int64.min...Int64.max, default: 0)
        era = try fields.integer("era", in: 0...UInt32.max, default: 0)
    }

    func write(into writer: inout JSONWriter) {
        writer.member("epoch", epoch)
        writer.member("ended", hasEnded)
        writer.member("highest", highestSequence)
        writer.member("era", era)
    }
}

/// How the stream reached a member since its last report: for people to see, no decision is made by it.
public struct DeliveryReport: Equatable, Sendable {
    /// Media that came, kilobits a second.
    public var kilobits: UInt32 = 0
    /// How far behind the source it plays, milliseconds.
    public var latencyMilliseconds: UInt32 = 0
    /// Packets that did not come in time.
    public var lostCount: UInt32 = 0
    /// Packets that had to be repaired.
    public var repairedCount: UInt32 = 0

    /// A report of nothing.
    public init() {}

    init(_ fields: JSONFields) throws(JSONError) {
        kilobits = try fields.integer("rate", in: 0...UInt32.max, default: 0)
        latencyMilliseconds = try fields.integer("latency", in: 0...UInt32.max, default: 0)
        lostCount = try fields.integer("lost", in: 0...UInt32.max, default: 0)
        repairedCount = try fields.integer("repaired", in: 0...UInt32.max, default: 0)
    }

    func write(into writer: inout JSONWriter) {
        if kilobits != 0 { writer.member("rate", kilobits) }
        if latencyMilliseconds != 0 { writer.member("latency", latencyMilliseconds) }
        if lostCount != 0 { writer.member("lost", lostCount) }
        if repairedCount != 0 { writer.member("repaired", repairedCount) }
    }
}

/// Somebody asks how a stream is.
public struct InspectMessage: Equatable, Sendable {
    /// The stream's name.
    public var stream: String
    /// What lets one look; empty where the stream is open.
    public var token: String

    /// How is `stream`?
    public init(stream: String, token: String = "") {
        self.stream = stream
        self.token = token
    }

    init(_ fields: JSONFields) throws(JSONError) {
        stream = try fields.string("stream", byteCountLimit: 128)
        token = try fields.string("token", byteCountLimit: 1024, default: "")
    }

    func write(into writer: inout JSONWriter) {
        writer.member("stream", stream)
        if !token.isEmpty { writer.member("token", token) }
    }
}
