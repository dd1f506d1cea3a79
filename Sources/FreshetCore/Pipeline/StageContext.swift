/// Something a stage tells the control plane: rare, and never one per packet for long.
public enum StageEvent: Sendable, Equatable {
    /// A source was chosen, or replaced the one before (a new SSRC or sender is a new epoch).
    case sourceChanged(description: String)
    /// Another source sends to the same place; its packets are dropped.
    case secondSource(description: String)
    /// Nothing has come for the span.
    case silent(Nanoseconds)
    /// Packets come again after silence.
    case resumed
    /// The stream's clock jumped.
    case clockJump
    /// The source said goodbye.
    case endOfStream
    /// Anything else worth one line to a person.
    case notice(String)
}

/// What a stage is given at each call: the time, chance, buffers, and where to count and report. It offers no
/// way to a clock, a socket or a thread.
///
/// Each stage has its own; the engine sets `now` before each call.
public struct StageContext: ~Copyable {
    /// The time of this turn. Never goes back.
    public var now: Instant
    /// Where new packets come from; the loop's own.
    public let pool: PacketPool
    /// The stage's counters.
    public var counters = Counters()
    /// The stage's own random numbers.
    public var random: PRNG
    /// Reports waiting for the control plane; a full ring drops new ones.
    public var events = FixedRing<StageEvent>(capacity: 64)
    /// True while the stage's own descriptor (``Stage/pollDescriptor``) may have something to read; a stage
    /// that has read it dry sets it to false and is called again when there is more.
    public var isReadable = false
    /// The same of ``Stage/controlDescriptor``.
    public var isControlReadable = false
    /// Set by a source that has given everything; the engine then finishes the stages after it, one by one.
    public private(set) var isSourceFinished = false
    /// Set by the engine when the user asks to end: hold nothing back for its time any more. A stage that
    /// delays packets gives them at once (on the way to a viewer or a disk) or drops them (not yet departed).
    public var isStopping = false
    /// Set by a stage that wants the whole pipeline to end cleanly (a recording has its length).
    public private(set) var isStopRequested = false

    /// A context at `now` that takes packets from `pool`.
    public init(pool: PacketPool, random: PRNG, now: Instant = .zero) {
        self.pool = pool
        self.random = random
        self.now = now
    }

    /// Drops `packet` and counts why.
    @inlinable public mutating func drop(_ packet: consuming Packet, _ reason: DropReason) {
        counters.add(reason.counter)
        _ = consume packet
    }

    /// A new packet, or `nil` (counted) when the pool is empty: leave the input where it is and try next
    /// turn.
    @inlinable public mutating func allocate() -> Packet? {
        if let packet = pool.allocate() { return packet }
        counters.add(.poolExhausted)
        return nil
    }

    /// Reports `event` to the control plane.
    public mutating func report(_ event: StageEvent) {
        if !events.isFull { events.append(event) }
    }

    /// Asks for a clean end of the whole pipeline.
    public mutating func requestStop() { isStopRequested = true }

    /// Says that this source has given everything.
    public mutating func finishSource() { isSourceFinished = true }
}
