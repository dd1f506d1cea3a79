import FreshetCore
import FreshetOverlay
import FreshetWire

/// Probabilistic resilient multicast, as its authors describe it: a member that receives a packet passes it on
/// to its children, and with a small chance to a few members anywhere; whoever hears from another member what
/// that one has asks it at once for what it misses itself.
///
/// The overlay tree is mended by itself: here a dead parent is noticed by heartbeats, and the member asks for
/// another; no backups are kept.
enum RandomForwarding {
    /// One packet in a hundred at each member goes to others than the children…
    static let chance: UInt64 = 100
    /// …to so many.
    static let width = 3
    /// Heartbeats are missed for so long before a parent counts as dead.
    static let detection = Nanoseconds.seconds(5)
    /// Packets back from the newest that a member tells it has.
    static let window: Int64 = 64
    /// The same packet is not asked for again for so long.
    static let pause = Nanoseconds.milliseconds(200)
}

extension TreeSimulation {
    mutating func forwardAtRandom(_ number: Int64, from index: Int32) {
        guard index > 0, weather.chance(1, in: RandomForwarding.chance) else { return }
        for _ in 0..<RandomForwarding.width {
            let peer = present[Int(weather.below(UInt64(present.count)))]
            if peer != index, peer > 0 { launch(number, from: index, to: peer, .stray, now) }
        }
    }

    /// A packet comes from a member that is no parent.
    mutating func strayArrives(_ number: Int64, at index: Int32, from peer: Int32) {
        guard views[Int(index)].firstAt >= 0 else { return }
        take(number, at: index, link: nil, .stray)
        plead(index, from: peer, before: number)
    }

    /// Asks `peer`, which just sent packet `number`, for what it has and `index` misses.
    mutating func plead(_ index: Int32, from peer: Int32, before number: Int64) {
        guard isAlive[Int(peer)], peer >= 0, views[Int(index)].firstAt >= 0 else { return }
        if number != hosts[Int(index)].held.highest { return }
        let first = max(
            number - RandomForwarding.window, clock.number(sentFrom: views[Int(index)].firstAt), 0)
        var wanted: UInt64 = 0
        var missing = first
        while missing < number {
            if !hosts[Int(index)].held.contains(missing), hosts[Int(peer)].held.contains(missing) {
                let bit: UInt64 = 1 << UInt64(missing - (number - RandomForwarding.window))
                wanted |= bit
            }
            missing += 1
        }
        // Those asked for a moment ago are under way.
        if now < hosts[Int(index)].pleadedAt + RandomForwarding.pause {
            wanted &= ~shifted(hosts[Int(index)].pleaded, by: number - hosts[Int(index)].pleadedNumber)
        }
        if wanted == 0 { return }
        hosts[Int(index)].pleaded = wanted
        hosts[Int(index)].pleadedNumber = number
        hosts[Int(index)].pleadedAt = now
        guard var packet = pool.allocate() else { return }
        packet.append(byteCount: 20) { bytes in
            bytes.write(wanted, at: 0)
            bytes.write(UInt64(bitPattern: number), at: 8)
        }
        sendDatagram(packet, from: index, to: peer, .plea)
    }

    private func shifted(_ bits: UInt64, by count: Int64) -> UInt64 {
        count >= 64 ? 0 : bits >> UInt64(max(0, count))
    }

    mutating func answerPlea(_ cargo: consuming Cargo) {
        let index = cargo.receiver
        let asker = cargo.sender
        guard isAlive[Int(index)], isAlive[Int(asker)] else { return }
        let packet = cargo.packet
        let number = Int64(bitPattern: packet.bytes.uint64(at: 8))
        var wanted = packet.bytes.uint64(at: 0)
        while wanted != 0 {
            let bit = wanted.trailingZeroBitCount
            wanted &= wanted - 1
            let missing = number - RandomForwarding.window + Int64(bit)
            if hosts[Int(index)].held.contains(missing) {
                launch(missing, from: index, to: asker, .stray, now)
            }
        }
    }
}
