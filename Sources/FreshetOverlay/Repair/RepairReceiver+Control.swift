public import FreshetCore
internal import FreshetWire

extension RepairReceiver {
    // MARK: Control that comes in

    /// An RTCP datagram came from the source: sender reports, heartbeats, round trip requests and answers.
    public mutating func read(_ control: RawSpan, now: Instant) {
        guard var packets = CompoundPacket(parsing: control, allowsReducedSize: true) else { return }
        while let packet = packets.next() {
            if let sent = SenderReport(packet) {
                report.note(sent, now: now)
            } else if let heartbeat = Heartbeat(packet) {
                note(heartbeat, now: now)
            } else if let echo = RoundTripEcho(packet) {
                if echo.isResponse {
                    self.echo.note(echo, now: now)
                } else {
                    owedEcho = (echo.stamp, now)
                }
            }
        }
    }

    private mutating func note(_ heartbeat: Heartbeat, now: Instant) {
        guard heartbeat.ssrc & ~1 == mediaSSRC, heartbeat.packetCount > 0, highest != .min else { return }
        isFreshetPeer = true
        // Both ends may count from different multiples of 2^16.
        let step =
            UInt16(truncatingIfNeeded: heartbeat.highestSequence) &- UInt16(truncatingIfNeeded: highest)
        let last = highest &+ Int64(Int16(bitPattern: step))
        noteHighest(last, now: now)
        guard configuration.wantsHead, !isHeadKnown, heartbeat.packetCount < 1 << 20 else { return }
        isHeadKnown = true
        let first = last &+ 1 &- Int64(heartbeat.packetCount)
        if firstSequence &- first <= RepairReceiver.jumpLimit { noteFirst(first, now: now) }
    }

    // MARK: Time

    /// When the receiver wants to be advanced and drained again; `nil` when it waits for packets only.
    public var nextDeadline: Instant? {
        // Before the first packet nobody knows whose stream it is, and nothing can be said.
        guard mediaSSRC != nil else { return nil }
        if owedEcho != nil || isAskDue { return lastArrival }
        let next = min(nextVisit, nextReport)
        return next == .distantFuture ? nil : next
    }

    /// What the policy is told about the link.
    var link: RepairPolicy.Link {
        let assumed = configuration.assumedRoundTrip
        let known = echo.roundTrip.smoothed ?? assumed
        let tick = Nanoseconds(min(max(known.count / 16, 1_000_000), 5_000_000))
        let margin = max(known / 32, .microseconds(500))
        let underWay = echo.roundTrip.soonest(assumed).count / max(meanInterval, 1000)
        return RepairPolicy.Link(
            soonest: echo.roundTrip.soonest(.milliseconds(4)),
            latest: echo.roundTrip.latest(margin: margin + tick, assumed), tick: tick,
            loss: loss.partsPerMillion, burst: loss.burst, interval: Nanoseconds(meanInterval),
            answersOnce: isFreshetPeer,
            hasParity: isFreshetPeer && configuration.takesParity && underWay < RepairReceiver.parityReach)
    }

    /// Time has come: holes are given up, rounds begin.
    public mutating func advance(to now: Instant) {
        if now < nextVisit { return }
        while let hole = holes.popSettled(now: now) {
            if !hole.isFilled { giveUp(hole) }
        }
        var visit = Instant.distantFuture
        if holes.count > 0 {
            visit = holes[0].deadline
            visitAll(now, link, &visit)
        }
        nextVisit = max(visit, now + .microseconds(50))
        if isAskDue { askCursor = .min }
    }

    private mutating func giveUp(_ hole: Hole) {
        statistics.lost += 1
        if configuration.fitsLatency, hole.rounds > 0 { givenUp.note(hole) }
    }

    private mutating func visitAll(_ now: Instant, _ link: RepairPolicy.Link, _ visit: inout Instant) {
        let gap = link.tick / 4
        for index in 0..<holes.count {
            let hole = holes[index]
            if hole.isFilled || hole.deadline <= now { continue }
            if hole.nextRound <= now { beginRound(index, now, link) }
            visit = min(visit, holes[index].nextRound)
            guard holes[index].asksLeft > 0 else { continue }
            if holes[index].nextAsk <= now, now - lastAsk >= gap || lastAsk == .zero {
                isAskDue = true
            } else {
                visit = min(visit, max(holes[index].nextAsk, lastAsk + gap))
            }
        }
    }

    private mutating func beginRound(_ index: Int, _ now: Instant, _ link: RepairPolicy.Link) {
        var hole = holes[index]
        let plan = configuration.policy.plan(
            slack: hole.deadline - now, spent: Int(hole.spentQuarters), isFirst: hole.rounds == 0, link)
        statistics.choices[plan.choice.rawValue] += 1
        hole.nextRound = plan.nextRound.map { now + $0 } ?? .distantFuture
        hole.asksLeft = Int16(plan.asks)
        hole.askEnd = now + plan.askWindow
        hole.nextAsk = now
        hole.askGap = link.tick
        if !link.answersOnce, plan.asks > 1 {
            // Each request is a copy of its own.
            hole.askGap = max(.milliseconds(1), min(spacing(link), plan.askWindow / Int64(plan.asks)))
        } else if !link.answersOnce, link.loss >= RepairReceiver.repeatFrom, plan.choice != .hopeless {
            // Requests are lost too. What was answered less than a round trip ago is not answered again.
            hole.asksLeft = 2
        }
        hole.quarterCopies = UInt8(clamping: plan.quarterCopies)
        hole.spentQuarters = UInt8(clamping: Int(hole.spentQuarters) + plan.quarterCopies)
        hole.allowsParity = plan.choice == .parity
        if plan.choice != .hopeless { hole.rounds = min(hole.rounds + 1, 127) }
        holes[index] = hole
    }

    /// Time between two copies of one packet: two packets, or four bursts of loss, of which one in fifty lasts as long. The
    /// source sends them closer where there is less time.
    func spacing(_ link: RepairPolicy.Link) -> Nanoseconds {
        let packets = link.burst > 1 ? Int64(link.burst) * 4 : 2
        return Nanoseconds(min(max(meanInterval, 10_000) * packets, 200_000_000))
    }

    // MARK: Control that goes out

    /// A report and the name, as every compound packet begins (RFC 3550 §6.1).
    private func begin(_ writer: inout CompoundWriter, _ block: ReportBlock? = nil) {
        if let block {
            writer.writeReceiverReport(ssrc: configuration.ssrc, block: block)
        } else {
            writer.writeReceiverReport(ssrc: configuration.ssrc)
        }
        writer.writeDescription(ssrc: configuration.ssrc, name: configuration.name)
    }

    /// Writes an answer to a source that has sent reports and no media yet into `bytes`, and gives its length: who waits
    /// for a sign that somebody is there begins then.
    public func writeGreeting(into bytes: inout MutableRawSpan) -> Int {
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        return writer.byteCount
    }

    /// Writes the next RTCP datagram that is due at `now` into `bytes` (1,400 bytes are always enough) and gives
    /// its length; `nil` when there is none. To be called until it says so.
    public mutating func nextTransmit(into bytes: inout MutableRawSpan, now: Instant) -> Int? {
        guard let ssrc = mediaSSRC else { return nil }
        if owedEcho != nil { return count(writeEchoResponse(into: &bytes, ssrc, now)) }
        if isAskDue {
            let length = writeRequest(into: &bytes, ssrc, now)
            if length > 0 { return count(length) }
        }
        if now >= nextReport { return count(writeReport(into: &bytes, ssrc, now)) }
        return nil
    }

    private mutating func count(_ byteCount: Int) -> Int {
        statistics.controlBytes += byteCount
        return byteCount
    }

    private mutating func writeEchoResponse(
        into bytes: inout MutableRawSpan, _ ssrc: UInt32, _ now: Instant
    ) -> Int {
        guard let owed = owedEcho else { return 0 }
        owedEcho = nil
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        let delay = UInt32(clamping: (now - owed.arrival).count / 1000)
        writer.write(
            RoundTripEcho(isResponse: true, mediaSSRC: ssrc, stamp: owed.stamp, delayMicroseconds: delay))
        return writer.byteCount
    }

    private mutating func writeReport(into bytes: inout MutableRawSpan, _ ssrc: UInt32, _ now: Instant) -> Int
    {
        let isKnown = echo.roundTrip.smoothed != nil
        // At first a lost echo costs most; a source that never answers is not to be pestered.
        nextReport =
            now + (isKnown ? configuration.reportInterval : min(echo.interval, configuration.reportInterval))
        ageTolerance(now)
        if configuration.fitsLatency { fitLatency(now) }
        let block = report.block(
            ssrc: ssrc, highest: highest, stride: configuration.stride, now: now)
        var writer = CompoundWriter(&bytes)
        begin(&writer, block)
        writer.write(echo.request(mediaSSRC: ssrc, now: now, random: &random))
        return writer.byteCount
    }

    /// Brings the latency to what the link asks for by its round trip and its loss, and by how long repairs took.
    private mutating func fitLatency(_ now: Instant) {
        let share = loss.partsPerMillion
        // One round where next to nothing is lost, and the more the more of the answers are lost too.
        let halves = share < 500 ? 3 : share < 70_000 ? 5 : share < 150_000 ? 6 : 8
        // Right after a change of route the variation is the change itself.
        let spread = min(echo.roundTrip.variation * 2, echo.roundTrip.smoothed ?? .zero)
        let jitter = spread + tolerance + .milliseconds(5)
        latencyControl.update(
            now: now, roundTrip: echo.roundTrip.smoothed, roundsInHalves: halves, jitter: jitter)
        if latencyControl.target != latency { setLatency(latencyControl.target) }
    }

    /// Reordering that is not seen any more is not waited for: after 5 s without, the patience shrinks by a sixteenth
    /// every 100 ms.
    private mutating func ageTolerance(_ now: Instant) {
        guard now - reorderedAt > .seconds(5) else { return }
        let steps = max(1, configuration.reportInterval.count / 100_000_000)
        for _ in 0..<min(steps, 64) where tolerance > .zero { tolerance = tolerance / 16 * 15 }
    }

    private mutating func writeRequest(into bytes: inout MutableRawSpan, _ ssrc: UInt32, _ now: Instant)
        -> Int
    {
        lastAsk = now
        let link = link
        let length =
            isFreshetPeer
            ? writeRepairRequest(into: &bytes, ssrc, now, link) : writeNACK(into: &bytes, ssrc, now, link)
        if length > 0 { statistics.requests += 1 }
        return length
    }

    /// True when hole `index` belongs into the request of `now`; counts it as asked.
    private mutating func takeAsk(_ index: Int, _ now: Instant, _ link: RepairPolicy.Link) -> Bool {
        let hole = holes[index]
        guard !hole.isFilled, hole.asksLeft > 0 else { return false }
        if hole.askEnd < now {
            holes[index].asksLeft = 0
            return false
        }
        // One that is not due yet goes along for free; one that nearly is counts as asked.
        let isDue = hole.nextAsk <= now + link.tick / 2
        if !isDue { return isFreshetPeer }
        holes[index].asksLeft -= 1
        holes[index].nextAsk = now + hole.askGap
        if holes[index].asksLeft > 0 { nextVisit = min(nextVisit, holes[index].nextAsk) }
        return true
    }

    private mutating func writeRepairRequest(
        into bytes: inout MutableRawSpan, _ ssrc: UInt32, _ now: Instant, _ link: RepairPolicy.Link
    ) -> Int {
        var base: Int64 = 0
        var used = 0
        var index = holes.index(from: askCursor)
        while index < holes.count {
            guard takeAsk(index, now, link) else {
                index += 1
                continue
            }
            let hole = holes[index]
            if used == 0 { base = hole.sequence }
            guard add(hole, base: base, now, link, used: &used) else { break }
            index += 1
        }
        isAskDue = index < holes.count
        if isAskDue { askCursor = holes[index].sequence }
        if used == 0 { return 0 }
        let request = RepairRequest(
            senderSSRC: configuration.ssrc, mediaSSRC: ssrc, spacing: RepairRequest.tenths(spacing(link)),
            roundTrip: RepairRequest.tenths(echo.roundTrip.smoothed ?? .zero), base: base)
        var writer = CompoundWriter(&bytes)
        writer.write(request, entries: entries.span.extracting(first: used))
        return writer.byteCount
    }

    /// Puts `hole` into the entries; false when the datagram is full.
    private mutating func add(
        _ hole: Hole, base: Int64, _ now: Instant, _ link: RepairPolicy.Link, used: inout Int
    ) -> Bool {
        let offset = hole.sequence &- base
        if offset > 0xFFFF { return false }
        let window = RepairRequest.tenths(hole.deadline - now - link.soonest - .microseconds(200))
        let round = hole.rounds &- 1
        if used > 0 {
            let last = entries[used - 1]
            let step = offset &- Int64(last.offset)
            if step <= 16, last.round == round, last.quarterCopies == hole.quarterCopies,
                last.allowsParity == hole.allowsParity, abs(Int(last.window) - Int(window)) <= 10
            {
                entries[used - 1].lostMask |= 1 << UInt16(step &- 1)
                entries[used - 1].window = min(last.window, window)
                return true
            }
        }
        if used >= RepairRequest.entryLimit { return false }
        entries[used] = RepairEntry(
            offset: UInt16(offset), round: round, allowsParity: hole.allowsParity,
            quarterCopies: hole.quarterCopies, window: window)
        used += 1
        return true
    }

    private mutating func writeNACK(
        into bytes: inout MutableRawSpan, _ ssrc: UInt32, _ now: Instant, _ link: RepairPolicy.Link
    ) -> Int {
        var used = 0
        var index = holes.index(from: askCursor)
        while index < holes.count {
            guard takeAsk(index, now, link) else {
                index += 1
                continue
            }
            guard addNACK(holes[index].sequence, used: &used) else { break }
            index += 1
        }
        isAskDue = index < holes.count
        if isAskDue { askCursor = holes[index].sequence }
        if used == 0 { return 0 }
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        if configuration.usesRanges {
            writer.writeRequest(mediaSSRC: ssrc, ranges: nackRanges.span.extracting(first: used))
        } else {
            writer.writeRequest(
                senderSSRC: configuration.ssrc, mediaSSRC: ssrc,
                entries: nackEntries.span.extracting(first: used))
        }
        return writer.byteCount
    }

    private mutating func addNACK(_ sequence: Int64, used: inout Int) -> Bool {
        let number = UInt16(truncatingIfNeeded: sequence)
        if used > 0 {
            if configuration.usesRanges {
                let last = nackRanges[used - 1]
                if number &- last.first == last.additionalCount &+ 1, last.additionalCount < .max - 1 {
                    nackRanges[used - 1].additionalCount += 1
                    return true
                }
            } else {
                let step = number &- nackEntries[used - 1].packetID
                if step >= 1, step <= 16 {
                    nackEntries[used - 1].lostMask |= 1 << (step - 1)
                    return true
                }
            }
        }
        if used >= RepairReceiver.nackLimit { return false }
        nackRanges[used] = NACKRange(first: number, additionalCount: 0)
        nackEntries[used] = NACKEntry(packetID: number, lostMask: 0)
        used += 1
        return true
    }
}
