public import FreshetCore
import FreshetWire

// The control datagrams that leave.
extension GroupRepair {
    /// Room that the longest datagram needs.
    public static var datagramByteCount: Int { 512 }

    /// The next control datagram, written to the front of `bytes` (``datagramByteCount`` are enough), and
    /// where it is to go; `nil` when there is none.
    public mutating func nextTransmit(
        into bytes: inout MutableRawSpan, now: Instant
    ) -> (destination: Destination, byteCount: Int)? {
        if isSource { return writeAdvice(into: &bytes, now: now) }
        if let notice = election.nextNotice(mediaSSRC: mediaSSRC, now: now) {
            var writer = CompoundWriter(&bytes)
            begin(&writer)
            writer.write(notice)
            return (.segment, writer.byteCount)
        }
        if let request = nextRequest(into: &bytes, now: now) { return request }
        if let due = nextDigest, due <= now {
            nextDigest = now + configuration.digestInterval
            if let digest = writeDigest(into: &bytes) { return digest }
        }
        return writeReport(into: &bytes, now: now)
    }

    /// A report that says nothing, and the name, as every compound packet begins (RFC 3550 §6.1).
    private func begin(_ writer: inout CompoundWriter) {
        writer.writeReceiverReport(ssrc: configuration.ssrc)
        if let name = configuration.name { writer.writeDescription(ssrc: configuration.ssrc, name: name) }
    }

    // MARK: Requests

    private mutating func nextRequest(
        into bytes: inout MutableRawSpan, now: Instant
    ) -> (destination: Destination, byteCount: Int)? {
        if !hasAskingHoles, !wantsLossNotice { return nil }
        var entries = EntryList()
        if hasAskingHoles {
            if let scope = firstAskingScope() {
                collect(scope, into: &entries, now: now)
                if scope == .group { return writeGroupRequest(entries, into: &bytes) }
            } else {
                hasAskingHoles = false
            }
        }
        let notice = wantsLossNotice || election.isElected && !entries.isEmpty ? noticeEntries() : EntryList()
        wantsLossNotice = false
        if entries.isEmpty, notice.isEmpty { return nil }
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        let patience = UInt16(clamping: max(1, quietTime(.segment).count / 10_000))
        writer.write(SegmentMark(senderSSRC: configuration.ssrc, patience: patience))
        if !notice.isEmpty {
            // The wait of one who is not the group's caller, and the answer.
            let wait = groupRole.isCaller ? .zero : groupRoundTrip * 2
            let span = quietTime(.segment) + wait + groupRoundTrip * 5 / 4
            let lifetime = UInt16(clamping: span.count / 100_000)
            writer.write(
                LossNotice(senderSSRC: configuration.ssrc, mediaSSRC: mediaSSRC, lifetime: lifetime),
                entries: notice.span)
        }
        if !entries.isEmpty {
            counts.segmentRequests &+= 1
            writer.writeRequest(
                senderSSRC: configuration.ssrc, mediaSSRC: mediaSSRC, entries: entries.span)
        }
        return (.segment, writer.byteCount)
    }

    private mutating func writeGroupRequest(
        _ entries: borrowing EntryList, into bytes: inout MutableRawSpan
    ) -> (destination: Destination, byteCount: Int)? {
        var destination = Destination.group
        if mode == .unicast {
            guard let peer = configuration.upstream ?? sourcePeer else { return nil }
            destination = .peer(peer)
        }
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        counts.groupRequests &+= 1
        writer.writeRequest(senderSSRC: configuration.ssrc, mediaSSRC: mediaSSRC, entries: entries.span)
        return (destination, writer.byteCount)
    }

    private func firstAskingScope() -> RepairScope? {
        for index in 0..<holes.count where holes[index].phase == .asking { return holes[index].scope }
        return nil
    }

    /// The holes to ask for, and with them those of the same scope that are still waiting: one request names all.
    private mutating func collect(_ scope: RepairScope, into entries: inout EntryList, now: Instant) {
        for index in 0..<holes.count where holes[index].scope == scope {
            var hole = holes[index]
            let isRipe =
                hole.phase == .asking
                || hole.phase == .waiting && !hole.yields && now - hole.noticed >= reorderWait
            guard isRipe, entries.append(hole.sequence) else { continue }
            if hole.asks == 0 {
                hole.wasAskedFirst = hole.heard == 0
                hole.wasAskedAtOnce = now - hole.noticed <= reorderWait || hasRole(scope)
                if hole.heard == 0 { hole.askedAt = now }
            }
            if hole.asks < .max { hole.asks &+= 1 }
            hole.rounds = min(hole.rounds &+ 1, 200)
            hole.phase = .quiet
            hole.due = min(now + quietTime(scope), hole.noticed + configuration.latency)
            holes[index] = hole
            holes.wake(at: hole.due)
        }
    }

    /// What an elected repairer misses itself: the segment need not ask for it.
    private mutating func noticeEntries() -> EntryList {
        var entries = EntryList()
        for index in 0..<holes.count where holes[index].phase != .closed && !holes[index].wasAnnounced {
            if !entries.append(holes[index].sequence) { break }
            holes[index].wasAnnounced = true
        }
        return entries
    }

    // MARK: Reports, digests, advice

    private mutating func writeReport(
        into bytes: inout MutableRawSpan, now: Instant
    ) -> (destination: Destination, byteCount: Int)? {
        guard let advice, let interval = reportClock.interval else { return nil }
        // Who answers for a segment offers once to ask for all, unless somebody does already.
        let isOffer =
            election.isElected && mode == .multicast && !hasOffered && !advice.flags.contains(.hasGroupCaller)
        if isOffer { hasOffered = true }
        guard isOffer || reportClock.take(now: now, random: &random) else { return nil }
        let expected = UInt64(receivedSinceReport) &+ UInt64(missingSinceReport)
        let fraction = expected == 0 ? 0 : UInt64(missingSinceReport) &* 256 / expected
        if !isOffer {
            receivedSinceReport = 0
            missingSinceReport = 0
        }
        let report = GroupReport(
            senderSSRC: configuration.ssrc, mediaSSRC: mediaSSRC, fractionLost: UInt8(clamping: fraction),
            flags: isOffer ? .isOffer : [], interval: UInt32(clamping: interval.count / 1_000_000),
            stamp: advice.stamp,
            delay: UInt32(clamping: (now - adviceHeard).count / 1000))
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        writer.write(report)
        return (sourcePeer.map { .peer($0) } ?? .group, writer.byteCount)
    }

    private mutating func writeDigest(
        into bytes: inout MutableRawSpan
    ) -> (destination: Destination, byteCount: Int)? {
        guard holes.openCount > 0, let highest else { return nil }
        let elected = election.isElected ? nil : election.holder?.peer
        guard let peer = configuration.upstream ?? elected ?? sourcePeer else { return nil }
        var digest = AckDigest(
            senderSSRC: configuration.ssrc, mediaSSRC: mediaSSRC, base: holes[0].sequence)
        var index = 0
        for sequence in holes[0].sequence...highest {
            while index < holes.count, holes[index].sequence < sequence { index &+= 1 }
            let isMissing =
                index < holes.count && holes[index].sequence == sequence && holes[index].phase != .closed
            if !digest.append(isMissing: isMissing) { break }
        }
        var writer = CompoundWriter(&bytes)
        begin(&writer)
        writer.write(digest)
        return (.peer(peer), writer.byteCount)
    }

    private mutating func writeAdvice(
        into bytes: inout MutableRawSpan, now: Instant
    ) -> (destination: Destination, byteCount: Int)? {
        let isDue = nextAdvice.map { $0 <= now } ?? false
        guard isDue || wantsAdvice else { return nil }
        wantsAdvice = false
        if isDue {
            nextAdvice = now + configuration.noticeInterval
            if advice != nil { census.turn() }
        }
        var flags: GroupAdvice.Flags = configuration.feedback == .unicast ? .isSourceSpecific : []
        if hasGroupCaller { flags.insert(.hasGroupCaller) }
        let made = GroupAdvice(
            ssrc: mediaSSRC, flags: flags,
            groupRoundTrip: UInt32(clamping: census.roundTrip.count / 1000),
            groupSize: UInt32(clamping: census.size),
            reportInterval: UInt32(clamping: census.reportInterval.count / 1_000_000), stamp: stamp(now),
            caller: namedCaller)
        advice = made
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: mediaSSRC)
        if let name = configuration.name { writer.writeDescription(ssrc: mediaSSRC, name: name) }
        writer.write(made)
        return (.group, writer.byteCount)
    }
}
