public import FreshetCore
internal import FreshetWire

extension RepairSender {
    // MARK: Control that comes in

    /// An RTCP datagram came from `peer`: requests, round trip requests and answers.
    public mutating func read(_ control: RawSpan, from peer: Peer, now: Instant) {
        guard var packets = CompoundPacket(parsing: control, allowsReducedSize: true) else { return }
        let place = place(of: peer, now)
        while let packet = packets.next() {
            if let request = RepairRequest(packet) {
                take(request, packet, place, now)
            } else if let request = RetransmissionRequest(packet) {
                take(request, packet, place, now)
            } else if let echo = RoundTripEcho(packet) {
                take(echo, place, now)
            }
        }
    }

    /// Where `peer` stands in the table; it is put there when it is new.
    private mutating func place(of peer: Peer, _ now: Instant) -> Int {
        var stalest = 0
        for index in peers.indices {
            if peers[index].peer == peer {
                peers[index].lastHeard = now
                return index
            }
            let isIdle = peers[index].queuedCount == 0
            if isIdle, peers[index].lastHeard < peers[stalest].lastHeard || peers[stalest].queuedCount > 0 {
                stalest = index
            }
        }
        let new = RepairPeer(
            peer, now: now, mediaBytes: statistics.mediaBytes, floor: configuration.budgetFloor)
        if peers.count < configuration.maximumPeers {
            peers.append(new)
            return peers.count - 1
        }
        let queued = peers[stalest].queuedCount
        peers[stalest] = new
        peers[stalest].queuedCount = queued
        settlePeers()
        return stalest
    }

    private mutating func take(_ echo: RoundTripEcho, _ place: Int, _ now: Instant) {
        if echo.isResponse {
            peers[place].echo.note(echo, now: now)
        } else {
            peers[place].owed = (echo.stamp, now)
            isControlDue = true
        }
    }

    private mutating func take(
        _ request: RepairRequest, _ packet: borrowing RTCPPacket, _ place: Int, _ now: Instant
    ) {
        guard request.mediaSSRC == ssrc & ~1, let highest = history.highest else { return }
        statistics.requests += 1
        if !peers[place].isFreshet || peers[place].wantsEcho {
            peers[place].isFreshet = true
            peers[place].wantsEcho = false
            settlePeers()
        }
        if request.roundTrip > 0 {
            peers[place].toldRoundTrip = RepairRequest.span(tenths: request.roundTrip)
        }
        // A receiver that joined late may count from another multiple of 2^16.
        let isNear = request.base <= highest && highest &- request.base < 1 << 15
        let base = isNear ? request.base : history.extend(UInt16(truncatingIfNeeded: request.base)) ?? highest
        let spacing = RepairRequest.span(tenths: request.spacing)
        for index in 0..<min(packet.repairEntryCount, RepairRequest.entryLimit) {
            guard let entry = packet.repairEntry(at: index) else { return }
            take(entry, base: base, spacing, place, now)
        }
    }

    private mutating func take(
        _ entry: RepairEntry, base: Int64, _ spacing: Nanoseconds, _ place: Int, _ now: Instant
    ) {
        var sequence = base &+ Int64(entry.offset)
        var mask = UInt32(entry.lostMask) << 1 | 1
        let window = RepairRequest.span(tenths: entry.window)
        let holdOff = RoundHoldOff(roundTrip: peers[place].toldRoundTrip, window: window)
        while mask != 0 {
            if mask & 1 != 0, mayAsk(sequence, place, now) {
                let peer = peers[place].peer.number
                if !isUnderWay(sequence, place, now),
                    answers.take(
                        sequence, peer: peer, round: Int32(entry.round), holdOff: holdOff, now: now)
                {
                    answer(sequence, entry, spacing, window, place, now)
                } else {
                    statistics.repeated += 1
                }
            }
            mask >>= 1
            sequence &+= 1
        }
    }

    private mutating func answer(
        _ sequence: Int64, _ entry: RepairEntry, _ spacing: Nanoseconds, _ window: Nanoseconds, _ place: Int,
        _ now: Instant
    ) {
        let copies = wholeCopies(entry.quarterCopies)
        guard entry.allowsParity, copies > 1, parity != nil else {
            let widest = copies > 1 ? window / Int64(copies - 1) : .zero
            enqueue(sequence, copies, min(spacing, widest), due: now, end: now + window, place)
            return
        }
        // One copy at once; the rest as parity, late enough to serve what will be missed until then.
        enqueue(sequence, 1, .zero, due: now, end: now + window, place)
        parity?.want(sequence, peer: peers[place].peer.number, until: now + window, now: now)
        for step in 1..<copies {
            let due = now + Nanoseconds(window.count * Int64(step) / Int64(copies))
            enqueue(QueuedRepair.parity, 1, .zero, due: due, end: now + window, place)
        }
    }

    /// True when this relay got the packet late itself and sent it on so short a while ago that the peer cannot have
    /// missed it: it asked before.
    private func isUnderWay(_ sequence: Int64, _ place: Int, _ now: Instant) -> Bool {
        guard let sent = history.lateSince(sequence) else { return false }
        let told = peers[place].toldRoundTrip
        // A little more: the last request may have left just before the packet came.
        let trip = told == .zero ? RepairSender.unknownRoundTrip : told + told / 8
        return now - sent < trip + .milliseconds(5)
    }

    /// The round trip of a peer that does not know it.
    private static let unknownRoundTrip = Nanoseconds.milliseconds(50)

    /// Quarters of copies as whole ones: the rest by chance.
    private mutating func wholeCopies(_ quarters: UInt8) -> Int {
        let whole = max(Int(quarters), 4)
        return min(whole / 4 + (random.below(4) < UInt64(whole % 4) ? 1 : 0), 16)
    }

    private mutating func take(
        _ request: RetransmissionRequest, _ packet: borrowing RTCPPacket, _ place: Int, _ now: Instant
    ) {
        guard request.mediaSSRC == ssrc & ~1 || request.mediaSSRC == 0, history.highest != nil else { return }
        statistics.requests += 1
        if !peers[place].isFreshet, !peers[place].wantsEcho {
            peers[place].wantsEcho = true
            isControlDue = true
            settlePeers()
        }
        for index in 0..<request.entryCount {
            if request.form == .range {
                guard let range = packet.nackRange(at: index) else { return }
                take(range, place, now)
            } else {
                guard let entry = packet.nackEntry(at: index), let first = history.extend(entry.packetID)
                else {
                    return
                }
                take(first, mask: UInt32(entry.lostMask) << 1 | 1, place, now)
            }
        }
    }

    private mutating func take(_ range: NACKRange, _ place: Int, _ now: Instant) {
        guard let first = history.extend(range.first), let highest = history.highest else { return }
        // What lies beyond the newest packet is not looked at one by one.
        let last = min(first &+ Int64(range.additionalCount), highest)
        statistics.unknown += Int(first &+ Int64(range.additionalCount) &- last)
        var sequence = max(first, highest &- Int64(history.capacity))
        while sequence <= last {
            answerOnce(sequence, place, now)
            sequence &+= 1
        }
    }

    private mutating func take(_ first: Int64, mask: UInt32, _ place: Int, _ now: Instant) {
        var sequence = first
        var mask = mask
        while mask != 0 {
            if mask & 1 != 0 { answerOnce(sequence, place, now) }
            mask >>= 1
            sequence &+= 1
        }
    }

    private mutating func answerOnce(_ sequence: Int64, _ place: Int, _ now: Instant) {
        guard mayAsk(sequence, place, now) else { return }
        let holdOff = peers[place].holdOff
        guard answers.take(sequence, peer: peers[place].peer.number, holdOff: holdOff, now: now) else {
            statistics.repeated += 1
            return
        }
        let copies = peers[place].takeCopies(packetCount: packetCount)
        let spacing = Nanoseconds(min(max(meanInterval * 2, 1_000_000), 10_000_000))
        enqueue(sequence, copies, spacing, due: now, end: now + .milliseconds(500), place)
    }

    /// True when the packet is there to be asked for and the peer within its allowance.
    private mutating func mayAsk(_ sequence: Int64, _ place: Int, _ now: Instant) -> Bool {
        statistics.asked += 1
        peers[place].missedCount += 1
        guard peers[place].takeAllowance(now) else {
            statistics.refused += 1
            return false
        }
        if history.contains(sequence) { return true }
        guard let highest = history.highest else { return false }
        if sequence > highest || highest &- sequence > 1 << 16 {
            statistics.unknown += 1
        } else {
            statistics.expired += 1
        }
        return false
    }

    private mutating func enqueue(
        _ sequence: Int64, _ copies: Int, _ spacing: Nanoseconds, due: Instant, end: Instant, _ place: Int
    ) {
        // No peer may take all the places while another has need of one.
        let share = peers.count > 1 ? queue.capacity / 2 : queue.capacity
        guard !queue.isFull, peers[place].queuedCount < share else {
            statistics.refused += 1
            return
        }
        queue.push(
            QueuedRepair(
                due: due, end: end, sequence: sequence, spacing: spacing, peer: Int32(place),
                copies: Int32(copies)))
        peers[place].queuedCount += 1
    }

    // MARK: Control that goes out

    /// When the heartbeat of a stream that has paused is due; `nil` when the stream flows, or nobody would hear it.
    var nextHeartbeat: Instant? {
        guard packetCount > 0, hasFreshetPeer else { return nil }
        return plannedPause == lastMedia ? plannedHeartbeat : firstHeartbeat
    }

    /// A little after the last packet.
    private var firstHeartbeat: Instant {
        lastMedia + Nanoseconds(min(max(4 * meanInterval, 5_000_000), 100_000_000))
    }

    /// Works out when peers are to be told or asked something: to be called whenever one of them has changed in that.
    mutating func settlePeers() {
        nextEcho = nil
        hasFreshetPeer = false
        var next = Instant.distantFuture
        for index in peers.indices {
            if peers[index].wantsEcho { nextEcho = earliest(nextEcho, peers[index].nextEcho) }
            if peers[index].isFreshet {
                hasFreshetPeer = true
                next = min(next, heartbeat(index))
            }
        }
        plannedHeartbeat = next == .distantFuture ? nil : next
        plannedPause = lastMedia
    }

    /// When peer `index` is to be told the highest number: a little after the last packet, then ever more
    /// seldom, until the regular reports suffice (Holbrook, Singhal and Cheriton, "Log-based
    /// receiver-reliable multicast", 1995).
    private func heartbeat(_ index: Int) -> Instant {
        // One that was planned before the stream flowed on says nothing.
        guard peers[index].heartbeatPause == lastMedia else { return firstHeartbeat }
        let due = peers[index].heartbeatDue
        return due - lastMedia > .milliseconds(700) ? .distantFuture : due
    }

    /// Writes the next RTCP datagram that is due at `now` into `bytes` and says to whom it goes; `nil` when there
    /// is none. To be called until it says so. ``CompoundWriter/sufficientByteCount`` bytes are always enough.
    public mutating func nextTransmit(into bytes: inout MutableRawSpan, now: Instant) -> Transmit? {
        if isControlDue {
            for index in peers.indices {
                if let length = writeEchoes(into: &bytes, index, now) {
                    return Transmit(byteCount: length, peer: peers[index].peer)
                }
            }
            isControlDue = false
        }
        guard let next = nextHeartbeat, next <= now else { return nil }
        for index in peers.indices where peers[index].isFreshet && heartbeat(index) <= now {
            let pause = now - lastMedia
            peers[index].heartbeatDue = now + max(pause, .milliseconds(5))
            peers[index].heartbeatPause = lastMedia
            settlePeers()
            return Transmit(byteCount: writeHeartbeat(into: &bytes), peer: peers[index].peer)
        }
        return nil
    }

    private func writeHeartbeat(into bytes: inout MutableRawSpan) -> Int {
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: ssrc)
        writer.writeDescription(ssrc: ssrc, name: configuration.name)
        writeHeartbeat(&writer)
        return writer.byteCount
    }

    /// A receiver learns from it who it has to do with, and what it misses at the tail.
    private func writeHeartbeat(_ writer: inout CompoundWriter) {
        guard packetCount > 0 else { return }
        writer.write(
            Heartbeat(ssrc: ssrc & ~1, highestSequence: history.highest ?? 0, packetCount: packetCount))
    }

    private mutating func writeEchoes(into bytes: inout MutableRawSpan, _ index: Int, _ now: Instant) -> Int?
    {
        let asks = peers[index].wantsEcho && peers[index].nextEcho <= now
        guard peers[index].owed != nil || asks else { return nil }
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: ssrc)
        writer.writeDescription(ssrc: ssrc, name: configuration.name)
        if let owed = peers[index].owed {
            let delay = UInt32(clamping: (now - owed.arrival).count / 1000)
            writer.write(
                RoundTripEcho(
                    isResponse: true, mediaSSRC: ssrc & ~1, stamp: owed.stamp, delayMicroseconds: delay))
            writeHeartbeat(&writer)
            peers[index].owed = nil
        }
        if asks {
            writer.write(peers[index].echo.request(mediaSSRC: ssrc & ~1, now: now, random: &random))
            peers[index].nextEcho = now + peers[index].echo.interval
            settlePeers()
        }
        return writer.byteCount
    }
}
