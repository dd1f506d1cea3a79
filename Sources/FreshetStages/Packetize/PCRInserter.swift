public import FreshetCore
import FreshetWire

/// Puts clock references into a transport stream whose muxer writes too few: ISO/IEC 13818-1 §2.7.2 allows
/// 100 ms between two, receivers in the field want 40.
///
/// ```
///  from the muxer   A · · · · · · · · B · ·        A, B: packets with a PCR; ·: any other
///  to the packetizer A · · · + · · · + · · · B      +: adaptation field only, PCR on the line from A to B
/// ```
///
/// It sits in front of the packetizer and holds the packets of one interval until B shows how long it is.
/// Then it spreads the new packets evenly and computes their PCR from their place among all packets from A to
/// B, the new ones included: the line on which the packetizer's timeline puts them, to the tick. The
/// packetizer knows B at once too, so both together hold one interval. A packet without payload repeats its
/// PID's continuity counter (§2.4.3.3).
///
/// At most ``Configuration/holdLimit`` bytes are held, in packets of a pool of no fewer than eight; an
/// interval that is longer, or that lasts longer than ``Configuration/holdTimeout``, passes as it is.
public struct PCRInserter: ~Copyable {
    /// What an inserter is told.
    public struct Configuration: Sendable {
        /// Intervals longer than this get references.
        public var interval = Nanoseconds.milliseconds(35)
        /// No interval is longer than this afterwards.
        public var intervalLimit = Nanoseconds.milliseconds(40)
        /// Most bytes held, taken from the pool: a picture of 2.7 MB between two references.
        public var holdLimit = 2_700_000
        /// How long packets are held while no input comes.
        public var holdTimeout = Nanoseconds.seconds(1)

        /// The defaults.
        public init() {}
    }

    /// An interval whose end is known: its packets and the new ones, in their order.
    private struct Plan {
        /// PCR of the packet that begins it, and ticks to its end.
        var base: Int64
        var span: Int64
        /// Packets to give, new ones included, and how many of them are new.
        var packetCount: Int64
        var newCount: Int64
        /// Packets given, and new ones among them.
        var givenCount: Int64 = 0
        var newGivenCount: Int64 = 0

        /// Which packet the next new one is; past the end when there is none left.
        var nextNew: Int64 {
            newGivenCount == newCount ? packetCount : (newGivenCount &+ 1) &* packetCount / (newCount &+ 1)
        }
    }

    private let configuration: Configuration
    private let intervalTicks: Int64
    private let limitTicks: Int64
    private var held: FixedRing<Packet>
    /// TS packets held.
    private var heldCount: Int64 = 0
    private var since = Instant.zero
    private var plan: Plan?
    private var clockPID = TSPacket.nullPID
    /// The PCR that began the interval being held; `nil` while none is.
    private var base: Int64?
    private var counter: UInt8 = 0
    private var rate = ByteRate()
    private var made = InlineArray<188, UInt8>(repeating: 0xFF)

    /// Packets left in the pool for the packetizer.
    private static let reserve = 4

    /// Packets put in so far.
    public private(set) var insertedCount = 0
    /// Intervals passed as they were because they were too long to hold.
    public private(set) var overlongCount = 0

    /// An inserter that has taken nothing.
    public init(_ configuration: Configuration = Configuration()) {
        precondition(configuration.interval > .zero && configuration.intervalLimit >= configuration.interval)
        self.configuration = configuration
        intervalTicks = configuration.interval.count * 27 / 1000
        limitTicks = configuration.intervalLimit.count * 27 / 1000
        held = FixedRing(capacity: max(2, configuration.holdLimit / 1316))
    }

    /// Takes whole 188-byte packets from `bytes` and hands what is ready to `packetizer`. Returns how many
    /// bytes it took: fewer than all when the packetizer or the pool is full. Traps when `bytes` is not whole
    /// packets.
    public mutating func pass(
        _ bytes: RawSpan, arrival: Instant, into packetizer: inout TSPacketizer,
        context: inout StageContext
    ) -> Int {
        precondition(bytes.byteCount % TSPacket.byteCount == 0)
        var offset = 0
        while give(to: &packetizer, arrival: arrival, context: &context), offset < bytes.byteCount {
            let end = offset &+ TSPacket.byteCount
            if take(bytes.extracting(offset..<end), context: &context) {
                offset = end
            } else if plan == nil {
                return offset
            }
        }
        return offset
    }

    /// When ``advance(into:context:)`` is wanted: packets are held and no input comes.
    public var nextDeadline: Instant? {
        plan == nil && heldCount > 0 ? since + configuration.holdTimeout : nil
    }

    /// Hands on what was held too long.
    public mutating func advance(into packetizer: inout TSPacketizer, context: inout StageContext) {
        if let deadline = nextDeadline, deadline <= context.now { passAsIs() }
        _ = give(to: &packetizer, arrival: context.now, context: &context)
    }

    /// The stream has ended: the last interval goes on at the last rate. Call until it returns true, and the
    /// packetizer's `finish` after that.
    public mutating func finish(into packetizer: inout TSPacketizer, context: inout StageContext) -> Bool {
        if plan == nil, heldCount > 0, let base {
            makePlan(from: base, span: rate.ticks(for: heldCount &* Int64(TSPacket.byteCount)))
            self.base = nil
        }
        return give(to: &packetizer, arrival: context.now, context: &context)
    }

    // MARK: Holding

    /// Takes one packet; false when there is no room, or the interval before it must be given first.
    private mutating func take(_ packet: RawSpan, context: inout StageContext) -> Bool {
        if let value = reference(of: packet) {
            if let base, heldCount > 0 {
                let span = ClockReference.step(from: base, to: value)
                rate.add(byteCount: heldCount &* Int64(TSPacket.byteCount), ticks: max(0, span))
                makePlan(from: base, span: span)
                self.base = nil
                return false
            }
            guard hold(packet, context: &context) else { return false }
            base = value
            return true
        }
        guard hold(packet, context: &context) else { return false }
        // Nothing to measure from: straight on.
        if base == nil { makePlan(from: 0, span: 0) }
        return true
    }

    /// The PCR of `packet` when it is one of the clock's; the first PID with a PCR is the clock.
    private mutating func reference(of packet: RawSpan) -> Int64? {
        guard packet.uint8(at: 3) & 0x20 != 0, packet.uint8(at: 4) >= 7, packet.uint8(at: 5) & 0x10 != 0
        else {
            return nil
        }
        let pid = TSPacket.pid(of: packet)
        if clockPID == TSPacket.nullPID { clockPID = pid }
        return pid == clockPID ? ClockReference.read(packet, at: 6) : nil
    }

    private mutating func hold(_ packet: RawSpan, context: inout StageContext) -> Bool {
        let last = held.count &- 1
        if last < 0 || held[last].spareByteCount < TSPacket.byteCount {
            // The packetizer needs some to give out what is held here.
            let isDry = context.pool.freeCount < PCRInserter.reserve
            guard !held.isFull, !isDry, let fresh = context.allocate() else {
                // Nobody else can end this interval: it passes as it is. Else others give packets back.
                if held.isFull || held.count &* 2 >= context.pool.slotCount { passAsIs() }
                return false
            }
            held.append(fresh)
        }
        held[held.count &- 1].append(packet)
        if heldCount == 0 { since = context.now }
        heldCount &+= 1
        return true
    }

    private mutating func passAsIs() {
        guard plan == nil, heldCount > 0 else { return }
        overlongCount &+= 1
        base = nil
        makePlan(from: 0, span: 0)
    }

    private mutating func makePlan(from base: Int64, span: Int64) {
        var newCount: Int64 = 0
        // Beyond a minute, or backwards, it is no interval but a jump.
        if span > intervalTicks, span < 60 &* MediaTime.ticksPerSecond {
            newCount = (span &+ intervalTicks &- 1) / intervalTicks &- 1
            while longestGap(newCount) &* span > limitTicks &* (heldCount &+ newCount) { newCount &+= 1 }
        }
        plan = Plan(base: base, span: span, packetCount: heldCount &+ newCount, newCount: newCount)
    }

    /// Packets from one reference to the next, at most, with `newCount` of them spread over the interval.
    private func longestGap(_ newCount: Int64) -> Int64 {
        (heldCount &+ newCount &+ newCount) / (newCount &+ 1)
    }

    // MARK: Giving

    /// Gives what is planned; true when all of it went.
    private mutating func give(
        to packetizer: inout TSPacketizer, arrival: Instant, context: inout StageContext
    ) -> Bool {
        while var plan {
            let packet = Int64(TSPacket.byteCount)
            while plan.givenCount < plan.packetCount {
                if plan.givenCount == plan.nextNew {
                    makeReference(plan)
                    let count = packetizer.take(
                        RawSpan(_elements: made.span), arrival: arrival, context: &context)
                    guard count > 0 else { break }
                    plan.newGivenCount &+= 1
                    plan.givenCount &+= 1
                    insertedCount &+= 1
                    context.counters.add(.stuffing)
                } else {
                    let wanted = (min(plan.nextNew, plan.packetCount) &- plan.givenCount) &* packet
                    let count = feed(Int(wanted), to: &packetizer, arrival: arrival, context: &context)
                    guard count > 0 else { break }
                    plan.givenCount &+= Int64(count) / packet
                }
            }
            self.plan = plan
            guard plan.givenCount == plan.packetCount else { return false }
            self.plan = nil
        }
        return true
    }

    /// Feeds up to `byteCount` bytes of the front held packet; returns how many went.
    private mutating func feed(
        _ byteCount: Int, to packetizer: inout TSPacketizer, arrival: Instant, context: inout StageContext
    ) -> Int {
        guard let front = held.popFirst() else { return 0 }
        var packet = front
        let wanted = min(byteCount, packet.byteCount)
        let count = packetizer.take(
            packet.bytes.extracting(0..<wanted), arrival: arrival, context: &context)
        var offset = 0
        while offset < count {
            if TSPacket.pid(of: packet.bytes, at: offset) == clockPID {
                counter = packet.bytes.uint8(at: offset &+ 3) & 0x0F
            }
            offset &+= TSPacket.byteCount
        }
        heldCount &-= Int64(count / TSPacket.byteCount)
        packet.removeFirst(count)
        if packet.byteCount > 0 { held.prepend(packet) }
        return count
    }

    /// Writes the next new packet of `plan`.
    private mutating func makeReference(_ plan: Plan) {
        let ticks = plan.base &+ roundedQuotient(plan.span, plan.givenCount, by: plan.packetCount)
        var elements = made.mutableSpan
        var bytes = MutableRawSpan(_elements: &elements)
        ClockReference.writePacket(pid: clockPID, continuityCounter: counter, ticks: ticks, into: &bytes)
    }
}
