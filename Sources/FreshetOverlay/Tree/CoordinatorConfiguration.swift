public import FreshetCore

/// Every parameter of a ``Coordinator``: meaning, unit, default.
public struct CoordinatorConfiguration: Sendable {
    /// The stream's name; a join for another is refused.
    public var stream = "live"
    /// What members must show; empty lets everybody in.
    public var token = ""
    /// What the source must show beside; empty lets anybody be the source while there is none.
    public var sourceToken = ""
    /// Stripes that the stream is split into, 1 to 15. One is enough for small groups; more limit what one
    /// failure takes.
    public var stripeCount = 1
    /// A parity stripe is sent behind the others.
    public var hasParity = false
    /// Members between the source and the farthest viewer, at most; the source has depth 0.
    public var depthLimit = 10
    /// Children (whole streams) of a member that says nothing of its uplink.
    public var defaultChildren = 4
    /// Children (whole streams) that a member may claim.
    public var childrenLimit = 1_000
    /// Members at most; a join beyond is refused.
    public var memberLimit = 250_000
    /// Warm backups per stripe that a member is given, 0 to 2.
    public var backupCount = 2
    /// Promises of a place that share one reserved place: all are not called at once.
    public var promisesPerPlace = 4
    /// Good reception before a member counts as stable, and may be moved up.
    public var maturityInterval: Nanoseconds = .seconds(5)
    /// How often members report at most, and how many reports a second the coordinator wants in all: the interval grows
    /// with the group.
    public var reportInterval: Nanoseconds = .seconds(2)
    /// Reports a second that the coordinator can take.
    public var reportsPerSecond = 10_000
    /// Below this share of packets in time, in thousandths, a report is a complaint (figure 7, step 704).
    public var receiveThresholdPerMille = 950
    /// Complaints about one parent within this span belong together.
    public var complaintInterval: Nanoseconds = .seconds(10)
    /// A convicted parent is offered to nobody for so long.
    public var convictionInterval: Nanoseconds = .seconds(30)
    /// A branch below a member that starves is left in peace for so long (figure 8, step 806).
    public var branchFlagInterval: Nanoseconds = .seconds(1)
    /// An asked member answers within this span or counts as failed (figure 8, step 808).
    public var pingTimeout: Nanoseconds = .milliseconds(500)
    /// A member whose control connection is gone is kept for so long, unless a child complains.
    public var absenceLimit: Nanoseconds = .seconds(10)
    /// A move for a better place must win so much of the delay, in thousandths; B2's hysteresis.
    public var moveGainPerMille = 200
    /// Moves for better places a second, for every 25 members, at least one; 0: nobody is moved for that.
    public var moveBudgetPerSecond = 1
    /// A member that does well is looked at for a better place so often.
    public var reviewInterval: Nanoseconds = .seconds(10)
    /// Members wait for this many before the first is given a parent (figure 5); 0 starts at once.
    public var waitForMembers = 0
    /// …or for so long after the first.
    public var waitLimit: Nanoseconds = .seconds(30)
    /// UDP ports of its host at which there are ``PlaceMirror``s, in their order; none: nobody is behind a NAT.
    public var mirrorPorts: [UInt16] = []
    /// The mirrors' key.
    public var mirrorKey = SipKey(low: 0, high: 0)
    /// The era it starts in; an era is a minute. An edge that restarts gives one that is not less.
    public var firstEra: UInt32 = 1

    /// The defaults.
    public init() {}

    /// Stripes in all, parity counted.
    public var totalStripes: Int { min(15, max(1, stripeCount)) + (hasParity ? 1 : 0) }
}
