public import FreshetCore
public import FreshetWire

/// What the coordinator knows of one member: the patent's figure 6B. The receive clients (638, 640) are in the forest.
public struct MemberRecord: Sendable {
    /// Client ID (620).
    public var id: MemberID
    /// Viewer, relay, standby or source.
    public var role: JoinMessage.Role
    /// How others reach it.
    public var reach: JoinMessage.Reach
    /// Where others reach it.
    public var address: PeerAddress
    /// It really is at that host: its control connection comes from there.
    var isSeenThere = false
    /// …and at that port: the coordinator's mirrors saw it there, all of them.
    public internal(set) var isPortKnown = false
    /// Where it says that it is itself: behind a NAT its address inside.
    var inside: PeerAddress?
    /// How it says that it is reached.
    var claimedReach = JoinMessage.Reach.open
    /// What it asks mirrors with.
    var mirrorNonce: UInt64 = 0
    /// When its control connection came.
    var admitted: Instant
    /// Its control connection; `nil` while that is gone.
    public var connection: UInt32?
    /// Probe performance (622): the time that the echo took, microseconds; 0 before the first.
    public var probeMicroseconds: Int32 = 0
    /// Transmit performance (624), reported by its children: packets in time of 1000, a moving average.
    public var transmitPerMille: Int32 = 1000
    /// Receive performance (626), reported by itself.
    public var receivePerMille: Int32 = 1000
    /// Router list (628…636), as numbers that are the same when the routers are.
    public var routers: [UInt64] = []
    /// Its place in the network.
    public var coordinate = NetworkCoordinate()
    /// Surveys that it was asked for, and when last.
    var surveyCount = 0
    var surveyed: Instant?
    /// From this error on a place says nothing.
    static let vaguePerMille: Int32 = 800
    /// Children of one stripe each that its uplink carries.
    public var slotLimit: Int32 = 0
    /// Whole streams that it gives at most; 0 when it did not say.
    var childLimit: UInt32 = 0
    /// What it says that its line carries out, kilobits a second; 0 when it did not say.
    public internal(set) var uplinkKilobits: UInt32 = 0
    /// What it measured where it did not say, kilobits a second; 0 when it did not.
    public internal(set) var measuredKilobits: UInt32 = 0
    var mayForward = true
    /// Those it has, over all stripes.
    public var childCount: Int32 = 0
    /// Places it has promised as a warm backup.
    public var promisedCount: Int32 { Int32(promisedTo.count) }

    /// Media that came in its last report's span, kilobits a second.
    public private(set) var kilobits: UInt32 = 0
    /// How far behind the source it plays, milliseconds.
    public private(set) var latencyMilliseconds: UInt32 = 0
    /// Packets that did not come in time, in all.
    public private(set) var lostCount: UInt64 = 0
    /// Packets that had to be repaired, in all.
    public private(set) var repairedCount: UInt64 = 0

    /// The stripe it forwards; every stripe when `nil`.
    var home: Int?
    /// Indexes of the members that hold it as a warm backup, once a stripe.
    var promisedTo: [Int32] = []
    /// The grid cell of its coordinate.
    var cell = 0
    /// When it joined.
    public internal(set) var joined: Instant
    /// Since when it has received well without a break; `nil` while it does not.
    var goodSince: Instant?
    var isMature = false
    /// When it was last put on the list of those that may be moved up.
    var considered: Instant?
    /// How many times in a row there was no better place for it, as far as that is counted.
    var idleReviewCount = 0
    /// How many times in a row no place nearer to the source was found for it, though it hangs too deep.
    var liftCount = 0
    var convictedUntil: Instant?
    /// The last complaint about it: by whom and when.
    var complainer: MemberID = .none
    var complained: Instant?
    var goneSince: Instant?
    /// When it said that it starves, per branch flagging (figure 8), and on which stripes.
    var starvingSince: Instant?
    var starvingStripes = StripeSet()
    /// When it said so first of all the times in a row.
    var hungrySince: Instant?
    /// When the ping that must be answered runs out, and its serial.
    var pingDeadline: Instant?
    var pingSent: Instant?
    var pingSerial: UInt32 = 0
    var lastMoved: Instant?
    /// Bad reports in a row.
    var badReportCount = 0
    var isWaiting = false
    /// It is among the coordinator's watched.
    var isWatched = false
    var isRemoved = false
    /// Where in the list of members with spare places it is; -1 for not.
    var sparePlace: Int32 = -1

    init(
        id: MemberID, role: JoinMessage.Role, reach: JoinMessage.Reach, address: PeerAddress, joined: Instant
    ) {
        self.id = id
        self.role = role
        self.reach = reach
        self.address = address
        self.joined = joined
        admitted = joined
    }

    /// Something is known of its uplink.
    var hasUplink: Bool { uplinkKilobits > 0 || measuredKilobits > 0 }

    mutating func note(_ delivery: DeliveryReport) {
        kilobits = delivery.kilobits
        latencyMilliseconds = delivery.latencyMilliseconds
        lostCount &+= UInt64(delivery.lostCount)
        repairedCount &+= UInt64(delivery.repairedCount)
    }
}
