internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// The parity stripe of a tree's member. See ``ParityStripe``.
extension TreeMember {
    /// Begins with parity where the coordinator wants it; false where there is none.
    func hasParity() -> Bool {
        if parity != nil { return true }
        guard node.hasParityStripe else { return false }
        parity = ParityStripe(stripeCount: node.stripeCount, isSource: node.isSource)
        return true
    }

    /// The source made `packet`, the last of a group perhaps: the group's sum is sent behind it.
    func sendParity(behind packet: borrowing Packet, now: Instant) {
        guard hasParity(), let parity else { return }
        parity.note(packet)
        guard let sum = parity.sum(behind: packet, pool: pool) else { return }
        forwardParity(sum, sum.info.extendedSequence, from: nil, now: now)
    }

    /// Forwards a sum that is new; false for a copy.
    @discardableResult
    private func forwardParity(
        _ packet: borrowing Packet, _ first: Int64, from link: Int?, now: Instant
    ) -> Bool {
        let noted = node.note(first, isParity: true, from: link, now: now)
        if noted.isNew, noted.stripe < fanOuts.count { fanOuts[noted.stripe].append(packet, now: now) }
        return noted.isNew
    }

    /// A sum came from `link`.
    @inline(never)
    func takeParity(
        _ packet: consuming Packet, from link: Int, into output: inout PacketBatch, delivers: Bool,
        context: inout StageContext
    ) {
        guard hasParity(), isAligned, let parity, let first = parity.first(in: packet, ssrc: epoch),
            let highest = node.highestSequence, abs(first &- highest) <= Int64(ParityStripe.window)
        else { return context.drop(packet, .foreign) }
        guard forwardParity(packet, first, from: link, now: context.now) else {
            return context.drop(packet, .duplicate)
        }
        context.counters.add(.parityIn)
        let former = parity.malformedCount
        parity.take(packet)
        context.counters.add(.malformed, parity.malformedCount - former)
        takeRecovered(into: &output, delivers: delivers, context: &context)
    }

    /// Takes what parity has given back as if it had come.
    func takeRecovered(into output: inout PacketBatch, delivers: Bool, context: inout StageContext) {
        guard let parity else { return }
        while let packet = parity.next(pool: context.pool) {
            let noted = node.note(packet.info.extendedSequence, from: nil, now: context.now)
            if !noted.isNew { continue }
            packet.info.arrival = context.now
            packet.info.epoch = epochCount
            context.counters.add(.recoveredByFEC)
            keep(packet, stripe: noted.stripe, now: context.now)
            if delivers, !outlet.give(packet, to: &output) { context.counters.add(.queueDrops) }
        }
    }
}
