import FreshetCore
import FreshetOverlay
import FreshetWire

/// Who comes and goes, and what breaks.
extension TreeSimulation {
    /// One joins and one goes; the next pair comes after an exponential time.
    mutating func churn() {
        let mean = 2_000_000_000_000 / Int64(scenario.churnPerThousandSeconds)
        // The sum of four uniform numbers' logarithms is not wanted here: a geometric number of small steps is
        // an exponential time, in integers.
        var steps: Int64 = 1
        while !fate.chance(1, in: 64) { steps += 1 }
        queue.insert(.churn, at: now + Nanoseconds(max(1, mean * steps / 64)), target: 0)
        if let spot = freeSpots.popLast() {
            totals.changeCount += 1
            join(spot)
        }
        guard let index = anybody() else { return }
        totals.changeCount += 1
        goes(index)
    }

    private mutating func goes(_ index: Int32) {
        let isCrash = fate.chance(UInt64(scenario.crashShare), in: 1_000_000)
        let resets = fate.chance(1, in: 2)
        if isCrash { return crash(index, resets: resets) }
        hosts[Int(index)].node.leave(now: now)
        settle(index)
    }

    /// A viewer that is there, by chance.
    private mutating func anybody() -> Int32? {
        for _ in 0..<64 where present.count > 1 {
            let index = present[Int(fate.below(UInt64(present.count)))]
            if index > 0 { return index }
        }
        return nil
    }

    /// A viewer that forwards, by chance.
    private mutating func anyRelay() -> Int32? {
        for _ in 0..<10_000 {
            guard let index = anybody() else { return nil }
            if hosts[Int(index)].node.childCount > 0, !hosts[Int(index)].isDeaf { return index }
        }
        return nil
    }

    mutating func strike() {
        if scenario.flaw == .cycle {
            plantCycle()
            // An order that was on its way may have spoilt it.
            return queue.insert(.strike, at: now + .seconds(1), target: 0)
        }
        if struckAt == nil { markStrike() }
        let sorted = present.sorted()
        switch scenario.strike {
        case .none: break
        case .crash:
            for index in sorted where index > 0 && fate.chance(UInt64(scenario.strikeShare), in: 1_000_000) {
                crash(index, resets: false)
            }
        case .region:
            let region = metropolis()
            for index in sorted where index > 0 && map.spots[Int(index)].metropolis == region {
                crash(index, resets: false)
            }
        case .stripe:
            for index in sorted where index > 0 && !hosts[Int(index)].node.forwardLinks(of: 0).isEmpty {
                crash(index, resets: false)
            }
        case .primary:
            if let index = largestPrimary() { crash(index, resets: false) }
            repeatStrike()
        case .relays:
            if let index = anyRelay() { crash(index, resets: false) }
            repeatStrike()
        case .deaf:
            if let index = anyRelay() {
                hosts[Int(index)].isDeaf = true
                queue.insert(.remedy, at: now + scenario.strikeLasting, target: index)
            }
            repeatStrike()
        case .stall:
            stall(sorted)
            repeatStrike()
        case .coordinator:
            stopCoordinator()
            queue.insert(.remedy, at: now + scenario.strikeLasting, target: -1)
            for _ in 0..<(present.count * scenario.strikeShare / 1_000_000) {
                if let index = anybody() { crash(index, resets: true) }
            }
        }
    }

    private mutating func stall(_ indexes: [Int32]) {
        let span = UInt64(scenario.strikeLasting.count)
        for index in indexes {
            let until = now + Nanoseconds(Int64(span / 2 + fate.below(span)))
            hosts[Int(index)].stalledUntil = until
            stallEnd = max(stallEnd, until)
        }
    }

    /// What comes to somebody that is held up waits until that one goes on; the coordinator is on the source's machine.
    /// - Returns: Whether `event` has been put off.
    mutating func postpone(_ event: Event<TreeEventKind>) -> Bool {
        var index = Int(event.target)
        switch event.kind {
        case .packet, .repair, .late, .stray, .datagram, .repairControl, .message, .emit, .wake: break
        case .petition, .coordinatorWake, .hangUp: index = 0
        default: return false
        }
        guard isAlive[index], hosts[index].stalledUntil > now else { return false }
        var until = hosts[index].stalledUntil
        if event.kind == .wake {
            guard hosts[index].wakeAt == now, lives[index] == event.cargo else { return false }
            // What has come is read before the clock is looked at.
            until = until + .microseconds(1)
            hosts[index].wakeAt = until
        } else if event.kind == .coordinatorWake {
            until = until + .microseconds(1)
        }
        queue.insert(event.kind, at: until, target: event.target, cargo: event.cargo, extra: event.extra)
        return true
    }

    private mutating func repeatStrike() {
        let rest = scenario.duration - scenario.limits.split - .seconds(1)
        if now + scenario.strikeEvery < .zero + rest {
            queue.insert(.strike, at: now + scenario.strikeEvery, target: 0)
        }
    }

    /// From here on gaps are the strike's.
    private mutating func markStrike() {
        struckAt = now
        for index in present {
            views[Int(index)].judge(
                now.nanoseconds, clock, latency: scenario.latency.count, measured: measuredNumber)
            views[Int(index)].missedCount = 0
            views[Int(index)].longestGap = 0
            struck.append(index)
            struck.append(lives[Int(index)])
        }
    }

    mutating func remedy(_ index: Int32) {
        if index < 0 { return startCoordinator() }
        guard isAlive[Int(index)] else { return }
        hosts[Int(index)].isDeaf = false
        hosts[Int(index)].wasDeaf = true
        views[Int(index)].lastAt = now.nanoseconds
    }

    /// The metropolis with most viewers that is not more than the share.
    private func metropolis() -> Int16 {
        var counts = [Int](repeating: 0, count: TreeMap.metropolisCount)
        for index in present where index > 0 { counts[Int(map.spots[Int(index)].metropolis)] += 1 }
        let limit = present.count * scenario.strikeShare / 1_000_000
        var best = 0
        var most = -1
        for (number, count) in counts.enumerated() where count <= limit && count > most {
            best = number
            most = count
        }
        return Int16(best)
    }

    /// The source's child with most members below it on stripe 0.
    private mutating func largestPrimary() -> Int32? {
        var counts: [Int32: Int] = [:]
        for index in present where index > 0 {
            var current = index
            for _ in 0..<AncestorPath.countLimit {
                let above = parent(of: current, 0)
                if above == 0 {
                    counts[current, default: 0] += 1
                    break
                }
                if above < 0 { break }
                current = above
            }
        }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    /// A coordinator gone mad: it puts a member below one of its grandchildren. Nodes cannot know, as their
    /// paths are kept from them.
    private mutating func plantCycle() {
        for index in present.sorted() where index > 0 {
            let above = parent(of: index, 0)
            guard above > 0 else { continue }
            let top = parent(of: above, 0)
            guard top > 0, hosts[Int(index)].node.childCount < map.spots[Int(index)].children else {
                continue
            }
            let below = hosts[Int(index)]
                .member
            let ticket = Ticket(
                epoch: TreeSimulation.streamSSRC, parent: below, child: hosts[Int(top)].member,
                stripes: StripeSet(0), backupStripes: [], era: 1, serial: 77_777,
                key: hosts[Int(index)].ticketKey)
            var order = AssignMessage()
            order.stripes = StripeSet(0)
            order.offers = [
                ParentOffer(
                    member: below, address: address(index, life: lives[Int(index)]), ticket: ticket)
            ]
            hosts[Int(top)].node.receive(.regraft(order), now: now)
            // Nor does it mend what it did.
            coordinator.clear()
            return settle(top)
        }
    }
}
