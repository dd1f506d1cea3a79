import FreshetCore
import FreshetOverlay
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
                let next = net.groups[group].last + 1
                net.groups[group].noteMissed(next..<max(next, number))
                wakeAll(group)
            }
            if !losers.isEmpty { net.groups[group].noteMissed(number..<number + 1) }
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
                    net.groups[group].noteMissed(number..<number + 1)
                } else if net.groups[group].lostStamp[member] != stamp && attachment.node != cargo.sender {
                    deliver(cargo.copy(), to: first + Int32(member))
                }
            }
        }
        if number >= net.groups[group].sweptThrough + logs[group].capacity * 5 / 8 { sweep(group) }
    }

    /// Keeps the packet for those asleep.
    private mutating func note(_ number: Int64, _ packet: borrowing Packet, _ group: Int) {
        guard number > net.groups[group].last else { return }
        net.groups[group].last = number
        (logs + group).pointee.note(number, at: now, packet.share())
    }

    private mutating func tellEverybody(_ cargo: consuming Cargo, _ group: Int) {
        let passing = passing(cargo, group)
        let members = net.groups[group]
        told.removeAll(keepingCapacity: true)
        let isKept = passing.map { if case .trifle = $0 { false } else { true } } ?? false
        if isKept { excuseLosers(of: cargo, members) }
        let excusedCount = told.count
        members.list(into: &told, onlyAttentive: passing != nil)
        for place in excusedCount..<told.count {
            if (place - excusedCount) % Self.glanceCount == 0 { glance(from: place, members) }
            let member = Int(told[place])
            let index = members.firstAttachment + Int32(member)
            let isSender = net.attachments[Int(index)].node == cargo.sender
            if isSender || net.attachments[Int(index)].isDownCut || members.lostStamp[member] == members.stamp
            {
                continue
            }
            deliver(cargo.copy(), to: index)
        }
        guard let passing else { return }
        if !isKept { return noteTrifle(passing, cargo, members) }
        keep(passing, cargo, group)
        for place in told.indices { members.passedCount[Int(told[place])] = passings[group].end }
        if passings[group].end >= members.sweptCount + PassingLog.capacity * 5 / 8 { sweep(group) }
    }

    /// So many members are looked at together.
    private static var glanceCount: Int { 8 }

    /// Looks at the next of those who are to be told. Ten thousand hosts are more than the caches hold: looked at one right
    /// after the other they are all fetched at once, while each for itself waits for all that it is told.
    private mutating func glance(from start: Int, _ members: MemberGroup) {
        let places = start..<min(start + Self.glanceCount, told.count)
        for place in places { glances &+= (nodes + node(place, members)).pointee.glance() ? 1 : 0 }
        let group = Int(net.attachments[Int(members.firstAttachment)].group)
        let log = UnsafePointer(passings + group)
        for place in places {
            let node = node(place, members)
            for index in members.passedCount[Int(told[place])]..<log.pointee.end {
                if case .request(let request) = log.pointee.note(index).content {
                    glances &+= (nodes + node).pointee.glance(at: request) ? 1 : 0
                }
            }
        }
    }

    private func node(_ place: Int, _ members: MemberGroup) -> Int { Int(members.firstNode + told[place]) }

    /// Inattentive members heard what changes nothing for them.
    private mutating func noteTrifle(
        _ passing: Passing, _ cargo: borrowing Cargo, _ members: MemberGroup
    ) {
        guard case .trifle(isRepair: true) = passing else { return }
        var count = members.inattentiveCount
        for place in losers.indices where !members.isAttentive(Int(losers[place])) { count -= 1 }
        let sender = Int(cargo.sender - members.firstNode)
        if sender >= 0, sender < members.count, !members.isAttentive(sender),
            members.lostStamp[sender] != members.stamp
        {
            count -= 1
        }
        line.checkers.sawAgain(count)
    }

    /// Inattentive members who do not get `cargo` are told of what was before it, and not of it.
    private mutating func excuseLosers(of cargo: borrowing Cargo, _ members: MemberGroup) {
        for place in losers.indices { excuse(Int(losers[place]), members) }
        let sender = Int(cargo.sender - members.firstNode)
        if sender >= 0, sender < members.count { excuse(sender, members) }
    }

    private mutating func excuse(_ member: Int, _ members: MemberGroup) {
        guard members.isPresent[member], !members.isAttentive(member) else { return }
        catchUp(members.firstNode + Int32(member))
        told.append(Int32(member))
    }

    /// Keeps what inattentive members are told later.
    private mutating func keep(_ passing: Passing, _ cargo: borrowing Cargo, _ group: Int) {
        let members = net.groups[group]
        let note = PassingLog.Note(
            time: now, newest: members.last, content: content(of: passing, cargo, members.segment))
        (passings + group).pointee.append(note, cargo.packet)
    }

    private func content(
        of passing: Passing, _ cargo: borrowing Cargo, _ segment: Int32
    ) -> PassingLog.Content {
        if case .repair(let number) = passing { return .repair(number) }
        let peer = PeerNumber.make(node: cargo.sender, path: net.segments[Int(segment)].path)
        let isLocal = isLocal(cargo.sender, segment)
        let request = HeardRequest(
            cargo.packet.bytes, from: Peer(UInt32(bitPattern: peer)), isLocal: isLocal)
        return request.map { .request($0) } ?? .control(peer: peer, isLocal: isLocal)
    }

    /// True when `sender` is on `segment`.
    private func isLocal(_ sender: Int32, _ segment: Int32) -> Bool {
        let place = net.stations[Int(sender)].attachments[net.segments[Int(segment)].path]
        return place >= 0 && net.attachments[Int(place)].segment == segment
    }

    /// What a datagram is to members of a class that miss nothing and leave answers to another; `nil` when they must
    /// be told at once.
    private func passing(_ cargo: borrowing Cargo, _ group: Int) -> Passing? {
        let members = net.groups[group]
        guard repairsInGroup, scenario.collapses, members.last >= 0 else { return nil }
        if cargo.channel == .media {
            guard let number = MediaPacket.number(of: cargo.packet.bytes), number <= members.last else {
                return nil
            }
            let isOurs = members.isMissed(number) || members.isAsked(number)
            return isOurs ? .repair(number) : .trifle(isRepair: true)
        }
        guard var compound = CompoundPacket(parsing: cargo.packet.bytes, allowsReducedSize: true) else {
            return nil
        }
        let isLocal = isLocal(cargo.sender, members.segment)
        var found: Passing?
        while let part = compound.next() {
            if let heartbeat = Heartbeat(part) {
                if heartbeat.highestSequence > members.last { return nil }
                found = .trifle(isRepair: false)
            } else if RetransmissionRequest(part) != nil {
                found = .request
            } else if part.kind == RTCPPacket.Kind.application, SegmentMark(part) == nil {
                return nil
            }
        }
        guard case .request = found else { return found }
        var requested = RequestedNumbers(near: members.last)
        requested.read(cargo.packet.bytes, ssrc: blueprint.ssrc)
        if !isLocal {
            let isOurs = requested.numbers.contains { members.isMissed($0) }
            return isOurs ? .request : .trifle(isRepair: false)
        }
        return members.isRemarkable(requested.numbers, from: cargo.sender) ? nil : .request
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

    /// Tells a node asleep of what came in order since, and of what passed.
    @inline(__always)
    mutating func catchUp(_ node: Int32) {
        guard let (group, member) = sleeper(node) else { return }
        let members = net.groups[group]
        let told = members.toldThrough[member]
        let passed = members.passedCount[member]
        let end = passings[group].end
        if told >= members.last, passed >= end { return }
        members.toldThrough[member] = max(told, members.last)
        members.passedCount[member] = end
        let run = PacketRun(
            first: told + 1, count: Int(max(0, members.last - told)), clock: net.stations[Int(node)].clock,
            log: UnsafePointer(logs + group))
        let slept = Slept(run: run, passings: UnsafePointer(passings + group), passed: passed..<end)
        call(node) { $0.catchUp(slept, &$1) }
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

    /// Puts a node to sleep or wakes it, by how it stands after it was told something.
    @inline(__always)
    mutating func settle(_ node: Int32, _ standing: HostStanding) {
        let place = net.stations[Int(node)].onlyAttachment
        guard place >= 0, net.stations[Int(node)].isPresent else { return }
        let members = net.groups[Int(net.attachments[Int(place)].group)]
        if members.isPersonal { return }
        let member = Int(net.attachments[Int(place)].member)
        if !standing.isQuiet {
            members.wake(member)
        } else if members.isAwake(member), members.last >= 0, scenario.collapses,
            !net.attachments[Int(place)].isDownCut,
            line.checkers.players[Int(node)].highest == members.last
        {
            members.sleep(member)
        }
        members.setAnswerer(standing.answerer, of: member)
    }

    /// Tells the members asleep who were told nothing for long what they slept through: most hear something now and then.
    mutating func sweep(_ group: Int) {
        let members = net.groups[group]
        let through = members.last - logs[group].capacity / 2
        let count = passings[group].end - PassingLog.capacity / 2
        for member in 0..<members.count
        where members.isPresent[member]
            && (members.toldThrough[member] < through || members.passedCount[member] < count)
        {
            catchUp(members.firstNode + Int32(member))
        }
        members.sweptThrough = through
        members.sweptCount = count
    }

    /// Tells those who were not told of packet `number` yet what they slept through.
    mutating func sweep(behind number: Int64) {
        for members in net.groups where !members.isPersonal {
            for member in 0..<members.count
            where members.isPresent[member] && members.toldThrough[member] < number {
                catchUp(members.firstNode + Int32(member))
            }
        }
    }
}
