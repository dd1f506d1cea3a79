public import FreshetCore

/// What a run came to.
public struct SimulationResult: Sendable {
    /// The scenario's name.
    public var scenario: String
    /// The seed.
    public var seed: UInt64
    /// How many receivers there were.
    public var receiverCount: Int
    /// Virtual time that passed.
    public var span: Nanoseconds
    /// Fingerprint of all that happened.
    public var digest: Digest
    /// The invariant that broke, if one did.
    public var violation: Violation?
    /// Sums.
    public var totals: Totals
    /// Requests for each packet that was lost.
    public var asks: DelayHistogram
    /// Requests for each packet that more than half of the receivers lost.
    public var commonAsks: DelayHistogram
    /// Of all requests, the ones that the source hears: segments ask among themselves first.
    public var farAsks: DelayHistogram
    /// Repairs sent for each packet that was lost.
    public var repairs: DelayHistogram
    /// From the first sight of a loss to the first departure of a repair, nanoseconds.
    public var repairDeparture: DelayHistogram
    /// Requests for packets that nobody had lost.
    public var needlessAskCount: Int
    /// Events that the queue handled.
    public var eventCount: UInt64

    init<Node: Host & ~Copyable>(_ world: borrowing World<Node>, seed: UInt64) {
        scenario = world.scenario.name
        self.seed = seed
        receiverCount = world.blueprint.receiverCount
        span = world.now - .zero
        digest = world.digest
        violation = world.line.checkers.violation
        totals = world.line.checkers.totals
        asks = world.line.checkers.packets.asks
        commonAsks = world.line.checkers.packets.commonAsks
        farAsks = world.line.checkers.packets.farAsks
        repairs = world.line.checkers.packets.repairs
        repairDeparture = world.line.checkers.packets.repairDeparture
        needlessAskCount = world.line.checkers.packets.needlessAskCount
        eventCount = world.queue.totalCount
    }
}
