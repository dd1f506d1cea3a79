internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// The working part of both receiving stages: reads datagrams into packets, keeps one source, notices silence
/// and the end. One call a batch.
///
/// A stream that comes by several paths is one stream: every packet of every path goes down the line, and the
/// buffer behind keeps the first copy of each (SMPTE ST 2022-7).
final class StreamReceiver {
    /// Silence after which a person is told.
    private static let silenceNotice = Nanoseconds.seconds(1)
    /// Between two attempts to join again while nothing comes: a switch may have forgotten us, an interface
    /// may be back.
    private static let rejoinInterval = Nanoseconds.seconds(3)

    /// Between the arrival times that two sockets give to datagrams of one moment.
    private static let stampTolerance = Nanoseconds.milliseconds(1)
    /// How soon silence and the end are looked at again while something waits to be read.
    private static let postponement = Nanoseconds.milliseconds(5)

    /// The most system calls of one turn that receive from one socket.
    private static let callLimit = 16

    private let options: ReceiveOptions
    private let isRTP: Bool
    private let paths: [ReceivingPath]
    /// `nil` when nothing is ever asked for.
    private let repair: ReceiverRepair?
    /// With several paths, tells which can be read.
    // Unchecked exclusivity here and below: a receiver belongs to one stage on one thread.
    @exclusivity(unchecked) private var mediaPoller: Poller?
    @exclusivity(unchecked) private var controlPoller: Poller
    private let monitor: InterfaceMonitor
    /// Hears parity beside the stream; `nil` when that is not wanted.
    private let parity: FECReceiver?
    /// The source, once there is one.
    @exclusivity(unchecked) private var ssrc: UInt32 = 0
    /// Counts the sources; the first is 0.
    @exclusivity(unchecked) private var epoch: UInt32 = 0
    @exclusivity(unchecked) private var hasSource = false
    @exclusivity(unchecked) private var sequence = SequenceExtender()
    @exclusivity(unchecked) private var retransmissionMark = RetransmissionMark()
    @exclusivity(unchecked) private var ending = StreamEnding()
    @exclusivity(unchecked) private var receivedInEpoch = 0
    /// Nothing came twice or behind a later one in this epoch.
    @exclusivity(unchecked) private var isInOrder = true
    @exclusivity(unchecked) private var epochStart = Instant.zero
    @exclusivity(unchecked) private var lastArrival: Instant
    @exclusivity(unchecked) private var hasReportedSilence = false
    @exclusivity(unchecked) private var rejoinDeadline: Instant
    @exclusivity(unchecked) private var readDeadline = Instant.zero
    /// Nothing is judged before: there was more to read than there was room for.
    @exclusivity(unchecked) private var postponed = Instant.zero

    /// Opens the sockets.
    init(_ options: ReceiveOptions, context: inout StageContext) throws(StageError) {
        self.options = options
        isRTP = options.urls[0].scheme != .udp
        lastArrival = context.now
        rejoinDeadline = context.now + StreamReceiver.rejoinInterval
        var paths: [ReceivingPath] = []
        for url in options.urls { paths.append(try ReceivingPath(url, options, context: &context)) }
        self.paths = paths
        parity = FECReceiver(options.urls, options.fec, options, context: &context)
        repair = StreamReceiver.repair(options, context: &context)
        do {
            controlPoller = try Poller()
            monitor = try InterfaceMonitor()
            try controlPoller.add(monitor.number, tag: UInt64(paths.count))
            for (index, path) in paths.enumerated() {
                guard let control = path.control else { continue }
                try controlPoller.add(control.number, tag: UInt64(index))
            }
            for member in paths.compactMap(\.member) {
                for number in member.descriptors {
                    try controlPoller.add(number, tag: UInt64(paths.count + 2))
                }
            }
            for number in parity?.numbers ?? [] {
                try controlPoller.add(number, tag: UInt64(paths.count + 1))
            }
            mediaPoller = nil
            if paths.count > 1 {
                let poller = try Poller()
                for (index, path) in paths.enumerated() {
                    try poller.add(path.media.socket.number, tag: UInt64(index), onEdge: true)
                }
                mediaPoller = consume poller
            }
        } catch { throw .failure(error.message) }
    }

    private static func repair(_ options: ReceiveOptions, context: inout StageContext) -> ReceiverRepair? {
        guard options.hasControl, options.repair != .off, options.urls[0].scheme != .udp else { return nil }
        // Members of a group ask each other; see GroupMember.
        if options.urls.allSatisfy({ $0.scheme == .rtp && $0.address.isMulticast }) { return nil }
        let mode = options.urls.contains { $0.scheme == .rist } ? .on : options.repair
        return ReceiverRepair(
            mode, options, takesParity: options.fec != .off, random: &context.random)
    }

    /// What becomes readable with media; -1 when it is read at intervals.
    var pollDescriptor: Int32 {
        if options.batch != .zero { return -1 }
        return mediaPoller?.number ?? paths[0].media.socket.number
    }
    /// Reports and changes of the network.
    var controlDescriptor: Int32 { controlPoller.number }

    // MARK: Media

    /// Reads what has come, as far as there is room for it.
    func process(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        if options.batch != .zero && context.now >= readDeadline {
            readDeadline = context.now + options.batch
            context.isReadable = true
        }
        if context.isReadable { findReadable() }
        var isDrained = true
        var isReadable = false
        for path in paths {
            read(path, into: &output, context: &context)
            if !path.reader.isDrained { isDrained = false }
            if path.isReadable { isReadable = true }
        }
        context.isReadable = isReadable
        // After the media: what is said of a source is heard once the source is known.
        if context.isControlReadable { readControl(context: &context) }
        if let parity, parity.hasRecovered { give(from: parity, into: &output, context: &context) }
        repair?.run(paths, context: &context)
        for path in paths { path.member?.run(context: &context) }
        if isDrained && !isReadable {
            settle(context: &context)
        } else {
            // What still waits in a socket may belong to the stream: neither silence nor the end yet.
            postponed = context.now + StreamReceiver.postponement
        }
    }

    /// Marks the paths that have something to read.
    private func findReadable() {
        guard options.batch == .zero, mediaPoller != nil else {
            for path in paths { path.isReadable = true }
            return
        }
        let count = (try? mediaPoller?.wait(until: .zero)) ?? 0
        for index in 0..<count {
            guard let tag = mediaPoller?[index].tag else { continue }
            paths[Int(tag)].isReadable = true
        }
    }

    private func read(
        _ path: ReceivingPath, into output: inout PacketBatch, context: inout StageContext
    ) {
        var callsLeft = StreamReceiver.callLimit
        while !output.isFull {
            if path.reader.isDrained {
                // A flood that is all dropped must not keep the loop here for ever.
                callsLeft -= 1
                guard callsLeft >= 0, path.isReadable,
                    path.receive(limit: output.freeCount, context: &context)
                else { return }
            }
            guard let packet = path.reader.next(pool: context.pool) else {
                if path.reader.isDrained { continue }
                context.counters.add(.poolExhausted)
                path.isReadable = true
                return
            }
            take(packet, path, into: &output, context: &context)
        }
    }

    @inline(__always)
    private func take(
        _ packet: consuming Packet, _ path: ReceivingPath, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        let lost = path.reader.takeOverflowCount()
        if lost > 0 { context.counters.add(.kernelDrops, lost) }
        if path.reader.isForOthers { return context.drop(packet, .foreign) }
        if path.reader.isOversized { return context.drop(packet, .oversized) }
        if packet.byteCount == 0 { return context.drop(packet, .malformed) }
        let arrival = path.reader.arrival(now: context.now)
        packet.info.arrival = arrival
        if isRTP {
            takeRTP(packet, path, arrival, into: &output, context: &context)
        } else {
            takeBare(packet, path, arrival, into: &output, context: &context)
        }
    }

    @inline(__always)
    private func takeRTP(
        _ packet: consuming Packet, _ path: ReceivingPath, _ arrival: Instant, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        guard let header = RTPHeader(parsing: packet.bytes), header.payloadByteCount > 0 else {
            return context.drop(packet, .malformed)
        }
        let ssrc = header.sourceSSRC
        let sender = path.reader.sender
        if header.payloadType == RLCRepairHeader.payloadType, sender == path.selector.sender {
            return takeAnswer(packet, context: &context)
        }
        var flags: PacketFlags = .hasSequence
        if let member = path.member, isNeighboursRepair(member, path, sender, header) {
            guard member.noteNeighboursRepair(header.sequenceNumber, now: context.now) else {
                return context.drop(packet, .duplicate)
            }
            flags.insert(.isFromNeighbour)
        } else if !path.selector.isChosen(sender, ssrc, arrival) {
            let isValid =
                (header.payloadType == RTPHeader.transportStreamPayloadType || header.payloadType >= 96)
                && isStream(packet, header.headerByteCount, header.payloadByteCount)
                && isFree(for: ssrc, path, arrival)
            let verdict = path.selector.judge(sender, ssrc, arrival, isValid: isValid)
            guard verdict == .newSource else {
                return refuse(packet, verdict, path, sender, context: &context)
            }
            if begin(sender, ssrc, arrival, context: &context) { flags.insert(.isDiscontinuity) }
        }
        if header.marker { flags.insert(.hasMarker) }
        if retransmissionMark.read(header.ssrc) {
            flags.insert(.isRetransmission)
            // Whoever gets it from here gets the packet, not the history of its way.
            packet.modify { RTPHeader.markRetransmission(false, in: &$0) }
        }
        let former = sequence.highest
        let extended = sequence.extend(header.sequenceNumber)
        if let former, extended <= former {
            isInOrder = false
            if paths.count > 1 { flags.insert(.isFromSecondPath) }
        }
        packet.info.extendedSequence = extended
        packet.info.ssrc = ssrc
        packet.info.epoch = epoch
        packet.info.rtpTimestamp = header.timestamp
        packet.info.headerByteCount = UInt16(truncatingIfNeeded: header.headerByteCount)
        packet.info.flags = flags
        if options.hasAutomaticLatency { packet.info.latencyMilliseconds = latencyMilliseconds }
        path.lastArrival = max(path.lastArrival, arrival)
        if let parity { parity.note(packet) }
        if let member = path.member {
            member.note(packet, now: context.now)
        } else if let repair {
            repair.note(packet.info, byteCount: packet.byteCount)
        }
        give(packet, arrival, payloadByteCount: header.payloadByteCount, into: &output, context: &context)
    }

    @inline(__always)
    private func takeBare(
        _ packet: consuming Packet, _ path: ReceivingPath, _ arrival: Instant, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        let sender = path.reader.sender
        if !path.selector.isChosen(sender, 0, arrival) {
            let verdict = path.selector.judge(
                sender, 0, arrival, isValid: isStream(packet, 0, packet.byteCount))
            guard verdict == .newSource else {
                return refuse(packet, verdict, path, sender, context: &context)
            }
            if begin(sender, 0, arrival, context: &context) { packet.info.flags.insert(.isDiscontinuity) }
        }
        packet.info.epoch = epoch
        let byteCount = packet.byteCount
        give(packet, arrival, payloadByteCount: byteCount, into: &output, context: &context)
    }

    @inline(__always)
    private func give(
        _ packet: consuming Packet, _ arrival: Instant, payloadByteCount: Int, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        receivedInEpoch &+= 1
        context.counters.add(.received)
        context.counters.add(.bytesIn, payloadByteCount)
        lastArrival = max(lastArrival, arrival)
        if hasReportedSilence { resume(context: &context) }
        output.append(packet)
    }

    /// Gives the packets that parity gave back, as far as there is room; the buffer behind puts them in their
    /// places.
    private func give(from parity: FECReceiver, into output: inout PacketBatch, context: inout StageContext) {
        while !output.isFull, parity.hasRecovered, var packet = context.allocate() {
            guard parity.next(into: &packet) else { return }
            packet.info.arrival = context.now
            packet.info.epoch = epoch
            if options.hasAutomaticLatency { packet.info.latencyMilliseconds = latencyMilliseconds }
            _ = sequence.extend(UInt16(truncatingIfNeeded: packet.info.extendedSequence))
            isInOrder = false
            repair?.noteFilled(packet.info.extendedSequence, arrival: context.now)
            for path in paths { path.member?.note(packet, now: context.now) }
            output.append(packet)
        }
    }

    /// True when the payload is transport stream packets from end to end: what a source must show to be
    /// chosen.
    private func isStream(_ packet: borrowing Packet, _ start: Int, _ byteCount: Int) -> Bool {
        guard byteCount > 0, byteCount % TSPacket.byteCount == 0 else { return false }
        let bytes = packet.bytes
        var offset = start
        while offset < start &+ byteCount {
            if bytes.uint8(at: offset) != TSPacket.syncByte { return false }
            offset &+= TSPacket.byteCount
        }
        return true
    }

    /// Parity that the source sent in answer to a request.
    @inline(never)
    private func takeAnswer(_ packet: borrowing Packet, context: inout StageContext) {
        guard let parity, repair?.isActive ?? false else { return context.counters.add(.foreign) }
        context.counters.add(.parityIn)
        parity.take(packet.bytes, context: &context)
    }

    /// True for a packet of the stream that another member of the group sends again: only its SSRC says so.
    @inline(__always)
    private func isNeighboursRepair(
        _ member: GroupMember, _ path: ReceivingPath, _ sender: SocketAddress, _ header: RTPHeader
    ) -> Bool {
        header.ssrc & 1 != 0 && member.isActive && hasSource && header.sourceSSRC == ssrc
            && sender != path.selector.sender
    }

    /// With several paths, another source is followed only when the one there is has fallen silent on all others.
    private func isFree(for ssrc: UInt32, _ path: ReceivingPath, _ arrival: Instant) -> Bool {
        if ssrc == self.ssrc || !hasSource { return true }
        return !paths.contains {
            $0 !== path && $0.selector.sender != nil
                && arrival - $0.lastArrival <= SourceSelector.silenceCeiling
        }
    }

    private func refuse(
        _ packet: consuming Packet, _ verdict: SourceSelector.Verdict, _ path: ReceivingPath,
        _ sender: SocketAddress, context: inout StageContext
    ) {
        if case .foreign(isNews: true) = verdict {
            context.report(.secondSource(description: sender.description))
        }
        context.drop(packet, path.selector.sender == nil ? .malformed : .foreign)
    }

    /// A source was chosen on a path; true when it replaces another.
    private func begin(
        _ sender: SocketAddress, _ ssrc: UInt32, _ arrival: Instant, context: inout StageContext
    ) -> Bool {
        // The stream that there is comes by one more path.
        if paths.count > 1 && hasSource && ssrc == self.ssrc { return false }
        let isReplacement = hasSource
        epochStart = arrival
        if isReplacement {
            countTail(context: &context)
            epoch &+= 1
        }
        hasSource = true
        self.ssrc = ssrc
        sequence.reset()
        retransmissionMark = RetransmissionMark()
        ending.reset()
        repair?.restart()
        for path in paths { path.member?.restart(ssrc: ssrc) }
        receivedInEpoch = 0
        isInOrder = paths.count == 1
        context.counters.add(.sourceChanges)
        context.report(.sourceChanged(description: sender.description))
        return isReplacement
    }

    // MARK: Control

    private func readControl(context: inout StageContext) {
        context.isControlReadable = false
        if monitor.drain() { for path in paths { path.confirm() } }
        if let parity, !parity.read(context: &context, isChosen: { paths[$0].selector.isChosenHost($1) }) {
            context.isControlReadable = true
        }
        for path in paths {
            guard let control = path.control else { continue }
            path.takeEarly { take($0, from: $1, arrival: $2, path, context: &context) }
            let isDrained =
                path.selector.sender == nil
                ? readEarly(path, context: &context)
                : control.read(limit: StreamReceiver.callLimit, context: &context) {
                    take($0, from: $1, arrival: $2, path, context: &$3)
                }
            let isQuiet = path.member?.hear(limit: StreamReceiver.callLimit, context: &context) ?? true
            if !isDrained || !isQuiet { context.isControlReadable = true }
        }
    }

    /// Before a source is chosen its reports wait in the socket: they may be all that it still says. On `rist://` they
    /// are answered, once there is no media to read before.
    private func readEarly(_ path: ReceivingPath, context: inout StageContext) -> Bool {
        guard let repair, path.answersGreetings, !path.isReadable, path.reader.isDrained else { return false }
        return path.readEarly(limit: StreamReceiver.callLimit, context: &context) {
            repair.greet($0.bytes, at: $2, from: $1)
        }
    }

    /// Reads a control datagram that came by `path`.
    private func take(
        _ packet: borrowing Packet, from sender: SocketAddress, arrival: Instant, _ path: ReceivingPath,
        context: inout StageContext
    ) {
        let isSource = path.selector.isChosenHost(sender)
        path.member?.read(packet.bytes, from: sender, isSource: isSource, ssrc: ssrc, now: context.now)
        // Whoever cannot send from the source's own address cannot end the stream; nor can what was said before
        // it began.
        guard isSource, arrival >= epochStart - StreamReceiver.stampTolerance else { return }
        path.sourceControl = sender
        let isRepaired = (repair?.isActive ?? false) || (path.member?.isActive ?? false)
        ending.read(
            packet.bytes, ssrc: isRTP ? ssrc : nil,
            repairLatency: isRepaired ? repair?.latency ?? options.latency : .zero, now: context.now)
        repair?.read(packet.bytes, ssrc: ssrc, now: context.now)
    }

    /// What packets say of how long to wait, in milliseconds.
    private var latencyMilliseconds: UInt16 {
        UInt16(clamping: ((repair?.latency ?? options.latency).count + 999_999) / 1_000_000)
    }

    private func rejoin(context: inout StageContext) {
        rejoinDeadline = context.now + StreamReceiver.rejoinInterval
        for path in paths { path.rejoin() }
        parity?.rejoin()
    }

    // MARK: Time

    /// Something is due: what has come until now must be read before it is judged.
    func advance(context: inout StageContext) {
        if options.batch != .zero { context.isReadable = true }
    }

    /// With everything read: notices silence, joins again, ends.
    private func settle(context: inout StageContext) {
        let silence = context.now - lastArrival
        if silence >= StreamReceiver.silenceNotice && !hasReportedSilence {
            hasReportedSilence = true
            context.report(.silent(silence))
        }
        if silence >= StreamReceiver.rejoinInterval && context.now >= rejoinDeadline {
            rejoin(context: &context)
        }
        if options.timeout > .zero && silence >= options.timeout && !context.isSourceFinished {
            context.report(
                .notice("nothing has come for \(options.timeout.count / 1_000_000) ms: this is the end"))
            countTail(context: &context)
            context.finishSource()
        }
        if !isRTP { ending.disbelieve(after: lastArrival) }
        if ending.isOver(
            received: receivedInEpoch, highest: sequence.highest, isInOrder: isInOrder,
            isWhole: repair?.isWhole ?? false, now: context.now)
        {
            finish(context: &context)
        }
    }

    private func resume(context: inout StageContext) {
        hasReportedSilence = false
        context.report(.resumed)
    }

    private func finish(context: inout StageContext) {
        if context.isSourceFinished { return }
        countTail(context: &context)
        context.report(.endOfStream)
        context.finishSource()
    }

    private func countTail(context: inout StageContext) {
        guard let highest = sequence.highest else { return }
        context.counters.add(.lost, ending.lostTail(after: highest))
    }

    /// When silence, the end or the next reading is due.
    var nextDeadline: Instant? {
        var deadline: Instant? = nil
        if !hasReportedSilence { deadline = lastArrival + StreamReceiver.silenceNotice }
        deadline = earliest(deadline, max(rejoinDeadline, lastArrival + StreamReceiver.rejoinInterval))
        if options.timeout > .zero { deadline = earliest(deadline, lastArrival + options.timeout) }
        if options.batch != .zero { deadline = earliest(deadline, readDeadline) }
        for path in paths { deadline = earliest(deadline, path.member?.deadline) }
        return earliest(
            repair?.deadline, earliest(deadline, ending.deadline).map { max($0, postponed) })
    }
}
