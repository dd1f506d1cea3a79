public import FreshetCore
import FreshetWire

/// Makes RTP packets of a transport stream: whole 188-byte packets, up to seven to a datagram, every byte in
/// its order, each datagram with its place on the stream's own schedule.
///
/// ```
///  bytes ──▶ framer ──▶ datagrams without a time ──▶ datagrams with one ──▶ RTP packets
///                │              (held)                   ▲
///                └─▶ clock finder ─▶ timeline ───────────┘
/// ```
///
/// A datagram is held until the clock reference behind it has been seen; then its departure is exact (see
/// `PCRTimeline`). That adds at most one interval of references. At most ``Configuration/holdLimit``
/// datagrams are held: when they are full, or nothing has come for ``Configuration/holdTimeout``, the
/// timeline goes on at the rate measured last, or at the arrivals' own, or at
/// ``Configuration/fallbackBitRate``.
///
/// Bytes that are in no packet (a stream cut in the middle, a hole) travel in datagrams of their own, in
/// their place; so does a last packet cut short. A mechanism, not a stage: the owner calls
/// ``process(_:into:context:)``, ``advance(into:context:)`` at ``nextDeadline`` and
/// ``finish(into:context:)``.
public struct TSPacketizer: ~Copyable {
    /// A datagram that waits for its time, or for room.
    struct Held: ~Copyable {
        var packet: Packet
        /// Where its first byte stands in the stream.
        var position: Int64
        /// When it was begun.
        var since: Instant
        /// Where the byte stands whose time is the datagram's: the first one, or the first reference.
        var anchor: Int64

        init(packet: consuming Packet, position: Int64, since: Instant) {
            self.packet = packet
            self.position = position
            self.since = since
            anchor = position
        }
    }

    let configuration: Configuration
    private let datagramByteCount: Int
    var held: FixedRing<Held>
    /// How many held datagrams have their time.
    var timedCount = 0
    /// The last held datagram still takes packets.
    private var isLastOpen = false
    private var isLastStray = false
    private var framer = TSFramer()
    private var finder = ClockFinder()
    var timeline: PCRTimeline
    /// Bytes taken in so far.
    private var position: Int64 = 0
    private var sequence: Int64
    private var firstArrival: Instant?
    private var lastArrival = Instant.zero
    private var isStarved = false
    private var hasReportedStray = false

    /// How often the stream's clock jumped.
    public private(set) var jumpCount = 0
    /// How often times were made up because no reference came.
    public private(set) var guessCount = 0
    /// Bytes that were in no TS packet; delivered all the same.
    public private(set) var strayByteCount = 0
    /// How often the packets' alignment was lost.
    public var alignmentLossCount: Int { framer.lossCount }

    /// A packetizer that has taken nothing.
    public init(_ configuration: Configuration) {
        precondition((1...7).contains(configuration.packetsPerDatagram) && configuration.holdLimit >= 2)
        self.configuration = configuration
        datagramByteCount = configuration.packetsPerDatagram * TSPacket.byteCount
        held = FixedRing(capacity: configuration.holdLimit)
        timeline = PCRTimeline(fallbackBitRate: configuration.fallbackBitRate)
        sequence = configuration.firstSequence
    }

    /// The extended sequence number of the next datagram given out.
    public var nextSequence: Int64 { sequence }
    /// Datagrams held now.
    public var heldCount: Int { held.count }

    /// Takes packets of a transport stream from `input` and gives RTP packets to `output`. What it has no
    /// room for it leaves in `input`. Packets that are RTP already pass untouched, behind what is held.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) {
        release(into: &output)
        // What could go but finds no room is enough to hold: more would only take memory.
        while !input.isEmpty, !output.isFull || timedCount <= 1 {
            if input[0].info.flags.contains(.hasSequence) {
                guard passRTP(&input, into: &output, context: &context) else { return }
                continue
            }
            let isTaken =
                configuration.clock == .arrival
                ? takeArrived(&input, context: &context) : takeFirst(of: &input, context: &context)
            release(into: &output)
            if !isTaken { return }
        }
    }

    /// Takes bytes of a transport stream, cut anywhere; `arrival` is when they reached this host. Returns how
    /// many it took: fewer than all when it is full (let ``process(_:into:context:)`` or
    /// ``advance(into:context:)`` give some out) or the pool is empty.
    public mutating func take(_ bytes: RawSpan, arrival: Instant, context: inout StageContext) -> Int {
        var offset = 0
        while true {
            // What alignment carries over may be given before the input moves on.
            let piece = framer.next(bytes, &offset)
            if piece == .none || !makeRoom(for: piece, context: &context) { return offset }
            add(piece, bytes, offset: &offset, arrival: arrival, context: &context)
        }
    }

    /// When ``advance(into:context:)`` is wanted: a datagram waits for a reference and nothing else can be
    /// given.
    public var nextDeadline: Instant? {
        guard !held.isEmpty, timedCount == 0 || (timedCount == 1 && isLastOpen) else { return nil }
        return held[0].since + configuration.holdTimeout * (isStarved ? 9 : 1)
    }

    /// Gives what can be given; lets time go on without a reference when the wait was too long.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext) {
        if let deadline = nextDeadline, deadline <= context.now {
            // With the pool empty and most of it elsewhere, others will give packets back and input will
            // come: wait longer, but not for ever.
            if !isStarved, context.pool.freeCount == 0, held.count * 2 < context.pool.slotCount {
                isStarved = true
            } else {
                isStarved = false
                isLastOpen = false
                guess(now: context.now)
            }
        }
        release(into: &output)
    }

    /// The stream has ended: gives what is held, at the last rate. Call until it returns true.
    public mutating func finish(into output: inout PacketBatch, context: inout StageContext) -> Bool {
        release(into: &output)
        var offset = 0
        while case .stray(let count) = framer.remainder() {
            guard makeRoom(for: .stray(count), context: &context) else {
                release(into: &output)
                return false
            }
            let nothing = RawSpan()
            add(.stray(count), nothing, offset: &offset, arrival: context.now, context: &context)
        }
        isLastOpen = false
        if timedCount < held.count { guess(now: nil) }
        release(into: &output)
        return held.isEmpty
    }

    // MARK: Taking

    /// Takes the first packet of `input`, whole or in part; false when there is no room for all of it.
    private mutating func takeFirst(of input: inout PacketBatch, context: inout StageContext) -> Bool {
        if framer.isAtBoundary, !isLastOpen {
            let shape = shape(of: input[0])
            if shape != .other {
                if held.isFull { makeProgress(context: &context) }
                guard !held.isFull, let packet = input.popFirst() else { return false }
                adopt(packet, isPlain: shape == .plain, context: &context)
                return true
            }
        }
        let arrival = input[0].info.arrival
        let count = takeBytes(of: input[0], arrival: arrival, context: &context)
        if count == input[0].byteCount {
            _ = input.popFirst()
            return true
        }
        input[0].removeFirst(count)
        return false
    }

    private mutating func takeBytes(
        of packet: borrowing Packet, arrival: Instant, context: inout StageContext
    ) -> Int {
        take(packet.bytes, arrival: arrival, context: &context)
    }

    private enum Shape {
        /// A full, aligned datagram that can go out in its own slot, and says nothing of the clock.
        case plain
        /// One that may say something.
        case telling
        /// Anything else.
        case other
    }

    private func shape(of packet: borrowing Packet) -> Shape {
        guard packet.byteCount == datagramByteCount, packet.isUnique,
            packet.headroomByteCount >= RTPHeader.fixedByteCount
        else { return .other }
        let bytes = packet.bytes
        var isPlain = true
        var offset = 0
        while offset < bytes.byteCount {
            let head = bytes.uint32(at: offset)
            if head >> 24 != UInt32(TSPacket.syncByte) { return .other }
            if !ClockFinder.isSilent(head) { isPlain = false }
            offset &+= TSPacket.byteCount
        }
        return isPlain ? .plain : .telling
    }

    private mutating func adopt(
        _ packet: consuming Packet, isPlain: Bool, context: inout StageContext
    ) {
        held.append(Held(packet: packet, position: position, since: context.now))
        if isPlain {
            position &+= Int64(datagramByteCount)
            return
        }
        let last = held.count &- 1
        var offset = 0
        while offset < datagramByteCount {
            let finding = finder.examine(held[last].packet, from: offset, at: position)
            note(finding, context: &context)
            position &+= Int64(TSPacket.byteCount)
            offset &+= TSPacket.byteCount
        }
    }

    private mutating func add(
        _ piece: TSFramer.Piece, _ bytes: RawSpan, offset: inout Int, arrival: Instant,
        context: inout StageContext
    ) {
        let last = held.count &- 1
        let begun = held[last].packet.byteCount
        held[last].packet.info.arrival = arrival
        switch piece {
        case .packetInInput:
            let packet = bytes.extracting(offset..<(offset &+ TSPacket.byteCount))
            held[last].packet.append(packet)
            let finding = finder.examine(packet, at: position)
            note(finding, context: &context)
            position &+= Int64(TSPacket.byteCount)
        case .packetCarried:
            framer.appendCarried(TSPacket.byteCount, to: &held[last].packet)
            let finding = finder.examine(held[last].packet, from: begun, at: position)
            note(finding, context: &context)
            position &+= Int64(TSPacket.byteCount)
        case .stray(let count):
            framer.appendCarried(count, to: &held[last].packet)
            position &+= Int64(count)
            noteStray(count, context: &context)
        case .none:
            break
        }
        framer.take(piece, offset: &offset)
        if held[last].packet.byteCount &+ TSPacket.byteCount > datagramByteCount { isLastOpen = false }
    }

    /// Makes the last held datagram one that can take `piece`; false when there is no place or packet for it.
    private mutating func makeRoom(for piece: TSFramer.Piece, context: inout StageContext) -> Bool {
        var isStray = false
        if case .stray = piece { isStray = true }
        if isLastOpen, isLastStray == isStray { return true }
        if held.isFull { makeProgress(context: &context) }
        guard !held.isFull else { return false }
        guard let packet = context.allocate() else {
            if held.count * 2 >= context.pool.slotCount { makeProgress(context: &context) }
            return false
        }
        held.append(Held(packet: packet, position: position, since: context.now))
        isLastOpen = true
        isLastStray = isStray
        return true
    }

    /// Full, or the pool is: when nothing held has its time, no reference can come any more, so times are
    /// made up.
    private mutating func makeProgress(context: inout StageContext) {
        isLastOpen = false
        if timedCount == 0 { guess(now: nil) }
    }

    // MARK: Time

    @inline(__always)
    private mutating func note(_ finding: ClockFinder.Finding, context: inout StageContext) {
        let last = held.count &- 1
        if finder.isRandomAccess { held[last].packet.info.flags.insert(.isKeyframe) }
        if finding == .none { return }
        noteReference(finding, context: &context)
    }

    private mutating func noteReference(_ finding: ClockFinder.Finding, context: inout StageContext) {
        var isJump = false
        switch finding {
        case .none:
            return
        case .reference(let value, let isDiscontinuity):
            isJump = timeline.add(value, at: position, isDiscontinuity: isDiscontinuity)
        case .changed(let first, let last):
            isJump = timeline.knownPosition != nil
            timeline.changeClock()
            _ = timeline.add(first.value, at: first.position)
            if let last { _ = timeline.add(last.value, at: last.position) }
        }
        let last = held.count &- 1
        if configuration.anchor == .reference, !held[last].packet.info.flags.contains(.hasClockReference) {
            held[last].anchor = position
        }
        held[last].packet.info.flags.insert(.hasClockReference)
        if isJump {
            held[last].packet.info.flags.insert(.isDiscontinuity)
            jumpCount &+= 1
            context.counters.add(.discontinuities)
            context.report(.clockJump)
        }
        setTimes()
    }

    private mutating func noteStray(_ count: Int, context: inout StageContext) {
        strayByteCount &+= count
        if hasReportedStray { return }
        hasReportedStray = true
        context.report(
            .notice("the transport stream has bytes between its packets; they are sent as they are"))
    }

    /// Gives every held datagram its time that begins where the timeline is known.
    private mutating func setTimes() {
        guard let known = timeline.knownPosition else { return }
        while timedCount < held.count, held[timedCount].anchor <= known {
            held[timedCount].packet.info.mediaTime = timeline.time(at: held[timedCount].anchor)
            timedCount &+= 1
        }
    }

    /// Lets the timeline go on to the end of what came, with no reference to go by.
    private mutating func guess(now: Instant?) {
        guessCount &+= 1
        if !timeline.isRateKnown, let found = finder.fallBack() {
            timeline.changeClock()
            _ = timeline.add(found.first.value, at: found.first.position)
            _ = timeline.add(found.last.value, at: found.last.position)
            setTimes()
        }
        var measured: ByteRate?
        if let now, !held.isEmpty, !timeline.isRateKnown {
            var rate = ByteRate()
            let span = now - held[0].since
            rate.add(byteCount: position &- held[0].position, ticks: span.count &* 27 / 1000)
            measured = rate
        }
        if timedCount < held.count { timeline.extend(to: position, measured: measured) }
        setTimes()
    }

    // MARK: Giving

    private mutating func release(into output: inout PacketBatch) {
        while timedCount > 0, !output.isFull {
            if isLastOpen, held.count == 1 { return }
            guard let first = held.popFirst() else { return }
            timedCount &-= 1
            output.append(finished(first.packet))
            isStarved = false
        }
    }

    private mutating func finished(_ packet: consuming Packet) -> Packet {
        var info = packet.info
        info.flags.formUnion([.hasSequence, .hasMediaTime])
        info.extendedSequence = sequence
        info.ssrc = configuration.ssrc & ~1
        info.epoch = configuration.epoch
        info.rtpTimestamp =
            configuration.timestampOffset &+ UInt32(truncatingIfNeeded: info.mediaTime.ticks90k)
        info.headerByteCount = UInt16(RTPHeader.fixedByteCount)
        // RFC 2250 §2: the marker stands where the clock is discontinuous.
        if info.flags.contains(.isDiscontinuity) { info.flags.insert(.hasMarker) }
        packet.prepend(byteCount: RTPHeader.fixedByteCount) { bytes in
            RTPHeader.write(
                marker: info.flags.contains(.hasMarker),
                sequenceNumber: UInt16(truncatingIfNeeded: info.extendedSequence),
                timestamp: info.rtpTimestamp, ssrc: info.ssrc, into: &bytes)
        }
        packet.info = info
        sequence &+= 1
        return packet
    }

    private mutating func passRTP(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) -> Bool {
        if !held.isEmpty {
            isLastOpen = false
            if timedCount < held.count { guess(now: nil) }
            release(into: &output)
        }
        guard held.isEmpty, !output.isFull, let packet = input.popFirst() else { return false }
        output.append(packet)
        return true
    }

    /// Takes the first packet of `input` as the datagram it came in, timed by its arrival.
    private mutating func takeArrived(_ input: inout PacketBatch, context: inout StageContext) -> Bool {
        guard !held.isFull else { return false }
        let arrival = firstArrival == nil ? input[0].info.arrival : max(lastArrival, input[0].info.arrival)
        let origin = firstArrival ?? arrival
        firstArrival = origin
        lastArrival = arrival
        let isWhole =
            input[0].byteCount <= datagramByteCount && input[0].isUnique
            && input[0].headroomByteCount >= RTPHeader.fixedByteCount
        if isWhole {
            guard let packet = input.popFirst() else { return false }
            held.append(Held(packet: packet, position: position, since: context.now))
        } else {
            guard let packet = context.allocate() else { return false }
            held.append(Held(packet: packet, position: position, since: context.now))
            let count = min(input[0].byteCount, datagramByteCount)
            held[held.count - 1].packet.append(first: count, of: input[0])
            held[held.count - 1].packet.info.arrival = arrival
            input[0].removeFirst(count)
        }
        let last = held.count &- 1
        let count = held[last].packet.byteCount
        var offset = 0
        while offset &+ TSPacket.byteCount <= count {
            let end = offset &+ TSPacket.byteCount
            let finding = finder.examine(held[last].packet, from: offset, at: position &+ Int64(offset))
            if finder.isRandomAccess { held[last].packet.info.flags.insert(.isKeyframe) }
            if finding != .none { held[last].packet.info.flags.insert(.hasClockReference) }
            offset = end
        }
        position &+= Int64(count)
        held[last].packet.info.mediaTime = MediaTime(ticks: 0).advanced(by: arrival - origin)
        timedCount &+= 1
        if !isWhole, input[0].byteCount == 0 { _ = input.popFirst() }
        return true
    }
}

extension Packet {
    /// Appends the first `byteCount` bytes of `other`.
    mutating func append(first byteCount: Int, of other: borrowing Packet) {
        append(other.bytes.extracting(0..<byteCount))
    }
}

extension ClockFinder {
    /// Looks at the 188 bytes of `packet` from `offset` on, which stand at `position` in the stream.
    @inline(__always)
    mutating func examine(_ packet: borrowing Packet, from offset: Int, at position: Int64) -> Finding {
        examine(packet.bytes.extracting(offset..<(offset &+ TSPacket.byteCount)), at: position)
    }
}
