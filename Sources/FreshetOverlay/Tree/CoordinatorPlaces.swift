import FreshetCore
import FreshetWire

/// Where members are when seen from outside, and who can reach whom: the kinds of NAT in RFC 4787's terms.
extension Coordinator {
    /// For so long after it came a member is vouched for at its host, whatever the port: its first parents are there before
    /// its port is known.
    static let hostVouchSpan = Nanoseconds.seconds(2)

    /// What a member's claim and its control connection tell of its place, before the mirrors have seen it.
    mutating func notePlace(_ index: Int, _ join: JoinMessage, observed: PeerAddress, isNew: Bool) {
        let isSeen = !observed.isLoopback && (observed.high != 0 || observed.low != 0)
        var address = join.addresses.first ?? observed
        // An address of its own choice must at least be on the host that we see, or nobody could be kept from aiming a
        // stream at others; the port is the member's to say. Who joins from this very host knows better how others reach
        // it.
        if isSeen {
            address.high = observed.high
            address.low = observed.low
        }
        records[index].admitted = now
        records[index].inside = join.addresses.first
        if !configuration.mirrorPorts.isEmpty { records[index].mirrorNonce = random.next() }
        // Where the mirrors saw it is where it still is, unless it comes back from another host.
        if !isNew, records[index].isPortKnown, records[index].address.isSameHost(as: address) { return }
        records[index].address = address
        records[index].isPortKnown = false
        records[index].isSeenThere = address.isLoopback || address.isSameHost(as: observed)
        records[index].claimedReach = join.reach
        records[index].reach = join.reach
        // Behind a NAT of a kind that is not known yet: nobody's parent. A source is all that there is.
        let isElsewhere = isSeen && join.addresses.first.map { !$0.isSameHost(as: observed) } ?? false
        if isElsewhere, !configuration.mirrorPorts.isEmpty, join.role != .source {
            records[index].reach = .closed
        }
    }

    /// The mirrors have seen `member`; only what they vouch for counts.
    mutating func noteOutside(_ member: Int, _ message: OutsideMessage) {
        var seen = [PeerAddress?](repeating: nil, count: configuration.mirrorPorts.count)
        for one in message.seen {
            let index = Int(one.mirror)
            let mirror = PlaceMirror(index, key: configuration.mirrorKey)
            guard index < seen.count,
                mirror.cookie(for: one.address, nonce: records[member].mirrorNonce) == one.cookie
            else {
                tally.ignoredCount += 1
                continue
            }
            seen[index] = one.address
        }
        let found = seen.compactMap { $0 }
        // Who is on this very host is seen at a loopback address, and knows better how others reach it.
        guard let first = found.first, !first.isLoopback || records[member].address.isLoopback else { return }
        let isOwn = first == records[member].inside
        let isOne = found.allSatisfy { $0 == first } && (found.count > 1 || isOwn)
        var reach = JoinMessage.Reach.closed
        if isOne { reach = isOwn ? .open : .mapped }
        if records[member].claimedReach == .closed || reach == .open { reach = records[member].claimedReach }
        // Perhaps somebody has opened a port for it: nobody has the stream without it.
        if member == source, reach == .closed { reach = records[member].claimedReach }
        records[member].isPortKnown = isOne
        records[member].isSeenThere = true
        records[member].address.high = first.high
        records[member].address.low = first.low
        if isOne { records[member].address.port = first.port }
        if records[member].reach != reach {
            records[member].reach = reach
            renewSlots(member)
        }
        refresh(member)
        if !orphans.isEmpty { orphanDeadline = now }
    }

    /// True when `child` can subscribe at `parent`: a NAT lets in what the parent can open it for, and that takes an
    /// address of the child that is the same towards everybody.
    func canReach(_ parent: Int, from child: Int) -> Bool {
        switch records[parent].reach {
        case .open: true
        case .mapped: records[child].reach != .closed
        case .closed: false
        }
    }

    /// Where `member` is inside a network that `other` is in too; `nil` when they are not behind one NAT.
    func inside(of member: Int, for other: Int) -> PeerAddress? {
        let (a, b) = (records[member], records[other])
        guard a.address.isSameHost(as: b.address), let inside = a.inside, let outer = b.inside,
            inside.isPrivate,
            outer.isPrivate, !inside.isSameHost(as: a.address), inside != outer
        else { return nil }
        return inside
    }

    /// What a ticket says of where `child` is: its address, or its host alone while it is new.
    func vouched(_ child: Int) -> (seenAt: PeerAddress?, isPortKnown: Bool) {
        let record = records[child]
        if record.isPortKnown { return (record.address, true) }
        let isNew = configuration.mirrorPorts.isEmpty || now - record.admitted < Coordinator.hostVouchSpan
        return (record.isSeenThere && isNew ? record.address : nil, false)
    }
}
