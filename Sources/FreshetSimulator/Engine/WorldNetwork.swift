import FreshetCore
import FreshetStages
import FreshetWire

/// A datagram's way: own line, segment, core, segment, own line. Every line decides when the datagram is
/// there, so each sees datagrams in the order of time.
extension World where Node: ~Copyable {
    /// Puts a datagram of `sender` on its way.
    mutating func send(_ outgoing: consuming Outgoing, from sender: Int32) {
        let channel = outgoing.channel
        let scope = outgoing.scope
        let packet = outgoing.packet
        // Ethernet, IP and UDP are not counted, neither for media nor for repair.
        let byteCount = Int32(packet.byteCount + (channel == .media ? elidedByteCount : 0))
        account(packet, channel, scope, from: sender, byteCount: Int(byteCount))
        let path: Int
        var receiver: Int32 = -1
        var isLocal = false
        switch scope {
        case .group(let number): path = number
        case .segment(let number):
            path = number
            isLocal = true
        case .peer(let peer):
            path = PeerNumber.path(peer)
            let node = Int(PeerNumber.node(peer))
            guard node < net.stations.count, path < net.stations[node].attachments.count else { return }
            receiver = net.stations[node].attachments[path]
            if receiver < 0 { return }
        }
        guard path < net.stations[Int(sender)].attachments.count else { return }
        let place = net.stations[Int(sender)].attachments[path]
        if place < 0 { return }
        let cargo = Cargo(
            packet: packet, sender: sender, receiver: receiver, channel: channel, isLocal: isLocal,
            wireByteCount: byteCount)
        let attachment = net.attachments[Int(place)]
        if attachment.isUpCut { return lose(cargo, for: everybody(on: path)) }
        pass(
            cargo, over: attachment.up, to: .entersSegment, place, losing: everybody(on: path))
    }

    /// Tells the checkers what leaves.
    private mutating func account(
        _ packet: borrowing Packet, _ channel: Channel, _ scope: Outgoing.Scope, from sender: Int32,
        byteCount: Int
    ) {
        digest.mix(now, UInt64(channel.rawValue) + 1, sender, digestNumber(scope), Int32(byteCount))
        if channel == .control {
            digest.mix(packet.bytes)
            line.checkers.control(wireByteCount: byteCount)
            var segment: Int32?
            if case .segment(let path) = scope {
                let place = net.stations[Int(sender)].attachments[path]
                if place >= 0 { segment = net.attachments[Int(place)].segment }
            }
            noteRequests(in: packet.bytes, from: sender, of: segment)
            return
        }
        guard let number = MediaPacket.number(of: packet.bytes) else { return }
        if MediaPacket.isRetransmission(packet.bytes) {
            line.checkers.repaired(number, by: sender, wireByteCount: byteCount)
        } else if case .group(let path) = scope, path == firstPath(of: sender) {
            line.checkers.sent(number, wireByteCount: byteCount)
        }
    }

    private func digestNumber(_ scope: Outgoing.Scope) -> Int32 {
        switch scope {
        case .peer(let peer): peer
        case .group(let path): -1 - Int32(path)
        case .segment(let path): -1000 - Int32(path)
        }
    }

    func firstPath(of node: Int32) -> Int {
        let places = net.stations[Int(node)].attachments
        return (0..<places.count).first { places[$0] >= 0 } ?? 0
    }

    private mutating func noteRequests(in bytes: RawSpan, from sender: Int32, of segment: Int32?) {
        var requested = RequestedNumbers(near: line.checkers.packets.next)
        requested.read(bytes, ssrc: blueprint.ssrc)
        if requested.numbers.isEmpty { return }
        let reach = blueprint.leastRoundTrip(of: sender)
        for number in requested.numbers {
            line.checkers.asked(number, by: sender, of: segment, reach: reach)
        }
    }

    /// Receivers that a loss near the source takes a packet from, as far as `path` goes.
    private func everybody(on path: Int) -> Int {
        net.paths[path].reduce(0) { $0 + net.segments[Int($1)].receiverCount }
    }

    /// A datagram is lost for `count` receivers.
    mutating func lose(_ cargo: consuming Cargo, for count: Int) {
        guard cargo.channel == .media, !MediaPacket.isRetransmission(cargo.packet.bytes),
            let number = MediaPacket.number(of: cargo.packet.bytes)
        else { return }
        line.checkers.lost(number, for: cargo.receiver >= 0 ? 1 : count)
    }

    /// Sends `cargo` over a line, or on at once where there is none. Lost, it is so for `losing` receivers.
    mutating func pass(
        _ cargo: consuming Cargo, over link: Int32, to kind: WorldEvent, _ target: Int32, losing: Int
    ) {
        if link < 0 { return continues(cargo, kind, target) }
        let byteCount = Int(cargo.wireByteCount)
        switch net.links[Int(link)].model.decide(now: now, byteCount: byteCount) {
        case .lost:
            lose(cargo, for: losing)
        case .delivered(let departure, let copyDeparture, let corruption):
            if let copyDeparture {
                let place = hold.put(cargo.copy())
                queue.insert(kind, at: copyDeparture, target: target, cargo: place)
            }
            // UDP's checksum finds every single flipped bit.
            if corruption != nil { return lose(cargo, for: losing) }
            queue.insert(kind, at: departure, target: target, cargo: hold.put(cargo))
        }
    }

    private mutating func continues(_ cargo: consuming Cargo, _ kind: WorldEvent, _ target: Int32) {
        switch kind {
        case .entersSegment: entersSegment(target, cargo)
        case .entersCore: entersCore(target, cargo)
        default: reachesSegment(target, cargo)
        }
    }

    /// A datagram is on its sender's segment.
    mutating func entersSegment(_ attachment: Int32, _ cargo: consuming Cargo) {
        let index = net.attachments[Int(attachment)].segment
        let segment = net.segments[Int(index)]
        if cargo.receiver >= 0 {
            if net.attachments[Int(cargo.receiver)].segment == index { return reachesLine(cargo) }
        } else {
            // Those of this segment hear it as it goes by.
            distribute(cargo.copy(), to: index)
            if cargo.isLocal { return }
        }
        let others = everybody(on: segment.path) - segment.receiverCount
        if segment.isUpCut { return lose(cargo, for: others) }
        pass(cargo, over: segment.up, to: .entersCore, attachment, losing: others)
    }

    /// A datagram is at the core, from which every segment of its path hangs.
    mutating func entersCore(_ attachment: Int32, _ cargo: consuming Cargo) {
        let origin = net.attachments[Int(attachment)].segment
        if cargo.receiver >= 0 {
            return goesDown(cargo.copy(), to: net.attachments[Int(cargo.receiver)].segment)
        }
        let path = net.segments[Int(origin)].path
        for place in net.paths[path].indices {
            let segment = net.paths[path][place]
            if segment != origin { goesDown(cargo.copy(), to: segment) }
        }
    }

    private mutating func goesDown(_ cargo: consuming Cargo, to index: Int32) {
        let count = net.segments[Int(index)].receiverCount
        if net.segments[Int(index)].isDownCut { return lose(cargo, for: count) }
        pass(cargo, over: net.segments[Int(index)].down, to: .reachesSegment, index, losing: count)
    }

    /// A datagram has come down to a segment.
    mutating func reachesSegment(_ segment: Int32, _ cargo: consuming Cargo) {
        if cargo.receiver >= 0 { return reachesLine(cargo) }
        distribute(cargo, to: segment)
    }

    private mutating func distribute(_ cargo: consuming Cargo, to segment: Int32) {
        for place in net.segments[Int(segment)].classes.indices {
            let index = net.segments[Int(segment)].classes[place]
            // Never at once, even without delay: a host is not called while another one is.
            queue.insert(
                .reachesClass, at: now + net.groups[Int(index)].delay, target: index,
                cargo: hold.put(cargo.copy()))
        }
    }

    private mutating func reachesLine(_ cargo: consuming Cargo) {
        let receiver = cargo.receiver
        reachesLine(receiver, cargo)
    }

    /// A datagram for one member is at the start of its line.
    mutating func reachesLine(_ index: Int32, _ cargo: consuming Cargo) {
        let attachment = net.attachments[Int(index)]
        if attachment.isDownCut { return lose(cargo, for: 1) }
        if attachment.down >= 0 {
            return pass(cargo, over: attachment.down, to: .reachesMember, index, losing: 1)
        }
        let group = Int(attachment.group)
        if net.groups[group].loss.losesAlone(attachment.member) { return lose(cargo, for: 1) }
        queue.insert(
            .reachesMember, at: now + net.groups[group].delay, target: index, cargo: hold.put(cargo))
    }

    /// A datagram is at one member.
    mutating func reachesMember(_ index: Int32, _ cargo: consuming Cargo) {
        let node = net.attachments[Int(index)].node
        guard net.stations[Int(node)].isPresent else { return }
        digest.mix(now, 3, cargo.sender, node, cargo.wireByteCount)
        deliver(cargo, to: index)
    }
}
