import FreshetCore
import FreshetOverlay
import FreshetWire

/// The way of packets and datagrams from one member to another.
extension TreeSimulation {
    /// How a packet came.
    enum Passage { case original, repair, stray }

    /// The source makes the next packet.
    mutating func emit() {
        let number = emitted
        emitted += 1
        queue.insert(.emit, at: Instant(nanoseconds: clock.sent(emitted)), target: 0)
        guard isAlive[0] else { return }
        if hosts[0].repair.value != nil, var packet = pool.allocate() {
            packet.append(byteCount: RTPHeader.fixedByteCount) { bytes in
                RTPHeader.write(
                    sequenceNumber: UInt16(truncatingIfNeeded: TreeSimulation.firstSequence + number),
                    timestamp: 0, ssrc: TreeSimulation.streamSSRC, into: &bytes)
            }
            packet.info.extendedSequence = TreeSimulation.firstSequence + number
            packet.info.ssrc = TreeSimulation.streamSSRC
            packet.info.flags = [.hasSequence]
            packets.put(packet, at: Int(number & 255))
        }
        take(number, at: 0, link: nil, .original)
    }

    @inline(__always)
    mutating func packetArrives(_ number: Int64, at index: Int32, from peer: Int32, _ passage: Passage) {
        guard isAlive[Int(index)], !hosts[Int(index)].isDeaf else { return }
        digest.mix(UInt64(bitPattern: now.nanoseconds) ^ UInt64(UInt32(bitPattern: index)) << 40)
        if passage == .stray { return strayArrives(number, at: index, from: peer) }
        let link = hosts[Int(index)].link(to: peer)
        if link < 0 { return }
        take(number, at: index, link: link, passage)
        if scenario.scheme == .prm { plead(index, from: peer, before: number) }
    }

    mutating func take(_ number: Int64, at index: Int32, link: Int?, _ passage: Passage) {
        let sequence = TreeSimulation.firstSequence + number
        let noted = hosts[Int(index)].node.note(sequence, from: link, now: now)
        if noted.isNew {
            deliver(number, at: index)
            _ = hosts[Int(index)].held.insert(number)
            if scenario.stripeCount > 1 { noteStripe(noted.stripe, index) }
            forward(number, noted.stripe, from: index, isLate: passage == .repair)
        } else if now >= .zero + scenario.measureFrom {
            totals.duplicateCount += 1
        }
        if let repair = hosts[Int(index)].repair.value {
            if noted.isNew {
                let now = now
                _ = packets.withElement(Int(number & 255)) { repair.pointee.sender.note($0, now: now) }
            }
            if index > 0 {
                let verdict = repair.pointee.receiver.note(
                    sequence: sequence, isRetransmission: passage == .repair,
                    mediaSSRC: TreeSimulation.streamSSRC, byteCount: scenario.packetByteCount, arrival: now)
                if verdict != .original || repair.pointee.hasHoles() {
                    pumpRepair(index)
                    return settle(index)
                }
            }
        }
        if hosts[Int(index)].node.hasOutput || hosts[Int(index)].wakeAt == .distantFuture { settle(index) }
    }

    /// A packet that is new to `index` goes to its player.
    private mutating func deliver(_ number: Int64, at index: Int32) {
        if index == 0 { return }
        let time = now.nanoseconds
        let sent = clock.sent(number)
        let last = views[Int(index)].lastAt
        views[Int(index)].judge(
            time, clock, latency: scenario.latency.count, measured: measuredNumber)
        if last < 0 {
            noteFirst(index)
        } else if time - last > 150_000_000, number > 0 {
            noteOutage(time - last)
        }
        views[Int(index)].arrive(number, sent: sent, now: time)
        guard now >= .zero + scenario.measureFrom else { return }
        totals.deliveredCount += 1
        if time - sent <= scenario.latency.count { totals.promptCount += 1 }
        if number & 15 == 0 { totals.way.add(time - sent) }
    }

    /// The first packet that counts.
    var measuredNumber: Int64 { clock.number(sentFrom: scenario.measureFrom.count) }

    private mutating func noteFirst(_ index: Int32) {
        let waited = now.nanoseconds - views[Int(index)].connectedAt
        totals.firstPacket.add(waited)
        let trip = 2 * map.delay(index, 0)
        totals.firstPacketTrips.add(waited * 1000 / max(1, trip))
    }

    /// Who is cut off within this span of the strike is cut off by it, the first parent that it took then being gone too;
    /// later ones are between two parents since they were moved.
    private static let aftermath = Nanoseconds.seconds(1)

    private mutating func noteOutage(_ span: Int64) {
        totals.outage.add(span)
        if let struckAt, now - Nanoseconds(span) - struckAt < TreeSimulation.aftermath {
            totals.healedAfter = max(totals.healedAfter, now - struckAt)
        }
    }

    mutating func forward(_ number: Int64, _ stripe: Int, from index: Int32, isLate: Bool) {
        let links = hosts[Int(index)].node.forwardLinks(of: stripe)
        // A real packet's time on the uplink, after those to the children before this one.
        let step = serialization(index)
        var wait: Int64 = 0
        for link in links {
            wait += step
            let link = Int(link)
            let departure = max(now + Nanoseconds(wait), hosts[Int(index)].linkFree[link])
            launch(
                number, from: index, to: hosts[Int(index)].peers[link], isLate ? .late : .packet, departure)
        }
        if scenario.scheme == .prm { forwardAtRandom(number, from: index) }
    }

    /// Nanoseconds that 1316 bytes take on the uplink of `index`: it carries its children and one more.
    @inline(__always)
    private func serialization(_ index: Int32) -> Int64 {
        let rate = Int64(scenario.rate) * (Int64(map.spots[Int(index)].children) + 1)
        return 1316 * 8 * 1_000_000_000 / rate
    }

    /// A packet leaves `index` at `departure`; it may be lost.
    @inline(__always)
    mutating func launch(
        _ number: Int64, from index: Int32, to peer: Int32, _ kind: TreeEventKind, _ departure: Instant
    ) {
        if now.nanoseconds >= scenario.measureFrom.count {
            totals.sentCount += 1
            if kind == .repair { totals.repairCount += 1 }
            if index == 0 { totals.sourceCount += 1 }
        }
        if index == 0 { sourceSecond += 1 }
        guard peer >= 0, map.reach(index, peer) else { return }
        let chance = weather.next()
        if UInt32(truncatingIfNeeded: chance) < map.spots[Int(peer)].loss { return }
        let jitter = Int64(chance >> 32 & 0x3_FFFF)
        let arrival = departure + Nanoseconds(map.delay(index, peer) + jitter)
        queue.insert(kind, at: arrival, target: peer, cargo: Int32(truncatingIfNeeded: number), extra: index)
    }

    /// A new child is sent what there is from a number on, or from the last keyframe: one a second.
    mutating func serve(_ index: Int32, _ link: Int, _ stripes: StripeSet, _ from: Int64?) {
        let highest = hosts[Int(index)].held.highest
        guard highest >= 0 else { return }
        let keyframe = highest / Int64(scenario.packetRate) * Int64(scenario.packetRate)
        var number = from.map { $0 - TreeSimulation.firstSequence } ?? keyframe
        number = max(number, highest - Int64(2 * scenario.packetRate), 0)
        let rate = Int64(scenario.rate) * (Int64(map.spots[Int(index)].children) + 1)
        let step = Nanoseconds(Int64(scenario.packetByteCount) * 8 * 1_000_000_000 / rate)
        var departure = max(now, hosts[Int(index)].linkFree[link])
        while number <= highest {
            if stripes.has(Int(number) % scenario.stripeCount), hosts[Int(index)].held.contains(number) {
                launch(number, from: index, to: hosts[Int(index)].peers[link], .packet, departure)
                departure = departure + step
            }
            number += 1
        }
        hosts[Int(index)].linkFree[link] = departure
    }

    // MARK: Datagrams

    mutating func sendDatagram(
        _ packet: consuming Packet, from index: Int32, to peer: Int32, _ kind: TreeEventKind
    ) {
        if now.nanoseconds >= scenario.measureFrom.count {
            totals.linkByteCount += Int64(packet.byteCount + 28)
            if kind == .repairControl { totals.repairControlByteCount += Int64(packet.byteCount + 28) }
        }
        guard peer >= 0, map.reach(index, peer) else { return }
        let chance = weather.next()
        if UInt32(truncatingIfNeeded: chance) < map.spots[Int(peer)].loss { return }
        if scenario.flaw == .cycle, isPath(packet.bytes) { return }
        let jitter = Int64(chance >> 32 & 0x3_FFFF)
        let arrival = now + Nanoseconds(map.delay(index, peer) + jitter)
        let cargo = Cargo(
            packet: packet, sender: index, receiver: peer, channel: .control, isLocal: false,
            wireByteCount: lives[Int(index)])
        queue.insert(kind, at: arrival, target: peer, cargo: hold.put(cargo), extra: lives[Int(peer)])
    }

    private func isPath(_ bytes: RawSpan) -> Bool {
        bytes.byteCount > 2 && bytes.uint8(at: 1) == 204
            && Int(bytes.uint8(at: 0) & 31) == LinkMessage.Subtype.path
    }

    mutating func datagramArrives(_ cargo: consuming Cargo, isRepair: Bool) {
        let index = cargo.receiver
        guard isAlive[Int(index)], !hosts[Int(index)].isDeaf else { return }
        digest.mix(UInt64(bitPattern: now.nanoseconds) ^ UInt64(UInt32(bitPattern: index)) << 41)
        let sender = cargo.sender
        let life = cargo.wireByteCount
        let packet = cargo.packet
        if isRepair, let repair = hosts[Int(index)].repair.value {
            guard hosts[Int(index)].link(to: sender) >= 0 else { return }
            if sender == hosts[Int(index)].parentPeer { repair.pointee.receiver.read(packet.bytes, now: now) }
            repair.pointee.sender.read(packet.bytes, from: Peer(UInt32(bitPattern: sender)), now: now)
            pumpRepair(index)
        } else {
            _ = hosts[Int(index)].node.read(packet.bytes, from: address(sender, life: life), now: now)
        }
        settle(index)
    }

    /// Asks the parent, answers the children.
    mutating func pumpRepair(_ index: Int32) {
        guard let repair = hosts[Int(index)].repair.value else { return }
        let now = now
        repair.pointee.receiver.advance(to: now)
        repair.pointee.sender.advance(to: now)
        if repair.pointee.isReceiverDue(now) { pumpReceiver(index, repair) }
        if repair.pointee.isSenderDue(now) { pumpSender(index, repair) }
    }

    private mutating func pumpReceiver(_ index: Int32, _ repair: UnsafeMutablePointer<HopRepair>) {
        let now = now
        while true {
            guard var packet = pool.allocate() else { preconditionFailure("the network is full") }
            var byteCount: Int?
            packet.append(byteCount: 1400) {
                byteCount = repair.pointee.receiver.nextTransmit(into: &$0, now: now)
            }
            guard let byteCount else { break }
            packet.removeLast(1400 - byteCount)
            sendDatagram(packet, from: index, to: hosts[Int(index)].parentPeer, .repairControl)
        }
    }

    private mutating func pumpSender(_ index: Int32, _ repair: UnsafeMutablePointer<HopRepair>) {
        let now = now
        while true {
            guard var packet = pool.allocate() else { preconditionFailure("the network is full") }
            var transmit: RepairSender.Transmit?
            packet.append(byteCount: 512) {
                transmit = repair.pointee.sender.nextTransmit(into: &$0, now: now)
            }
            guard let transmit else { break }
            packet.removeLast(512 - transmit.byteCount)
            sendDatagram(
                packet, from: index, to: Int32(bitPattern: transmit.peer.number), .repairControl)
        }
        while let answer = repair.pointee.sender.nextRepair(pool: pool, now: now) {
            let peer = Int32(bitPattern: answer.peer.number)
            let packet = answer.takePacket()
            let number = packet.info.extendedSequence - TreeSimulation.firstSequence
            launch(number, from: index, to: peer, .repair, now)
        }
    }
}
