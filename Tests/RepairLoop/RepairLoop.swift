internal import FreshetCoding
public import FreshetCore
public import FreshetOverlay
public import FreshetStages
internal import FreshetWire

/// One stream over one link and back, with repair at both ends, in virtual time: same seed, same result.
///
/// What counts as delivered is decided here and not by the node under test: a packet must come, by whatever way, within
/// the latency after the first arrival of a packet behind it.
public struct RepairLoop: ~Copyable {
    /// What is run.
    public struct Scenario: Sendable {
        /// The round trip; each way takes half.
        public var roundTrip = Nanoseconds.milliseconds(50)
        /// The latency, as receivers know it.
        public var latency = Nanoseconds.milliseconds(200)
        /// What the links do beside delaying; both the same.
        public var link = LinkModel.Configuration()
        /// Media packets a second.
        public var rate: Int64 = 760
        /// How many media packets.
        public var packets = 100_000
        /// All chance.
        public var seed: UInt64 = 1
        /// The source shows heartbeats, so Freshet's requests are used; else RIST's.
        public var isFreshet = true
        /// RIST's range form.
        public var usesRanges = false
        /// Parity may answer where it serves better.
        public var hasParity = false
        /// Percent of media bytes that may be spent on repairs.
        public var budgetPercent = 100

        /// A good link.
        public init() {}
    }

    /// What came of it.
    public struct Outcome: Sendable {
        /// Media packets judged.
        public var packets = 0
        /// Of these, lost on the way at first.
        public var missed = 0
        /// Not there in time.
        public var lost = 0
        /// Repairs sent.
        public var repairs = 0
        /// Parity packets sent.
        public var parity = 0
        /// Datagrams of control from the receiver, and their bytes.
        public var controls = 0
        /// Bytes of control from the receiver.
        public var controlBytes = 0
        /// What the receiver counted.
        public var receiver = RepairReceiver.Statistics()
        /// What the sender counted.
        public var sender = RepairSender.Statistics()
        /// The measured round trip.
        public var roundTrip: Nanoseconds?
        /// First number of the first lost packets, for looking closer.
        public var lostAt: [Int64] = []

        /// Lost packets in a million.
        public var lossPerMillion: Double { Double(lost) * 1e6 / Double(max(packets, 1)) }
        /// Repair packets in percent of media packets.
        public var repairPercent: Double { Double(repairs + parity) * 100 / Double(max(packets, 1)) }
    }

    struct Event {
        var at: Instant
        var order: UInt64
        var kind: Kind
        var sequence: Int64

        enum Kind { case media, repair, parity, toReceiver, toSender }
    }

    /// A decoder in a place of its own: an optional one of the loop would be copied at each call.
    final class Decoding {
        @exclusivity(unchecked) var decoder = RLCDecoder(
            window: RLCDecoder.usualWindow, symbolByteCount: 66)
    }

    let scenario: Scenario
    var now = Instant(nanoseconds: 1_000_000_000)
    var forward: LinkModel
    var backward: LinkModel
    var sender: RepairSender
    var receiver: RepairReceiver
    let pool: PacketPool
    var events = EventHeap()
    var datagrams: [Int64: [UInt8]] = [:]
    var nextDatagram: Int64 = 0
    var nextSequence: Int64 = 60_000
    let firstSequence: Int64 = 60_000
    var nextMedia: Instant
    var nextHeartbeat: Instant
    var judge: Judge
    let decoding: Decoding?
    var parityBytes: [Int64: [UInt8]] = [:]
    var outcome = Outcome()
    static let ssrc: UInt32 = 0x1234_5678

    /// A loop that has not begun.
    public init(_ scenario: Scenario) {
        self.scenario = scenario
        var link = scenario.link
        link.delay = scenario.roundTrip / 2
        let random = PRNG(seed: scenario.seed)
        forward = LinkModel(link, seed: scenario.seed &* 4 &+ 1)
        backward = LinkModel(link, seed: scenario.seed &* 4 &+ 2)
        pool = PacketPool(slotCount: 20_000, slotByteCount: 128, headroomByteCount: 0)
        var sending = RepairSender.Configuration(name: CanonicalName("sender"))
        sending.budgetPercent = scenario.budgetPercent
        sending.budgetFloor = 64 * 60
        sending.makesParity = scenario.hasParity
        sending.parityPacketByteCount = 64
        decoding = scenario.hasParity ? Decoding() : nil
        sender = RepairSender(sending, random: random.split(by: 1))
        var receiving = RepairReceiver.Configuration(
            latency: scenario.latency, ssrc: 99, name: CanonicalName("receiver"))
        receiving.usesRanges = scenario.usesRanges
        receiving.takesParity = scenario.hasParity
        receiver = RepairReceiver(receiving, random: random.split(by: 2))
        nextMedia = now
        nextHeartbeat = now
        judge = Judge(first: firstSequence, latency: scenario.latency)
    }

    /// Runs to the end.
    public static func run(_ scenario: Scenario) -> Outcome {
        var loop = RepairLoop(scenario)
        return loop.run()
    }

    mutating func run() -> Outcome {
        let last = firstSequence + Int64(scenario.packets)
        var end = Instant.distantFuture
        while now < end {
            if nextSequence < last {
                if now >= nextMedia { sendMedia() }
            } else if end == .distantFuture {
                end = now + scenario.latency + scenario.roundTrip * 4 + .seconds(1)
                nextMedia = .distantFuture
            }
            if now >= nextHeartbeat { sendHeartbeat() }
            deliver()
            drainReceiver()
            drainSender()
            now = max(now + Nanoseconds(1), nextInstant(end))
        }
        return finish()
    }

    private func nextInstant(_ end: Instant) -> Instant {
        var next = min(nextMedia, nextHeartbeat)
        if let event = events.first { next = min(next, event.at) }
        if let deadline = receiver.nextDeadline { next = min(next, deadline) }
        if let deadline = sender.nextDeadline { next = min(next, deadline) }
        return min(next, end)
    }

    private mutating func finish() -> Outcome {
        judge.finish(last: nextSequence - 1)
        outcome.packets = scenario.packets
        outcome.missed = judge.missed
        outcome.lost = judge.lost
        outcome.lostAt = judge.lostAt
        outcome.receiver = receiver.statistics
        outcome.sender = sender.statistics
        outcome.roundTrip = receiver.roundTrip.smoothed
        sender.reset()
        return outcome
    }

    private mutating func sendMedia() {
        let sequence = nextSequence
        let packet = media(sequence)
        sender.note(packet, now: now)
        nextSequence += 1
        nextMedia = nextMedia + Nanoseconds(1_000_000_000 / scenario.rate)
        pass(.media, sequence)
    }

    private mutating func pass(_ kind: Event.Kind, _ sequence: Int64) {
        if case .delivered(let departure, let copy, _) = forward.decide(now: now, byteCount: 1356) {
            events.push(departure, kind, sequence)
            if let copy { events.push(copy, kind, sequence) }
        }
    }

    private mutating func sendHeartbeat() {
        nextHeartbeat =
            nextSequence < firstSequence + Int64(scenario.packets) ? now + .milliseconds(500) : .distantFuture
        if !scenario.isFreshet { return }
        var bytes = [UInt8](repeating: 0, count: 256)
        var length = 0
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            var writer = CompoundWriter(&raw)
            writer.writeReceiverReport(ssrc: RepairLoop.ssrc)
            writer.write(
                Heartbeat(
                    ssrc: RepairLoop.ssrc, highestSequence: nextSequence - 1,
                    packetCount: UInt64(nextSequence - firstSequence)))
            length = writer.byteCount
        }
        send(Array(bytes.prefix(length)), .toReceiver)
    }

    private mutating func send(_ bytes: [UInt8], _ kind: Event.Kind) {
        let verdict =
            kind == .toReceiver
            ? forward.decide(now: now, byteCount: bytes.count)
            : backward.decide(now: now, byteCount: bytes.count)
        guard case .delivered(let departure, _, _) = verdict else { return }
        datagrams[nextDatagram] = bytes
        events.push(departure, kind, nextDatagram)
        nextDatagram += 1
    }

    private mutating func deliver() {
        while let event = events.first, event.at <= now {
            events.removeFirst()
            handle(event)
        }
    }

    private mutating func handle(_ event: Event) {
        switch event.kind {
        case .media, .repair:
            let isRepair = event.kind == .repair
            judge.note(event.sequence, isOriginal: !isRepair, now: now)
            receiver.note(
                sequence: event.sequence, isRetransmission: isRepair, mediaSSRC: RepairLoop.ssrc,
                byteCount: 1328,
                arrival: now)
            learn(event.sequence)
        case .parity: solve(event.sequence)
        case .toReceiver:
            if let bytes = datagrams.removeValue(forKey: event.sequence) {
                receiver.read(bytes.span.bytes, now: now)
            }
        case .toSender:
            if let bytes = datagrams.removeValue(forKey: event.sequence) {
                sender.read(bytes.span.bytes, from: Peer(1), now: now)
            }
        }
    }

    /// As the engine does: nobody is asked who has nothing to do.
    private mutating func drainReceiver() {
        guard let deadline = receiver.nextDeadline, deadline <= now else { return }
        receiver.advance(to: now)
        while let bytes = nextFromReceiver() {
            outcome.controls += 1
            outcome.controlBytes += bytes.count
            send(bytes, .toSender)
        }
    }

    private mutating func nextFromReceiver() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1400)
        var length: Int?
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            length = receiver.nextTransmit(into: &raw, now: now)
        }
        return length.map { Array(bytes.prefix($0)) }
    }

    private mutating func drainSender() {
        guard let deadline = sender.nextDeadline, deadline <= now else { return }
        sender.advance(to: now)
        while let repair = sender.nextRepair(pool: pool, now: now) {
            let info = repair.packet.info
            if repair.isParity {
                outcome.parity += 1
                parityBytes[nextDatagram] = copy(repair.packet.bytes)
                pass(.parity, nextDatagram)
                nextDatagram += 1
            } else {
                outcome.repairs += 1
                pass(.repair, info.extendedSequence)
            }
        }
        while let bytes = nextFromSender() { send(bytes, .toReceiver) }
    }

    private func copy(_ bytes: RawSpan) -> [UInt8] { (0..<bytes.byteCount).map { bytes.uint8(at: $0) } }

    private func media(_ sequence: Int64) -> Packet {
        guard var packet = pool.allocate() else { preconditionFailure("the pool of the loop is too small") }
        packet.append(byteCount: 60) { bytes in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: 0, ssrc: RepairLoop.ssrc,
                into: &bytes)
            bytes.write(UInt64(bitPattern: sequence &* 0x9E37_79B9), at: 20)
        }
        var info = PacketInfo()
        info.extendedSequence = sequence
        info.ssrc = RepairLoop.ssrc
        info.flags = [.hasSequence]
        info.headerByteCount = 12
        packet.info = info
        return packet
    }

    private mutating func learn(_ sequence: Int64) {
        guard let decoding else { return }
        let packet = media(sequence)
        decoding.decoder.addSource(packet)
        takeSolved()
    }

    private mutating func solve(_ index: Int64) {
        guard let bytes = parityBytes.removeValue(forKey: index) else { return }
        decoding?.decoder.addRepair(bytes.span.bytes.extracting(droppingFirst: 12))
        takeSolved()
    }

    private mutating func takeSolved() {
        guard let decoding else { return }
        while decoding.decoder.hasRecovered {
            guard var packet = pool.allocate() else { return }
            guard let sequence = decoding.decoder.nextRecovered(into: &packet) else { return }
            judge.note(sequence, isOriginal: false, now: now)
            receiver.noteFilled(sequence, arrival: now)
        }
    }

    private mutating func nextFromSender() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 256)
        var length: Int?
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            length = sender.nextTransmit(into: &raw, now: now)?.byteCount
        }
        guard let length else { return nil }
        if scenario.isFreshet { return Array(bytes.prefix(length)) }
        // A RIST sender: the heartbeat at the end is not there.
        return stripHeartbeat(Array(bytes.prefix(length)))
    }

    private func stripHeartbeat(_ bytes: [UInt8]) -> [UInt8] {
        guard var packets = CompoundPacket(parsing: bytes.span.bytes, allowsReducedSize: true) else {
            return bytes
        }
        var kept: [UInt8] = []
        while let packet = packets.next() {
            if Heartbeat(packet) != nil { continue }
            for index in 0..<packet.bytes.byteCount { kept.append(packet.bytes.uint8(at: index)) }
        }
        return kept
    }
}
