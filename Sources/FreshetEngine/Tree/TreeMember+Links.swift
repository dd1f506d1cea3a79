internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// What comes by the links, and where it goes.
extension TreeMember {
    /// Reads what has come, as far as there is room for it.
    func readLinks(into output: inout PacketBatch, delivers: Bool, context: inout StageContext) {
        lastSender = nil
        var isDry = false
        var callsLeft = TreeMember.callLimit
        while !delivers || outlet.isStuck || outlet.hasRoom(output) {
            if port.reader.isDrained {
                callsLeft -= 1
                if callsLeft < 0 { return }
                if isDry {
                    isDry = false
                    context.isReadable = false
                    return
                }
                let wanted = min(
                    delivers && !outlet.isStuck ? output.freeCount : Int.max, port.reader.capacity)
                let count = port.receive(limit: wanted, pool: context.pool, now: context.now)
                if count == 0 {
                    context.isReadable = context.pool.freeCount == 0
                    return
                }
                if count < 0 { continue }
                // Fewer than asked for, and not for want of packets: the socket has no more, and need not be asked.
                isDry = count < wanted && context.pool.freeCount > 0
            }
            guard let packet = port.reader.next(pool: context.pool) else {
                if port.reader.isDrained { continue }
                context.counters.add(.poolExhausted)
                return
            }
            take(packet, into: &output, delivers: delivers, context: &context)
        }
    }

    @inline(__always)
    private func take(
        _ packet: consuming Packet, into output: inout PacketBatch, delivers: Bool,
        context: inout StageContext
    ) {
        let lost = port.reader.takeOverflowCount()
        if lost > 0 { context.counters.add(.kernelDrops, lost) }
        if port.reader.isOversized { return context.drop(packet, .oversized) }
        if packet.byteCount < 2 { return context.drop(packet, .malformed) }
        let head = packet.bytes.uint16(at: 0)
        if head >> 14 == 2, !TreeMember.isControl(head) {
            takeMedia(packet, into: &output, delivers: delivers, context: &context)
        } else {
            readMessage(packet, context: &context)
        }
    }

    @inline(never)
    private func readMessage(_ packet: borrowing Packet, context: inout StageContext) {
        let sender = port.reader.sender
        switch node.read(packet.bytes, from: sender.peerAddress, now: context.now) {
        case .consumed: break
        case .rejected: if final == nil { context.counters.add(.malformed) }
        case .neighbour(let link):
            if node.isAbove(link) {
                repair.read(packet.bytes, now: context.now) {
                    node.repairLink(stripe: $0, attempt: 0) == link
                }
            }
            if node.isBelow(link) { repair.answer(packet.bytes, to: link, now: context.now) }
        }
        // What a message opened must be known before the packets behind it come.
        handleEvents(context: &context)
        lastSender = nil
    }

    /// The link that a packet came on, when packets are taken from there.
    @inline(__always)
    private func mediaLink() -> Int {
        let sender = port.reader.sender
        if sender == lastSender { return lastLink }
        lastSender = sender
        lastLink = -1
        if let link = linkOfAddress[sender], node.isAbove(link) { lastLink = link }
        return lastLink
    }

    @inline(__always)
    private func takeMedia(
        _ packet: consuming Packet, into output: inout PacketBatch, delivers: Bool,
        context: inout StageContext
    ) {
        guard let header = RTPHeader(parsing: packet.bytes), header.payloadByteCount > 0 else {
            return context.drop(packet, .malformed)
        }
        let link = mediaLink()
        guard link >= 0, node.epoch != 0, header.sourceSSRC == node.epoch else {
            return context.drop(packet, .foreign)
        }
        if header.payloadType == RLCRepairHeader.payloadType, node.hasParityStripe {
            return takeParity(packet, from: link, into: &output, delivers: delivers, context: &context)
        }
        guard align(), let number = extend(header.sequenceNumber) else {
            return context.drop(packet, .foreign)
        }
        var flags: PacketFlags = .hasSequence
        if header.marker { flags.insert(.hasMarker) }
        if header.isRetransmission {
            flags.insert(.isRetransmission)
            packet.modify { RTPHeader.markRetransmission(false, in: &$0) }
        }
        packet.info.arrival = port.reader.arrival(now: context.now)
        packet.info.extendedSequence = number
        packet.info.ssrc = header.sourceSSRC
        packet.info.epoch = epochCount
        packet.info.rtpTimestamp = header.timestamp
        packet.info.headerByteCount = UInt16(truncatingIfNeeded: header.headerByteCount)
        packet.info.flags = flags
        context.counters.add(.received)
        context.counters.add(.bytesIn, header.payloadByteCount)
        let noted = node.note(number, from: link, now: context.now)
        guard noted.isNew else { return context.drop(packet, .duplicate) }
        keep(packet, stripe: noted.stripe, now: context.now)
        parity?.note(packet)
        if delivers, !outlet.give(packet, to: &output) { context.counters.add(.queueDrops) }
        if parity != nil { takeRecovered(into: &output, delivers: delivers, context: &context) }
    }

    /// Knows at which multiple of 65 536 the stream's numbers are; false while nobody has said so.
    @inline(__always)
    private func align() -> Bool {
        if isAligned, epoch == node.epoch { return true }
        return begin()
    }

    @inline(never)
    private func begin() -> Bool {
        if epoch != node.epoch, isAligned {
            // Another source: a new epoch of the stream.
            isAligned = false
            epochCount &+= 1
            repair.restart()
            parity = nil
            start.reset()
            began = nil
        }
        guard let known = node.knownSequence else { return false }
        epoch = node.epoch
        isAligned = true
        suspect = nil
        sequence.reset(near: known)
        repair.split(into: node.stripeCount)
        _ = hasParity()
        return true
    }

    /// The 64-bit number of a packet; `nil` for one that is too far ahead to be believed alone.
    @inline(__always)
    private func extend(_ low: UInt16) -> Int64? {
        let number = sequence.peek(low)
        if let highest = node.highestSequence, number &- highest > TreeMember.jumpLimit {
            guard let other = suspect, abs(number &- other) <= TreeMember.jumpLimit else {
                suspect = number
                return nil
            }
        }
        suspect = nil
        return sequence.extend(low)
    }

    /// Keeps a new packet for those who ask for it, and forwards it.
    @inline(__always)
    func keep(_ packet: borrowing Packet, stripe: Int, now: Instant) {
        repair.note(packet, stripe: stripe, now: now)
        byteCount &+= packet.byteCount
        let info = packet.info
        if began == nil { began = now }
        start.note(packet.bytes, from: Int(info.headerByteCount), sequence: info.extendedSequence)
        replay.noteHighest(info.extendedSequence, now: now)
        if stripe < fanOuts.count { fanOuts[stripe].append(packet, now: now) }
        if !replay.isEmpty {
            replay.missing(info.extendedSequence, stripe) { send(packet.bytes, link: Int($0)) }
        }
    }

    /// Where a child begins that has nothing yet: at the last keyframe. While the stream is young, at its beginning: those
    /// whom the source waited for get all of it, however long their handshakes take.
    private func firstToSend(_ now: Instant) -> Int64 {
        if let began, now - began < TreeMember.youth { return .min }
        return start.sequence ?? repair.sender.keptNumbers?.lowerBound ?? .min
    }

    // MARK: Neighbours

    /// Does what the node wants of its edge.
    func handleEvents(context: inout StageContext) {
        while let event = node.nextEvent() { handle(event, context: &context) }
        if mustRebuild { rebuild(now: context.now) }
    }

    private func handle(_ event: TreeEvent, context: inout StageContext) {
        switch event {
        case .linkOpened(let link, let peer, _): open(link, SocketAddress(peer))
        case .linkMoved(let link, let peer):
            if let old = addresses[link] { linkOfAddress[old] = nil }
            open(link, SocketAddress(peer))
            mustRebuild = true
        case .linkClosed(let link): close(link)
        case .serve(let link, let stripes, let from):
            let first = from ?? firstToSend(context.now)
            replay.begin(UInt16(link), stripes, from: first, now: context.now)
            mustRebuild = true
        case .childrenChanged: mustRebuild = true
        case .parentChanged(let stripe, _): repair.changeParent(of: stripe, now: context.now)
        case .parentReplaced(_, let noticed, let replaced):
            let times = (noticed.count / 1_000_000, replaced.count / 1_000_000)
            context.report(
                .notice("a parent fell silent: noticed after \(times.0) ms, replaced after \(times.1) ms"))
        case .ended(let sequence):
            final = (sequence, context.now)
            if !node.isSource { repair.noteHighest(sequence, now: context.now) }
        case .punch(let peer):
            let nothing: [UInt8] = [0]
            _ = port.send(nothing.span.bytes, to: SocketAddress(peer))
        case .train(let peer, let nonce, let count): sendTrain(SocketAddress(peer), nonce, count)
        case .left: hasLeft = true
        case .refused(let reason):
            if node.isEnding { return }
            refusal = "the coordinator refuses: \(reason.isEmpty ? "no reason given" : reason)"
        }
    }

    /// Sends a train back to back; what there is no room for is missing at the other end.
    private func sendTrain(_ mirror: SocketAddress, _ nonce: UInt64, _ count: Int) {
        withUnsafeTemporaryAllocation(byteCount: LinkMessage.trainByteCount, alignment: 8) { memory in
            for index in 0..<count {
                var bytes = MutableRawSpan(_unsafeBytes: memory)
                _ = LinkMessage.train(nonce: nonce, index: UInt8(index)).write(into: &bytes, ssrc: epoch)
                _ = port.send(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(memory)), to: mirror)
            }
        }
    }

    private func open(_ link: Int, _ address: SocketAddress) {
        while addresses.count <= link { addresses.append(nil) }
        addresses[link] = address
        linkOfAddress[address] = link
        lastSender = nil
    }

    private func close(_ link: Int) {
        guard addresses.indices.contains(link), let address = addresses[link] else { return }
        addresses[link] = nil
        linkOfAddress[address] = nil
        lastSender = nil
        replay.forget(UInt16(link))
        mustRebuild = true
    }

    /// Lays the forwarding out anew: a child came, went, or has caught up.
    func rebuild(now: Instant) {
        mustRebuild = false
        while fanOuts.count < node.totalStripes { fanOuts.append(ChildFanOut(through: port.number)) }
        for job in replay.jobs { replay.stop(job.link, keeping: node.stripesSent(to: Int(job.link))) }
        for stripe in 0..<min(fanOuts.count, node.totalStripes) {
            var links: [UInt16] = []
            var places: [SocketAddress] = []
            for link in node.forwardLinks(of: stripe) where !replay.isCatchingUp(link, stripe) {
                guard let address = addresses[Int(link)] else { continue }
                links.append(link)
                places.append(address)
            }
            if links != fanOuts[stripe].links { fanOuts[stripe].setChildren(links, places, now: now) }
        }
    }

    /// Tells the node what each child was sent in the last second, and how much of it is as good as dropped: what the
    /// kernel had no room for, and what a child asks for once it is more than a lossy way explains.
    func judgeChildren(now: Instant) {
        let count = node.tally.receivedCount &- lastReceivedCount
        lastReceivedCount = node.tally.receivedCount
        for fanOut in fanOuts { fanOut.takeDropped { node.noteDropped($1, to: Int($0)) } }
        for link in addresses.indices where addresses[link] != nil {
            let stripes = node.stripesSent(to: link)
            let missed = repair.sender.takeMissedCount(of: Peer(UInt32(link)))
            if stripes.isEmpty || replay.isCatchingUp(UInt16(link)) { continue }
            let sent = count * stripes.count / max(1, node.stripeCount)
            if missed > sent / TreeMember.missedShare { node.noteDropped(min(missed, sent), to: link) }
            node.noteSent(sent, to: link)
        }
    }

    func runReplay(context: inout StageContext) {
        guard let due = replay.deadline, due <= context.now else { return }
        // What waits for the others is in the history too: it goes first, so that nobody gets it twice.
        for fanOut in fanOuts { fanOut.flush(now: context.now) }
        let hasCaughtUp = replay.run(repair.sender, stripeCount: node.stripeCount, now: context.now) {
            packet, link in
            guard let address = addresses[Int(link)] else { return true }
            let failure = port.send(packet.bytes, to: address)
            return failure != .wouldBlock && failure != .noBuffers
        }
        if hasCaughtUp { mustRebuild = true }
    }
}
