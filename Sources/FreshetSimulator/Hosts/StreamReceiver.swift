import FreshetCore
import FreshetStages
import FreshetWire

/// Plays the stream: what comes goes through the shipping reorder stage to the checkers, and what is missing
/// is asked for.
struct StreamReceiver: ~Copyable {
    private let blueprint: HostBlueprint
    private let host: Int32
    private let heldLimit: Int
    private var extender = SequenceExtender()
    private var mark = RetransmissionMark()
    private var reorder: ReorderStage
    private var repair: NaiveRepair
    private let isRepairing: Bool
    private let flaw: HostPlan.Flaw

    /// A receiver that begins now.
    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant) {
        self.blueprint = blueprint
        self.host = host
        let scenario = blueprint.scenario
        // Twice the latency's worth of packets, for those that come in one go after a stall.
        let perLatency = Int(scenario.latency.count / max(1, scenario.stream.interval.count))
        heldLimit = perLatency * 2 + 64
        flaw = blueprint.flaws[Int(host)]
        reorder = ReorderStage(
            latency: flaw == .deadline ? scenario.latency * 2 : scenario.latency, capacity: heldLimit * 2)
        isRepairing = scenario.repair.mode != .off
        repair = NaiveRepair(
            ssrc: blueprint.ssrc, roundTrip: blueprint.roundTrips[Int(host)], latency: scenario.latency)
    }

    var nextDeadline: Instant? { earliest(reorder.nextDeadline, isRepairing ? repair.nextDeadline : nil) }

    var isQuiet: Bool { reorder.isIdle && (!isRepairing || repair.isQuiet) }

    /// A media packet came.
    mutating func receive(_ packet: consuming Packet, from peer: Int32, _ line: inout HostLine) {
        guard let header = RTPHeader(parsing: packet.bytes), header.sourceSSRC == blueprint.ssrc else {
            return
        }
        let isRepair = mark.read(header.ssrc)
        if let number = MediaPacket.number(of: packet.bytes) {
            line.checkers.saw(number, at: host, isRepair: isRepair, isLocal: line.isFromOwnSegment)
            if flaw == .order { line.checkers.deliver(number, at: host) }
        }
        let sequence = extender.extend(header.sequenceNumber)
        packet.info.arrival = line.now
        packet.info.extendedSequence = sequence
        packet.info.ssrc = header.sourceSSRC
        packet.info.rtpTimestamp = header.timestamp
        packet.info.headerByteCount = UInt16(header.headerByteCount)
        packet.info.flags = isRepair ? [.hasSequence, .isRetransmission] : [.hasSequence]
        if isRepairing { repair.note(sequence, now: line.now) }
        line.input.append(packet)
        play(&line)
        ask(&line)
    }

    /// Runs the reorder stage until it has nothing more to give.
    private mutating func play(_ line: inout HostLine) {
        line.stage.now = line.now
        repeat {
            try? reorder.process(&line.input, into: &line.output, context: &line.stage)
            deliver(&line)
        } while !line.input.isEmpty
        line.checkers.holds(line.stage.counters[.queued], at: host, limit: heldLimit)
    }

    private mutating func deliver(_ line: inout HostLine) {
        while let packet = line.output.popFirst() {
            line.checkers.waited(line.now - packet.info.arrival, at: host)
            guard let number = MediaPacket.number(of: packet.bytes),
                UInt16(truncatingIfNeeded: number)
                    == UInt16(truncatingIfNeeded: packet.info.extendedSequence)
            else {
                line.checkers.wrongContent(packet.info.extendedSequence, at: host)
                continue
            }
            if flaw != .order { line.checkers.deliver(number, at: host) }
        }
    }

    private mutating func ask(_ line: inout HostLine) {
        guard isRepairing, let due = repair.nextDeadline, due <= line.now else { return }
        var packet = line.allocateControl()
        var byteCount = 0
        packet.append(byteCount: 512) { bytes in byteCount = repair.request(into: &bytes, now: line.now) }
        if byteCount == 0 { return }
        packet.removeLast(512 - byteCount)
        for _ in 1..<(flaw == .storm ? 40 : 1) {
            line.send(packet.share(), .control, to: .peer(PeerNumber.make(node: blueprint.source, path: 0)))
        }
        line.send(packet, .control, to: .peer(PeerNumber.make(node: blueprint.source, path: 0)))
    }

    /// A datagram of control came.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        guard var compound = CompoundPacket(parsing: packet.bytes, allowsReducedSize: true) else { return }
        while let part = compound.next() {
            guard let heartbeat = Heartbeat(part), isRepairing else { continue }
            // What was sent just before may still be on its way by a longer one.
            let highest = extender.highest ?? 0
            let sequence = extender.highest == nil ? nil : nearest(heartbeat.highestSequence, to: highest)
            if let sequence { repair.noteHighest(sequence, now: line.now) }
        }
        ask(&line)
    }

    private func nearest(_ number: Int64, to reference: Int64) -> Int64 {
        let difference = UInt16(truncatingIfNeeded: number) &- UInt16(truncatingIfNeeded: reference)
        return reference + Int64(Int16(bitPattern: difference))
    }

    mutating func advance(_ line: inout HostLine) {
        play(&line)
        ask(&line)
    }

    /// Many packets came in order while nothing was missing.
    mutating func passRun(_ run: PacketRun, _ line: inout HostLine) {
        let number = UInt16(truncatingIfNeeded: run.first + Int64(run.count) - 1)
        let last = extender.extend(number)
        reorder.passRun(through: last, count: run.count, lastArrival: run.lastArrival)
        if isRepairing { repair.passRun(through: last) }
        line.checkers.passed(run.first, count: run.count, at: host)
    }

    mutating func finish(_ line: inout HostLine) {
        line.stage.now = line.now
        _ = try? reorder.finish(into: &line.output, context: &line.stage)
        deliver(&line)
    }
}
