import FreshetCore

// What a member misses: when it asks, whom, and what keeps it from asking.
extension GroupRepair {
    /// From here on an elected member asks its segment first: about two of three packets that it missed were there.
    /// With one of two a second request would go out for every other loss, and those who did not hear the first would
    /// ask meanwhile.
    static var helpful: UInt8 { 128 }

    /// The most halvings of the window of waits.
    static var silenceLimit: UInt8 { 6 }

    /// The packets of `range` are missing: one wait for all of them, since one request will name them all.
    mutating func miss(_ range: Range<Int64>, now: Instant) {
        counts.missing &+= UInt64(range.count)
        missingSinceReport = UInt32(clamping: UInt64(missingSinceReport) &+ UInt64(range.count))
        // More than the table holds: the oldest would be given up at once.
        let room = Int64(configuration.holeCapacity)
        let first = max(range.lowerBound, range.upperBound &- room)
        counts.lost &+= UInt64(first &- range.lowerBound)
        if mode == .digest {
            for sequence in first..<range.upperBound {
                append(
                    GroupHole(
                        sequence: sequence, noticed: now, due: now + configuration.latency, scope: .segment))
            }
            return
        }
        let scope = firstScope(now: now)
        let yields = scope == .segment && yieldsToGroup()
        let wait = reorderWait + waitBeforeAsking(yields ? .group : scope, round: 0, noticed: now, now: now)
        for sequence in first..<range.upperBound {
            var hole = GroupHole(sequence: sequence, noticed: now, due: now + wait, scope: scope)
            hole.yields = yields
            append(hole)
        }
        if election.isElected, reorderWait == .zero { wantsLossNotice = true }
        if wait == .zero { advanceHoles(to: now) }
    }

    private mutating func append(_ hole: GroupHole) {
        if holes.append(hole) != nil { counts.lost &+= 1 }
    }

    /// How this member asks, as configured or as the source wants it.
    var mode: GroupFeedback {
        configuration.feedback == .multicast && isSourceSpecific ? .unicast : configuration.feedback
    }

    /// Whom a new hole is asked of first: the segment where somebody there answers and is not much farther than the source,
    /// for neighbours together have more to give than a source that must answer for all. An elected one for which the whole
    /// group waits asks beyond at once unless its segment did help: who has the packet there hears that, too, and answers.
    private mutating func firstScope(now: Instant) -> RepairScope {
        guard mode == .multicast, election.hasRepairer, segmentAnswer.smoothed < groupRoundTrip * 2 else {
            return .group
        }
        guard election.isElected else { return .segment }
        guard let heard = neighbourHeard, now - heard < .seconds(10) else { return .group }
        return isCaller(.group) && !isSegmentHelpful ? .group : .segment
    }

    /// True for an elected member that seldom found on its segment what it missed: it leaves a new hole to those who ask
    /// the group, for as long as one waits before asking that. What all have lost is asked for by then, and its segment is
    /// not asked in vain; what nobody asked for may be there.
    private func yieldsToGroup() -> Bool { election.isElected && !isSegmentHelpful }

    private var isSegmentHelpful: Bool { segmentHelp >= GroupRepair.helpful }

    private mutating func isCaller(_ scope: RepairScope) -> Bool {
        if scope == .segment { return election.isElected || segmentRole.isCaller }
        if election.isElected, !hasDrawnRole {
            // The elected members of all segments ask for everybody, and the source has not yet told them who is to
            // begin: about four of them do, and one of those is left after the first loss.
            hasDrawnRole = true
            if random.chance(configuration.segmentSizeEstimate * 4, in: sizeEstimate.value) {
                groupRole.appoint()
            }
        }
        return groupRole.isCaller
    }

    /// True when this member asks without a wait in `scope`, as one of those who call for all.
    func hasRole(_ scope: RepairScope) -> Bool {
        scope == .segment ? segmentRole.isCaller : groupRole.isCaller
    }

    /// The wait before asking. A caller has none, unless another that goes first asks for the same packet; others draw
    /// one from a window that doubles with each round that brought nothing, and that shrinks, within reason, when the
    /// packet would come too late.
    private mutating func waitBeforeAsking(
        _ scope: RepairScope, round: UInt8, isRare: Bool = false, mayCall: Bool = true, noticed: Instant,
        now: Instant
    ) -> Nanoseconds {
        if mayCall, isCaller(scope) { return .zero }
        let measured = scope == .segment ? segmentAnswer.smoothed : groupRoundTrip
        let trip = max(measured, configuration.reactionTime)
        var size = scope == .segment ? configuration.segmentSizeEstimate : sizeEstimate.value
        var base = configuration.backoffFactor
        if scope == .group, election.isElected {
            // Only the elected members of other segments ask beside this one: far fewer, who need less of a window.
            size = max(1, size / max(1, configuration.segmentSizeEstimate))
            let lambda = NackBackoff.naturalLogarithm(of: size) &+ (1 << 16)
            base = max(1, base &* lambda / (NackBackoff.naturalLogarithm(of: 10_000) &+ (1 << 16)))
        }
        var factor = base &<< Int64(min(round, 4))
        if scope == .segment { factor = factor &* segmentStretch.factor }
        // What comes after the wait: the answer, and on the segment a round beyond it where it has none.
        var after = measured + measured / 4
        if scope == .segment {
            after = after + groupRoundTrip + groupRoundTrip / 4
        } else if election.isElected {
            after = after + quietTime(.segment)
        }
        let slack = noticed + configuration.latency - now
        let useful = trip.count > 0 ? (slack - after).count / trip.count : factor
        // Below three round trips too many would ask before they hear each other; once asked for, a packet
        // is missed by few.
        let least = measured.count * min(base, round == 0 && !isRare ? 3 : 1)
        var window = max(trip.count * min(factor, useful), least)
        if scope == .group { window >>= Int64(silentLosses) }
        let wait = NackBackoff.draw(window: Nanoseconds(window), groupSize: size, random: &random)
        // Where the whole segment misses most of what is missed, the elected member's announcement is waited for as well.
        return scope == .segment && round == 0 && segmentRole.areLossesShared ? wait + measured : wait
    }

    /// How long to wait for the repair after a request of one's own or of another.
    func quietTime(_ scope: RepairScope) -> Nanoseconds {
        switch scope {
        // Time for the elected one, and when it is silent for the next.
        case .segment: segmentAnswer.timeout * 2
        case .group:
            max(groupRoundTrip / 4, min(groupAnswer.timeout, groupRoundTrip + groupRoundTrip / 4))
        }
    }

    /// Takes every hole whose time has come one step further.
    mutating func advanceHoles(to now: Instant) {
        var index = 0
        while index < holes.count {
            let before = holes.count
            let hole = holes[index]
            if hole.phase != .closed {
                if now - hole.noticed >= configuration.latency {
                    giveUp(index, now: now)
                } else if hole.due <= now {
                    step(index, now: now)
                }
            }
            // Closing a hole may take places from the front.
            index = max(0, index &+ 1 &- (before &- holes.count))
        }
        holes.settle()
        for index in 0..<holes.count where holes[index].phase == .asking {
            holes.wake(at: holes[index].noticed + configuration.latency)
        }
    }

    private mutating func step(_ index: Int, now: Instant) {
        var hole = holes[index]
        switch hole.phase {
        case .waiting:
            if hole.yields, shouldLeaveSegment(hole, now: now) { enterGroup(&hole) }
            let trip = hole.scope == .segment ? segmentAnswer.smoothed : groupAnswer.smoothed
            // An answer that cannot come in time is not asked for: quiet up to the end.
            if mode == .digest || hole.noticed + configuration.latency - now < trip / 4 {
                hole.phase = .quiet
                hole.due = hole.noticed + configuration.latency
            } else {
                hole.phase = .asking
                hasAskingHoles = true
            }
        case .quiet:
            if hole.promiser != .max {
                // What was announced may only be late: it is a lie when this member has to ask for it itself.
                if hole.wasPromised {
                    hole.liar = hole.promiser
                } else {
                    promises.breakPromise(hole.promiser, now: now)
                }
            }
            hole.promiser = .max
            hole.wasPromised = false
            judge(hole, isAnswered: false)
            // Somebody took care of it before: few miss it still.
            let isRare = hole.rounds > 0 && (hole.heard > 0 || hole.suppressions > 0)
            // Who has left the group the time to ask has waited enough.
            var hasWaited = false
            if hole.scope == .segment, shouldLeaveSegment(hole, now: now) {
                hasWaited = hole.yields
                enterGroup(&hole)
            }
            hole.phase = .waiting
            hole.wasAnnounced = false
            // The best of those who asked the group asks again for all; the others hear it before their waits end.
            let isBest = hole.scope == .group && hole.asks > 0 && hole.betterHeard == 0
            let wait: Nanoseconds =
                isBest && mode == .multicast || hasWaited
                ? .zero
                : waitBeforeAsking(
                    hole.scope, round: hole.rounds, isRare: isRare, mayCall: hole.betterHeard == 0,
                    noticed: hole.noticed, now: now)
            hole.due = now + wait
            if hole.due <= now {
                holes[index] = hole
                step(index, now: now)
                return
            }
        case .asking, .closed:
            break
        }
        holes[index] = hole
    }

    private func shouldLeaveSegment(_ hole: GroupHole, now: Instant) -> Bool {
        // That nobody answers the elected one itself says enough: all who heard it miss the packet too.
        if hole.rounds >= (election.isElected ? 1 : configuration.segmentRounds) { return true }
        let slack = hole.noticed + configuration.latency - now
        return slack < quietTime(.segment) + groupRoundTrip + groupRoundTrip / 4
    }

    private func enterGroup(_ hole: inout GroupHole) {
        hole.scope = .group
        hole.yields = false
        hole.rounds = 0
        hole.asks = 0
        hole.heard = 0
        hole.betterHeard = 0
        hole.suppressions = 0
        hole.wasAskedAtOnce = false
        hole.wasAskedFirst = false
    }

    /// What the requests for `hole` say about who asks at once and how long the others wait.
    private mutating func judge(_ hole: GroupHole, isAnswered: Bool) {
        guard mode == .multicast else { return }
        switch hole.scope {
        case .segment:
            if hole.wasPromised {
                segmentRole.meetSharedLoss()
            } else {
                segmentRole.judge(hole, isAnswered: isAnswered)
            }
        case .group:
            // Where another is elected, that one calls for all.
            if election.holder == nil {
                // Before an answer nobody has taken the role over.
                var judged = hole
                if !isAnswered { judged.betterHeard = 0 }
                groupRole.judge(judged, isAnswered: isAnswered)
            }
            if hole.asks > 0 || hole.heard > 0 {
                if silentLosses > 0 { silentLosses &-= 1 }
                sizeEstimate.note(requests: Int(hole.asks) &+ Int(hole.heard))
            }
        }
    }

    private mutating func close(_ index: Int) {
        if let old = settled.settle(holes[index]), old.scope == .segment, old.requestCount > 0 {
            segmentStretch.note(requests: old.requestCount)
        }
        holes.close(index)
    }

    private mutating func giveUp(_ index: Int, now: Instant) {
        if holes[index].promiser != .max { promises.breakPromise(holes[index].promiser, now: now) }
        if holes[index].liar != .max { promises.breakPromise(holes[index].liar, now: now) }
        noteSilence(holes[index])
        counts.lost &+= 1
        receptionLoss &+= 1
        close(index)
    }

    /// Nobody asked for `hole` although there was time for an answer: what is believed of the group's size and round trip,
    /// by the source's word or by the word of those who report to it, keeps everybody waiting for too long.
    private mutating func noteSilence(_ hole: GroupHole) {
        guard mode == .multicast, hole.scope == .group || hole.yields, hole.asks == 0, hole.heard == 0,
            hole.suppressions == 0,
            configuration.latency > groupAnswer.smoothed * 2
        else { return }
        silentLosses = min(silentLosses &+ 1, GroupRepair.silenceLimit)
    }

    /// A missing packet came.
    mutating func fill(_ index: Int, isRetransmission: Bool, isLocal: Bool?, now: Instant) {
        let hole = holes[index]
        if isRetransmission {
            if hole.promiser != .max { promises.keep(hole.promiser) }
            if hole.liar != .max, hole.asks > 0 { promises.breakPromise(hole.liar, now: now) }
            // Asked for once, by this member alone: only then it is known what the repair answers.
            let isAnswer = hole.asks == 1 && hole.heard == 0 && hole.suppressions == 0
            let isNear = isLocal ?? (hole.scope == .segment)
            if isNear {
                counts.recoveredByNeighbour &+= 1
                segmentHelp = UInt8(min(255, Int(segmentHelp) &+ 16))
                if isAnswer, hole.scope == .segment { segmentAnswer.note(now - hole.askedAt) }
            } else {
                counts.recoveredBySource &+= 1
                segmentHelp &-= segmentHelp / 4
                if isAnswer, hole.scope == .group { groupAnswer.note(now - hole.askedAt) }
            }
            judge(hole, isAnswered: isNear == (hole.scope == .segment))
            reorderWait = max(configuration.reorderWait, reorderWait - reorderWait / 16)
        } else {
            counts.reordered &+= 1
            // Late, not lost: the next gap is given as long as this one took, and a little more.
            let lateness = (now - hole.noticed) * 5 / 4
            reorderWait = min(max(reorderWait, lateness), configuration.latency / 4)
        }
        close(index)
    }

    /// A request of another for `sequence` was heard.
    mutating func hearRequest(_ sequence: Int64, _ ask: inout Ask, now: Instant) {
        guard let index = holes.index(of: sequence) else { return hearLate(sequence, ask, now: now) }
        guard let place = promisePlace(of: &ask, now: now) else { return }
        var hole = holes[index]
        if ask.scope == .segment, hole.scope == .group { return }
        if ask.scope == .segment, hole.yields, hole.phase == .waiting {
            // The segment is asked by another: what it has comes before the wait ends.
            enterGroup(&hole)
            holes[index] = hole
            return
        }
        if hole.scope == .segment, ask.scope == .group {
            // That another segment asks the group says nothing to one that is being asked here, but to the
            // elected member: the packet was lost above both.
            if election.isElected {
                enterGroup(&hole)
                if hole.phase == .quiet { hole.phase = .waiting }
            } else if !ask.isLocal {
                return
            }
        }
        if hole.heard < .max { hole.heard &+= 1 }
        // An elected member gives way to none of its own segment.
        let isBetter = ask.ssrc < configuration.ssrc && !(ask.isLocal && election.isElected)
        // Those who ask the group again because a repair was lost do not compete for asking first.
        let competes = hole.scope == .segment || hole.rounds <= 1
        if isBetter, competes, hole.betterHeard < .max { hole.betterHeard &+= 1 }
        if hole.asks == 0, hole.heard == 1 { hole.askedAt = now }
        // Who asks again after a repair that was lost is heard when the quiet that its first request brought is just over,
        // or a moment before.
        let isRepeat =
            hole.phase == .quiet && hole.scope == .group && hole.due - now < quietTime(.group) / 4
        if hole.phase == .waiting || hole.phase == .asking || isRepeat {
            hole.rounds = min(hole.rounds &+ 1, 200)
            let quiet = quietTime(ask.scope)
            // A little longer than the asker itself, who asks again first when nothing comes.
            let margin = ask.scope == .group ? quiet / 8 : .zero
            beQuiet(&hole, until: now + quiet + margin, place: place)
        }
        holes[index] = hole
        holes.wake(at: hole.due)
    }

    /// The asker's place in the table of promises, 255 for a request to the segment; `nil` when it is ignored.
    /// Looked up only by those who miss what it asks for.
    private mutating func promisePlace(of ask: inout Ask, now: Instant) -> UInt8? {
        if ask.scope == .segment { return .max }
        if case .unknown = ask.promise {
            if let place = promises.place(of: ask.peer, now: now) {
                ask.promise = .place(place)
            } else {
                ask.promise = .ignored
                counts.ignored &+= 1
            }
        }
        if case .place(let place) = ask.promise { return place }
        return nil
    }

    /// A request of another for a packet that is not missed any more, or never was.
    private mutating func hearLate(_ sequence: Int64, _ ask: Ask, now: Instant) {
        guard settled.contains(sequence), ask.scope == .segment || !promises.ignores(ask.peer, now: now)
        else { return }
        let isBetter = ask.ssrc < configuration.ssrc && !(ask.isLocal && election.isElected)
        guard let entry = settled.hear(sequence, ask.scope, isBetter: isBetter), isBetter, entry.wasAsked
        else { return }
        switch entry.scope {
        case .segment: segmentRole.judge(betterHeard: entry.betterHeard)
        case .group: if election.holder == nil { groupRole.judge(betterHeard: entry.betterHeard) }
        }
    }

    /// Keeps `hole` from being asked for; three times at most, so that nobody can keep it from it for good.
    private mutating func beQuiet(_ hole: inout GroupHole, until due: Instant, place: UInt8) {
        guard hole.suppressions < 3 else { return }
        hole.suppressions &+= 1
        hole.phase = .quiet
        hole.due = min(due, hole.noticed + configuration.latency)
        hole.promiser = place
        counts.suppressed &+= 1
    }

    /// Somebody who takes care of `sequence` says so, for as long as `due`.
    mutating func hearNotice(_ sequence: Int64, place: UInt8, until due: Instant, now: Instant) {
        guard let index = holes.index(of: sequence) else { return }
        var hole = holes[index]
        guard hole.suppressions < 3, hole.liar != place else { return }
        // Half of what is left of the time at most: a promise that is broken must leave time for another way.
        let half = now + (hole.noticed + configuration.latency - now) / 2
        let end = min(due, half)
        // The same promise again is no other.
        if hole.phase == .quiet, hole.due >= end || hole.promiser == place { return }
        beQuiet(&hole, until: end, place: place)
        hole.wasPromised = true
        holes[index] = hole
        holes.wake(at: hole.due)
    }
}
