internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// The working part of both receiving stages: reads datagrams into packets, keeps one source, notices silence
/// and the end. One call a batch.
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

    /// The most system calls of one turn that receive media.
    private static let callLimit = 16

    private let options: ReceiveOptions
    private let isRTP: Bool
    // Unchecked exclusivity: a receiver belongs to one stage on one thread.
    @exclusivity(unchecked) private var media: ListeningSocket
    @exclusivity(unchecked) private var control: ListeningSocket?
    @exclusivity(unchecked) private var reader = DatagramReader(capacity: 32)
    @exclusivity(unchecked) private var controlReader = DatagramReader(capacity: 8)
    private let controlPoller: Poller
    private let monitor: InterfaceMonitor
    @exclusivity(unchecked) private var selector = SourceSelector()
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
        isRTP = options.url.scheme == .rtp
        lastArrival = context.now
        rejoinDeadline = context.now + StreamReceiver.rejoinInterval
        do {
            media = try ListeningSocket(options.url.address, options)
            control = nil
            controlPoller = try Poller()
            monitor = try InterfaceMonitor()
            try controlPoller.add(monitor.number, tag: 0)
        } catch { throw .failure(error.message) }
        if media.mustCheckDestination {
            reader.expect(options.url.address, interfaceIndex: media.interfaceIndex)
        }
        if media.bufferByteCount < options.bufferByteCount {
            context.report(
                .notice(
                    "the receive buffer is \(media.bufferByteCount) bytes, not \(options.bufferByteCount); "
                        + "raise net.core.rmem_max if packets are lost"))
        }
        openControl(context: &context)
    }

    /// Listens to RTCP; a port that is taken costs the reports, not the stream.
    private func openControl(context: inout StageContext) {
        guard options.hasControl, let address = options.url.controlAddress else { return }
        do {
            let socket = try ListeningSocket(address, options)
            try controlPoller.add(socket.socket.number, tag: 1)
            control = consume socket
        } catch { context.report(.notice("no reports are heard: \(error.message)")) }
    }

    /// The media socket; -1 when it is read at intervals.
    var pollDescriptor: Int32 { options.batch == .zero ? media.socket.number : -1 }
    /// Reports and changes of the network.
    var controlDescriptor: Int32 { controlPoller.number }

    // MARK: Media

    /// Reads what has come, as far as there is room for it.
    func process(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        if options.batch != .zero && context.now >= readDeadline {
            readDeadline = context.now + options.batch
            context.isReadable = true
        }
        var callsLeft = StreamReceiver.callLimit
        while !output.isFull {
            if reader.isDrained {
                // A flood that is all dropped must not keep the loop here for ever.
                callsLeft -= 1
                guard callsLeft >= 0, context.isReadable,
                    try receive(limit: output.freeCount, context: &context)
                else {
                    break
                }
            }
            guard let packet = reader.next(pool: context.pool) else {
                if reader.isDrained { continue }
                context.counters.add(.poolExhausted)
                break
            }
            take(packet, into: &output, context: &context)
        }
        // After the media: what is said of a source is heard once the source is known.
        if context.isControlReadable { readControl(context: &context) }
        if reader.isDrained && !context.isReadable {
            settle(context: &context)
        } else {
            // What still waits in the socket may belong to the stream: neither silence nor the end yet.
            postponed = context.now + StreamReceiver.postponement
        }
    }

    /// Receives a batch; false when there was nothing.
    private func receive(limit: Int, context: inout StageContext) throws(StageError) -> Bool {
        let wanted = min(limit, reader.capacity)
        switch reader.receive(media.socket, limit: wanted, pool: context.pool, now: context.now) {
        case .success(let count):
            if count == 0 && context.pool.freeCount == 0 {
                context.counters.add(.poolExhausted)
                return false
            }
            // With the pool used up, fewer were asked for: the socket may hold more.
            if count < wanted && context.pool.freeCount > 0 { context.isReadable = false }
            return count > 0
        case .failure(let errno):
            context.isReadable = false
            if errno == .wouldBlock || errno == .connectionRefused || errno == .networkUnreachable {
                return false
            }
            if errno == .interrupted { return false }
            context.report(.notice("receiving failed: \(errno)"))
            return false
        }
    }

    @inline(__always)
    private func take(_ packet: consuming Packet, into output: inout PacketBatch, context: inout StageContext)
    {
        let lost = reader.takeOverflowCount()
        if lost > 0 { context.counters.add(.kernelDrops, lost) }
        if reader.isForOthers { return context.drop(packet, .foreign) }
        if reader.isOversized { return context.drop(packet, .oversized) }
        if packet.byteCount == 0 { return context.drop(packet, .malformed) }
        let arrival = reader.arrival(now: context.now)
        packet.info.arrival = arrival
        if isRTP {
            takeRTP(packet, arrival, into: &output, context: &context)
        } else {
            takeBare(packet, arrival, into: &output, context: &context)
        }
    }

    @inline(__always)
    private func takeRTP(
        _ packet: consuming Packet, _ arrival: Instant, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        guard let header = RTPHeader(parsing: packet.bytes), header.payloadByteCount > 0 else {
            return context.drop(packet, .malformed)
        }
        let ssrc = header.sourceSSRC
        let sender = reader.sender
        var flags: PacketFlags = .hasSequence
        if !selector.isChosen(sender, ssrc, arrival) {
            let isValid =
                header.payloadType == RTPHeader.transportStreamPayloadType || header.payloadType >= 96
            let verdict = selector.judge(
                sender, ssrc, arrival,
                isValid: isValid && isStream(packet, header.headerByteCount, header.payloadByteCount))
            guard verdict == .newSource else { return refuse(packet, verdict, sender, context: &context) }
            if begin(sender, arrival, context: &context) { flags.insert(.isDiscontinuity) }
        }
        if header.marker { flags.insert(.hasMarker) }
        if retransmissionMark.read(header.ssrc) { flags.insert(.isRetransmission) }
        let former = sequence.highest
        let extended = sequence.extend(header.sequenceNumber)
        if let former, extended <= former { isInOrder = false }
        packet.info.extendedSequence = extended
        packet.info.ssrc = ssrc
        packet.info.epoch = selector.epoch
        packet.info.rtpTimestamp = header.timestamp
        packet.info.headerByteCount = UInt16(truncatingIfNeeded: header.headerByteCount)
        packet.info.flags = flags
        give(packet, arrival, payloadByteCount: header.payloadByteCount, into: &output, context: &context)
    }

    @inline(__always)
    private func takeBare(
        _ packet: consuming Packet, _ arrival: Instant, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        let sender = reader.sender
        if !selector.isChosen(sender, 0, arrival) {
            let verdict = selector.judge(sender, 0, arrival, isValid: isStream(packet, 0, packet.byteCount))
            guard verdict == .newSource else { return refuse(packet, verdict, sender, context: &context) }
            if begin(sender, arrival, context: &context) { packet.info.flags.insert(.isDiscontinuity) }
        }
        packet.info.epoch = selector.epoch
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

    private func refuse(
        _ packet: consuming Packet, _ verdict: SourceSelector.Verdict, _ sender: SocketAddress,
        context: inout StageContext
    ) {
        if case .foreign(isNews: true) = verdict {
            context.report(.secondSource(description: sender.description))
        }
        context.drop(packet, selector.sender == nil ? .malformed : .foreign)
    }

    /// A source was chosen; true when it replaces another.
    private func begin(
        _ sender: SocketAddress, _ arrival: Instant, context: inout StageContext
    ) -> Bool {
        let isReplacement = selector.epoch > 0
        epochStart = arrival
        if isReplacement { countTail(context: &context) }
        sequence.reset()
        retransmissionMark = RetransmissionMark()
        ending.reset()
        receivedInEpoch = 0
        isInOrder = true
        context.counters.add(.sourceChanges)
        context.report(.sourceChanged(description: sender.description))
        return isReplacement
    }

    // MARK: Control

    private func readControl(context: inout StageContext) {
        context.isControlReadable = false
        if monitor.drain() { rejoin(context: &context) }
        guard control != nil else { return }
        // Before a source is chosen its reports wait in the socket: they may be all that it still says.
        guard selector.sender != nil else {
            context.isControlReadable = true
            return
        }
        for _ in 0..<16 {
            guard case .success(let count)? = receiveControl(context: &context), count > 0 else { return }
            while let packet = controlReader.next(pool: context.pool) {
                // Whoever cannot send from the source's own address cannot end the stream; nor can what was
                // said before it began.
                let arrival = controlReader.arrival(now: context.now)
                guard !controlReader.isOversized, selector.isChosenHost(controlReader.sender),
                    arrival >= epochStart - StreamReceiver.stampTolerance
                else { continue }
                ending.read(packet.bytes, ssrc: isRTP ? selector.ssrc : nil, now: context.now)
            }
        }
        context.isControlReadable = true
    }

    private func receiveControl(context: inout StageContext) -> Result<Int, Errno>? {
        guard let socket = control.take() else { return nil }
        let result = controlReader.receive(
            socket.socket, limit: controlReader.capacity, pool: context.pool, now: context.now)
        control = consume socket
        return result
    }

    private func rejoin(context: inout StageContext) {
        rejoinDeadline = context.now + StreamReceiver.rejoinInterval
        _ = media.rejoin()
        if var socket = control.take() {
            _ = socket.rejoin()
            control = consume socket
        }
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
        if ending.isOver(
            received: receivedInEpoch, highest: sequence.highest, isInOrder: isInOrder, now: context.now)
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
        return earliest(deadline, ending.deadline).map { max($0, postponed) }
    }
}
