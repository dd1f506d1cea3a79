import FreshetCore
import FreshetWire

/// The last step: a datagram at those it goes to, one or a whole class at once.
extension World where Node: ~Copyable {
    /// A datagram is at all members of a class.
    mutating func reachesClass(_ index: Int32, _ cargo: consuming Cargo) {
        let group = Int(index)
        digest.mix(now, 4, cargo.sender, index, cargo.wireByteCount)
        if net.groups[group].isPersonal { return spread(cargo, over: group) }
        net.groups[group].stamp &+= 1
        net.groups[group].loss.next(into: &losers)
        for place in losers.indices {
            let member = Int(losers[place])
            net.groups[group].lostStamp[member] = net.groups[group].stamp
            digest.mix(UInt64(member))
        }
        let number = originalNumber(of: cargo)
        if let number {
            let count = losers.count { net.groups[group].isPresent[Int($0)] }
            line.checkers.lost(number, for: count)
            if net.groups[group].last >= 0, number != net.groups[group].last + 1 {
                wakeAll(group)
            }
            wakeLosers(group)
            tellAwake(cargo, group, number)
        } else {
            tellEverybody(cargo, group)
        }
    }

    /// The number of a media packet on its first way; `nil` for every other datagram.
    private func originalNumber(of cargo: borrowing Cargo) -> Int64? {
        guard cargo.channel == .media, !MediaPacket.isRetransmission(cargo.packet.bytes) else { return nil }
        return MediaPacket.number(of: cargo.packet.bytes)
    }

    /// Members with lines of their own take it each by itself.
    private mutating func spread(_ cargo: consuming Cargo, over group: Int) {
        let first = Int32(net.groups[group].firstAttachment)
        for member in 0..<net.groups[group].count where net.groups[group].isPresent[member] {
            let attachment = net.attachments[Int(first) + member]
            if attachment.node == cargo.sender { continue }
            if attachment.isDownCut {
                lose(cargo.copy(), for: 1)
                continue
            }
            pass(
                cargo.copy(), over: attachment.down, to: .reachesMember, first + Int32(member), losing: 1)
        }
    }

    private mutating func wakeAll(_ group: Int) {
        for member in 0..<net.groups[group].count
        where net.groups[group].isPresent[member] && !net.groups[group].isAwake(member) {
            rouse(group, member)
        }
    }

    private mutating func wakeLosers(_ group: Int) {
        for place in losers.indices {
            let member = Int(losers[place])
            if net.groups[group].isPresent[member] && !net.groups[group].isAwake(member) {
                rouse(group, member)
            }
        }
    }

    private mutating func rouse(_ group: Int, _ member: Int) {
        catchUp(net.groups[group].firstNode + Int32(member))
        net.groups[group].wake(member)
    }

    /// The packet goes to those who are awake; those asleep are told later. Then those go to sleep who may.
    private mutating func tellAwake(_ cargo: consuming Cargo, _ group: Int, _ number: Int64) {
        note(number, cargo.packet, group)
        let first = Int32(net.groups[group].firstAttachment)
        let stamp = net.groups[group].stamp
        for word in net.groups[group].awake.indices {
            var bits = net.groups[group].awake[word]
            while bits != 0 {
                let member = (word << 6) + bits.trailingZeroBitCount
                bits &= bits - 1
                let attachment = net.attachments[Int(first) + member]
                if attachment.isDownCut {
                    line.checkers.lost(number, for: 1)
                } else if net.groups[group].lostStamp[member] != stamp && attachment.node != cargo.sender {
                    deliver(cargo.copy(), to: first + Int32(member))
                }
            }
        }
        if number >= net.groups[group].sweptThrough + PacketLog.capacity / 2 { sweep(group) }
    }

    /// Keeps the packet for those asleep, with its arrival by the clock that the class would have without
    /// drift.
    private mutating func note(_ number: Int64, _ packet: borrowing Packet, _ group: Int) {
        guard number > net.groups[group].last else { return }
        net.groups[group].last = number
        let copy = line.copy(of: packet)
        let first = Int(net.groups[group].firstNode)
        let clock = DriftingClock(offset: net.stations[first].clock.offset)
        copy.info.arrival = clock.reading(at: now)
        (logs + group).pointee.note(number, at: now, copy)
    }

    private mutating func tellEverybody(_ cargo: consuming Cargo, _ group: Int) {
        let first = Int32(net.groups[group].firstAttachment)
        let stamp = net.groups[group].stamp
        let passing = passing(cargo, group)
        for member in 0..<net.groups[group].count
        where net.groups[group].isPresent[member] && net.groups[group].lostStamp[member] != stamp {
            let attachment = net.attachments[Int(first) + member]
            if attachment.isDownCut || attachment.node == cargo.sender { continue }
            if let passing, !net.groups[group].isAwake(member), passesBy(passing, cargo, attachment) {
                continue
            }
            deliver(cargo.copy(), to: first + Int32(member))
        }
    }

    /// What a datagram is to members of a class that miss nothing; `nil` when they must be told.
    private func passing(_ cargo: borrowing Cargo, _ group: Int) -> Passing? {
        guard scenario.repair.mode == .group, net.groups[group].last >= 0 else { return nil }
        if cargo.channel == .media {
            guard let number = MediaPacket.number(of: cargo.packet.bytes), number <= net.groups[group].last
            else { return nil }
            return .repair(number)
        }
        guard var compound = CompoundPacket(parsing: cargo.packet.bytes, allowsReducedSize: true) else {
            return nil
        }
        let segment = net.groups[group].segment
        let path = net.segments[Int(segment)].path
        let place = net.stations[Int(cargo.sender)].attachments[path]
        let isLocal = place < 0 || net.attachments[Int(place)].segment == segment
        var found: Passing?
        while let part = compound.next() {
            if let heartbeat = Heartbeat(part) {
                if heartbeat.highestSequence > net.groups[group].last { return nil }
                found = .heartbeat
            } else if RetransmissionRequest(part) != nil {
                if isLocal { return nil }
                found = .request
            } else if part.kind == RTCPPacket.Kind.application {
                return nil
            }
        }
        return found
    }

    private mutating func passesBy(
        _ passing: Passing, _ cargo: borrowing Cargo, _ attachment: Attachment
    ) -> Bool {
        let node = attachment.node
        guard isThere[Int(node)] else { return true }
        line.now = net.stations[Int(node)].clock.reading(at: now)
        line.host = node
        let peer = PeerNumber.make(node: cargo.sender, path: net.segments[Int(attachment.segment)].path)
        return (nodes + Int(node)).pointee.passBy(passing, cargo, from: peer, &line)
    }

    /// One node is told of one datagram.
    mutating func deliver(_ cargo: consuming Cargo, to index: Int32) {
        let attachment = net.attachments[Int(index)]
        let node = attachment.node
        let path = net.segments[Int(attachment.segment)].path
        let peer = PeerNumber.make(node: cargo.sender, path: path)
        let place = net.stations[Int(cargo.sender)].attachments[path]
        line.isFromOwnSegment =
            place >= 0 && net.attachments[Int(place)].segment == attachment.segment
        let channel = cargo.channel
        if channel == .control {
            let packet = cargo.packet
            touch(node) { $0.read(packet, from: peer, &$1) }
        } else {
            enter(node, line.copy(of: cargo.packet), peer)
        }
    }

    private mutating func enter(_ node: Int32, _ packet: consuming Packet, _ peer: Int32) {
        var parcel: Packet? = consume packet
        touch(node) { host, line in
            if let packet = parcel.take() { host.receive(packet, from: peer, &line) }
        }
    }

    // MARK: Sleep

    /// Tells a node asleep of what came in order since.
    @inline(__always)
    mutating func catchUp(_ node: Int32) {
        guard let (group, member) = sleeper(node) else { return }
        let told = net.groups[group].toldThrough[member]
        let last = net.groups[group].last
        if told >= last { return }
        net.groups[group].toldThrough[member] = last
        let run = PacketRun(
            first: told + 1, count: Int(last - told), clock: net.stations[Int(node)].clock,
            log: UnsafePointer(logs + group))
        call(node) { $0.passRun(run, &$1) }
    }

    /// The class and place of a node that is there and asleep; `nil` for all others.
    @inline(__always)
    private func sleeper(_ node: Int32) -> (group: Int, member: Int)? {
        let place = net.stations[Int(node)].onlyAttachment
        guard place >= 0, net.stations[Int(node)].isPresent else { return nil }
        let attachment = net.attachments[Int(place)]
        let group = Int(attachment.group)
        if net.groups[group].isPersonal || net.groups[group].isAwake(Int(attachment.member)) { return nil }
        return (group, Int(attachment.member))
    }

    /// Puts a node to sleep or wakes it, by what it says of itself after it was told something.
    @inline(__always)
    mutating func settle(_ node: Int32) {
        let place = net.stations[Int(node)].onlyAttachment
        guard place >= 0, net.stations[Int(node)].isPresent else { return }
        let attachment = net.attachments[Int(place)]
        let group = Int(attachment.group)
        if net.groups[group].isPersonal { return }
        let member = Int(attachment.member)
        if !isQuiet(node) {
            net.groups[group].wake(member)
        } else if scenario.collapses, !attachment.isDownCut, net.groups[group].isAwake(member),
            line.checkers.players[Int(node)].highest == net.groups[group].last
        {
            net.groups[group].sleep(member)
        }
    }

    /// Tells all members asleep what they slept through.
    mutating func sweep(_ group: Int) {
        for member in 0..<net.groups[group].count where net.groups[group].isPresent[member] {
            catchUp(net.groups[group].firstNode + Int32(member))
        }
        net.groups[group].sweptThrough = net.groups[group].last
    }

    /// Tells everybody what they slept through.
    mutating func sweepAll() {
        for group in net.groups.indices where !net.groups[group].isPersonal { sweep(group) }
    }
}
