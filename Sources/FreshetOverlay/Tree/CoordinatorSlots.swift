import FreshetCore
import FreshetWire

/// How many children each member's uplink carries, and how deep the tree need be with them.
extension Coordinator {
    /// Reckons the places of a member that joins, and the stripe it is to forward.
    mutating func assignSlots(_ index: Int, _ join: JoinMessage) {
        if join.role == .source, join.streamKilobits > 0 { streamKilobits = join.streamKilobits }
        records[index].childLimit = join.childLimit
        records[index].uplinkKilobits = join.uplinkKilobits
        records[index].mayForward = join.forwards && join.reach != .closed
        let slots = Int64(slots(of: index))
        records[index].slotLimit = Int32(slots)
        if slots > 0 { forwarderCount += 1 }
        slotCount += slots
        chooseHome(index, slots)
    }

    /// Who forwards does so for the poorest stripe; the source for all.
    private mutating func chooseHome(_ index: Int, _ slots: Int64) {
        guard records[index].role != .source, forest.stripeCount > 1, slots > 0 else { return }
        let poorest = slotsOfStripe.indices.min { slotsOfStripe[$0] < slotsOfStripe[$1] } ?? 0
        records[index].home = poorest
        slotsOfStripe[poorest] += slots
    }

    /// Children of one stripe each: as the member said, bound by its uplink once the stream's rate is known. Who said
    /// nothing has the usual number, or what fits in three quarters of what it measured, if that is less.
    private func slots(of index: Int) -> Int {
        let record = records[index]
        guard record.mayForward, record.reach != .closed else { return 0 }
        let stripes = configuration.totalStripes
        let most = configuration.childrenLimit * stripes
        var slots = record.childLimit > 0 ? Int(record.childLimit) * stripes : Int.max
        if record.uplinkKilobits > 0, streamKilobits > 0 {
            let carried =
                UInt64(record.uplinkKilobits) * UInt64(configuration.stripeCount) / UInt64(streamKilobits)
            slots = min(slots, Int(carried))
        } else if slots == .max {
            slots = configuration.defaultChildren * stripes
            if record.measuredKilobits > 0, streamKilobits > 0 {
                let usable = UInt64(record.measuredKilobits) * 3 / 4
                let carried = usable * UInt64(configuration.stripeCount) / UInt64(streamKilobits)
                slots = min(slots, Int(carried))
            }
        }
        return min(slots, most)
    }

    /// `member` is gone, and its places with it.
    mutating func releaseSlots(_ member: Int) {
        let slots = Int64(records[member].slotLimit)
        if let home = records[member].home { slotsOfStripe[home] -= slots }
        if slots > 0 { forwarderCount -= 1 }
        slotCount -= slots
    }

    /// The source says how fast the stream is: what an uplink carries is known now, or is another number than before.
    mutating func noteRate(_ kilobits: UInt32) {
        streamKilobits = kilobits
        // A rate varies; what changes by less than an eighth changes nobody's places.
        let change = Int64(kilobits) - Int64(slotKilobits)
        guard kilobits > 0, abs(change) * 8 > Int64(slotKilobits) else { return }
        guard records.contains(where: { $0.hasUplink }) else { return }
        slotKilobits = kilobits
        for member in records.indices
        where !records[member].isRemoved && records[member].hasUplink {
            renewSlots(member)
        }
    }

    /// `member` has measured its uplink.
    mutating func noteUplink(_ member: Int, _ kilobits: UInt32) {
        if kilobits == 0 || kilobits == records[member].measuredKilobits { return }
        records[member].measuredKilobits = kilobits
        renewSlots(member)
    }

    mutating func renewSlots(_ member: Int) {
        let old = Int64(records[member].slotLimit)
        let new = Int64(slots(of: member))
        if old == new { return }
        records[member].slotLimit = Int32(new)
        slotCount += new - old
        forwarderCount += (new > 0 ? 1 : 0) - (old > 0 ? 1 : 0)
        if let home = records[member].home {
            slotsOfStripe[home] += new - old
        } else {
            chooseHome(member, new)
        }
        refresh(member)
        welcome(member)
        // The children that came last are given another parent; they keep this one until that sends.
        for stripe in 0..<forest.stripeCount {
            for child in forest.children(member, stripe) where Int64(records[member].childCount) > new {
                regraft(child, stripe, awayFrom: member)
            }
        }
    }

    /// As deep as a full tree of so many members with as many places each as these have, and one level more.
    var usualDepth: Int {
        let fanOut = forwarderCount > 0 ? Int(slotCount) / forwarderCount : 0
        // A coordinator that has just come back does not know the tree yet.
        guard fanOut > 1, settledAt == nil else { return configuration.depthLimit }
        var levels = 1
        var reached = fanOut
        while reached < memberCount - 1 {
            reached *= fanOut
            levels += 1
        }
        return min(levels + 1, configuration.depthLimit)
    }
}
