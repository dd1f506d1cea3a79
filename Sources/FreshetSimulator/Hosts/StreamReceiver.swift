import FreshetCore
import FreshetOverlay
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
    private var repair: ReceiverRepair
    /// From the extender's numbers to the source's: a multiple of 65,536, as heartbeats tell it.
    private var base: Int64?
    private let flaw: HostPlan.Flaw
    /// Packets in order right behind all that the reorder stage holds: they leave it after those, and need not enter.
    private var waiting: PacketRun?

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
            latency: flaw == .deadline ? scenario.latency * 2 : scenario.latency, capacity: heldLimit)
        repair = ReceiverRepair(blueprint, host: host, life: life)
    }

    /// How the receiver stands.
    mutating func standing() -> HostStanding {
        let order = reorder.standing()
        let asking = repair.standing()
        // A repair that came before its loss was noticed has played, and yet is missing to the node, which the next packet
        // tells it.
        let isAhead = asking.newest.map { $0 < (extender.highest ?? 0) + (base ?? 0) } ?? false
        // Behind a gap, and at the beginning, packets wait for each other, and the deadline is the first one's.
        return HostStanding(
            deadline: earliest(order.nextDeadline, asking.nextDeadline),
            isQuiet: !isAhead && (asking.isWaiting || asking.isQuiet), answerer: asking.answerer)
    }

    /// A media packet came.
    mutating func receive(_ packet: consuming Packet, from peer: Int32, _ line: inout HostLine) {
        guard let header = RTPHeader(parsing: packet.bytes), header.sourceSSRC == blueprint.ssrc else {
            return
        }
        guard let number = MediaPacket.number(of: packet.bytes) else { return }
        let isRepair = mark.read(header.ssrc)
        // As an address tells: a source on the own segment is no neighbour.
        let isLocal = line.isFromOwnSegment && PeerNumber.node(peer) != blueprint.source
        line.checkers.saw(number, at: host, isRepair: isRepair, isLocal: isLocal)
        if flaw == .order { line.checkers.deliver(number, at: host) }
        let raw = extender.extend(header.sequenceNumber)
        let base = base ?? ((number - raw) >> 16) << 16
        self.base = base
        let sequence = raw + base
        packet.info.arrival = line.now
        packet.info.extendedSequence = sequence
        packet.info.ssrc = header.sourceSSRC
        packet.info.rtpTimestamp = header.timestamp
        packet.info.headerByteCount = UInt16(header.headerByteCount)
        packet.info.flags = isRepair ? [.hasSequence, .isRetransmission] : [.hasSequence]
        let isWanted = repair.note(packet, isRepair: isRepair, isLocal: isLocal, now: line.now)
        if isWanted, !isWaiting(number, isRepair: isRepair, &line) { line.input.append(packet) }
        play(&line)
        ask(&line)
    }

    /// Runs the reorder stage until it has nothing more to give.
    private mutating func play(_ line: inout HostLine) {
        sort(&line)
        if waiting != nil { release(&line) }
        noteHeld(&line)
    }

    private mutating func noteHeld(_ line: inout HostLine) {
        let count = reorder.standing().heldCount + (waiting?.count ?? 0)
        line.checkers.holds(count, at: host, limit: heldLimit)
    }

    private mutating func sort(_ line: inout HostLine) {
        line.stage.now = line.now
        repeat {
            try? reorder.process(&line.input, into: &line.output, context: &line.stage)
            deliver(&line)
        } while !line.input.isEmpty
    }

    // MARK: Packets that wait outside the stage

    /// True when packet `number` waits, or is to wait now, behind those that the stage holds.
    private mutating func isWaiting(_ number: Int64, isRepair: Bool, _ line: inout HostLine) -> Bool {
        guard let run = waiting else { return false }
        if number <= run.last { return number >= run.first }
        if number == run.last + 1, !isRepair {
            waiting?.count += 1
            return true
        }
        enter(&line)
        return false
    }

    /// The gaps before the packets that wait may be filled or given up: then they go to the player.
    private mutating func release(_ line: inout HostLine) {
        let prospect = reorder.standing().prospect
        if prospect == .wait { return }
        guard prospect == .pass, let run = waiting else { return enter(&line) }
        waiting = nil
        reorder.passRun(through: run.last, count: run.count, lastArrival: run.arrival(of: run.last))
        line.checkers.waited(line.now - run.arrival(of: run.first), at: host)
        line.checkers.passed(run.first, count: run.count, at: host)
    }

    /// The packets that wait enter the stage after all.
    private mutating func enter(_ line: inout HostLine) {
        guard let run = waiting else { return }
        waiting = nil
        let now = line.now
        for number in run.first...run.last { enter(number, of: run, &line) }
        line.now = now
    }

    private mutating func enter(_ number: Int64, of run: PacketRun, _ line: inout HostLine) {
        guard let packet = run.copy(of: number, line) else { return }
        line.now = run.arrival(of: number)
        packet.info.arrival = line.now
        line.input.append(packet)
        sort(&line)
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
        let standing = repair.standing()
        let isDue = standing.nextDeadline.map { $0 <= line.now } ?? false
        if isDue { repair.advance(to: line.now) }
        if isDue || standing.hasWork { repair.drain(&line) }
    }

    /// A datagram of control came.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        let isSource = PeerNumber.node(peer) == blueprint.source
        repair.read(packet, from: peer, isLocal: line.isFromOwnSegment, isFromSource: isSource, now: line.now)
        if isSource, let highest = extender.highest, let base,
            var compound = CompoundPacket(parsing: packet.bytes, allowsReducedSize: true)
        {
            while let part = compound.next() {
                if let heartbeat = Heartbeat(part), heartbeat.packetCount > 0 {
                    // What overtook it on another path is not missing.
                    repair.noteHighest(max(heartbeat.highestSequence, highest + base), now: line.now)
                }
            }
        }
        repair.drain(&line)
    }

    mutating func advance(_ line: inout HostLine) {
        play(&line)
        repair.advance(to: line.now)
        repair.drain(&line)
    }

    /// Looks at what a request concerns.
    mutating func glance(at request: HeardRequest) -> Bool { repair.glance(at: request) }

    /// Packets came in order, and datagrams passed that change nothing here but what neighbours are answered.
    mutating func catchUp(_ slept: Slept, _ line: inout HostLine) {
        var next = slept.run.first
        for index in slept.passed {
            let note = slept.passings.pointee.note(index)
            let now = slept.run.clock.reading(at: note.time)
            if case .repair(let number) = note.content {
                repair.passRepair(number, now)
                line.checkers.sawAgain()
                continue
            }
            if next <= note.newest {
                passRun(slept.run.part(next, through: note.newest), &line)
                next = note.newest + 1
            }
            switch note.content {
            case .repair: break
            case .request(let request): repair.hear(request, now: now)
            case .control(let peer, let isLocal):
                let isFromSource = PeerNumber.node(peer) == blueprint.source
                slept.passings.pointee.withDatagram(index) {
                    repair.read($0, from: peer, isLocal: isLocal, isFromSource: isFromSource, now: now)
                }
            }
        }
        if next <= slept.run.last { passRun(slept.run.part(next, through: slept.run.last), &line) }
    }

    /// Many packets came in order, while nothing was missing or behind a gap.
    private mutating func passRun(_ run: PacketRun, _ line: inout HostLine) {
        guard waiting == nil, reorder.standing().prospect == .pass, repair.standing().isQuiet else {
            return passSingly(run, &line)
        }
        _ = extender.extend(UInt16(truncatingIfNeeded: run.last))
        reorder.passRun(through: run.last, count: run.count, lastArrival: run.arrival(of: run.last))
        repair.passRun(run)
        line.checkers.passed(run.first, count: run.count, at: host)
    }

    // Behind a gap, or at the beginning: the packets wait for order, each from its own arrival on.
    private mutating func passSingly(_ run: PacketRun, _ line: inout HostLine) {
        guard let base, repair.takesRuns, flaw == .none else {
            for number in run.first...run.last {
                line.now = run.arrival(of: number)
                if let packet = run.copy(of: number, line) { receive(packet, from: 0, &line) }
            }
            return
        }
        if waiting != nil {
            waiting?.count += run.count
        } else {
            waiting = run
            if reorder.standing().prospect != .wait { enter(&line) }
        }
        noteHeld(&line)
        let last = extender.extend(UInt16(truncatingIfNeeded: run.last)) + base
        precondition(last == run.last)
        repair.passRun(run)
        line.checkers.sawRun(run.last, at: host)
    }

    mutating func finish(_ line: inout HostLine) {
        enter(&line)
        line.stage.now = line.now
        _ = try? reorder.finish(into: &line.output, context: &line.stage)
        deliver(&line)
    }
}
