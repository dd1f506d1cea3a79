public import FreshetCore
import FreshetWire

// What a holder of packets does for those who miss them.
extension GroupRepair {
    /// A packet is asked for aloud: answer it at once, later, or not.
    mutating func consider(_ sequence: Int64, _ ask: Ask, now: Instant) {
        if isSource {
            considerAsSource(sequence, ask, now: now)
            return
        }
        guard ask.isLocal, held.contains(sequence) else { return }
        // The elected one answers at once. The others answer when it is itself who asks, or when it was
        // asked before and the asker still has nothing; then one of them comes first.
        var patience = segmentAnswer.timeout
        if let said = ask.patience { patience = min(patience, said - said / 4) }
        if !election.isElected, let holder = election.holder, holder.ssrc != ask.ssrc,
            !answers.isUnanswered(sequence, patience: patience, now: now)
        {
            return
        }
        guard askers.allow(ask.peer) else {
            counts.overLimit &+= 1
            return
        }
        var wait = Nanoseconds.zero
        if !election.isElected {
            let window = segmentAnswer.smoothed * configuration.backoffFactor
            let size = configuration.segmentSizeEstimate
            wait = NackBackoff.draw(window: window, groupSize: size, random: &random)
        }
        _ = answers.request(
            sequence, scope: .segment, due: now + wait, holdOff: patience, now: now)
    }

    private mutating func considerAsSource(_ sequence: Int64, _ ask: Ask, now: Instant) {
        // Its own segment's repairer was asked, not the source.
        if ask.scope == .segment, election.hasRepairer { return }
        guard held.contains(sequence) else {
            counts.refused &+= 1
            return
        }
        guard askers.allow(ask.peer) else {
            counts.overLimit &+= 1
            return
        }
        // Requests of the time in which the repair is still on its way to the farthest member ask for what
        // is coming. Who asks again after the quiet time of a quarter more has not got it.
        let holdOff = census.roundTrip + census.roundTrip / 8
        let isNew = answers.request(
            sequence, scope: .group, due: now + configuration.answerHoldOff, holdOff: holdOff, now: now)
        if isNew, ask.ssrc != 0 {
            namedCaller = ask.ssrc
            hasGroupCaller = true
        }
    }

    /// A packet is missing in a digest: a repair to its sender alone, or to the segment when others miss it too.
    mutating func considerDigest(_ sequence: Int64, peer: Peer, now: Instant) {
        guard held.contains(sequence) else {
            if let highest, sequence > highest { counts.refused &+= 1 }
            return
        }
        guard askers.allow(peer) else {
            counts.overLimit &+= 1
            return
        }
        // All digests of one interval first, so that one repair answers all of them.
        _ = answers.request(
            sequence, scope: isSource ? .group : .segment, onlyAsker: peer,
            due: now + configuration.digestInterval, holdOff: configuration.digestInterval * 2, now: now)
    }

    /// The next repair to send, copied into a slot of `pool`; `nil` when there is none, the allowance is
    /// used up, or the pool is empty.
    public mutating func nextRepair(pool: PacketPool, now: Instant) -> OutgoingRepair? {
        while let answer = answers.next() {
            guard let packet = held.copy(answer.sequence, from: pool) else {
                answers.finish(answer.sequence, now: now)
                continue
            }
            answers.finish(answer.sequence, now: now)
            guard allowance.pay(packet.byteCount) else {
                // Whoever still wants it asks again.
                counts.overLimit &+= 1
                continue
            }
            counts.repairs &+= 1
            counts.repairBytes &+= UInt64(packet.byteCount)
            return OutgoingRepair(packet: packet, destination: answer.destination)
        }
        return nil
    }

    /// True when ``nextRepair(pool:now:)`` has something to give.
    public var hasRepairs: Bool { answers.hasReady }
}
