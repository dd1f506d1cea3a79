import FreshetCore
import FreshetOverlay
import FreshetWire

/// What is looked at all the time, and what a run comes to.
extension TreeSimulation {
    /// Who sends `stripe` to `index`; -1 for nobody who is there.
    func parent(of index: Int32, _ stripe: Int) -> Int32 {
        let member = hosts[Int(index)].node.parent(of: stripe)
        guard member != .none, let host = hostOfMember[member.number], isAlive[Int(host)],
            hosts[Int(host)].member == member
        else { return -1 }
        return host
    }

    /// `index` has a new parent: is it above itself? For a moment that may be: two branches may move below each
    /// other at once, and learn it when they are told who is above.
    mutating func checkLoop(_ index: Int32, _ stripe: Int) {
        guard isInLoop(index, stripe) else { return }
        totals.loopCount += 1
        loops.append((index, lives[Int(index)], stripe, now))
    }

    private func isInLoop(_ index: Int32, _ stripe: Int) -> Bool {
        var current = index
        for _ in 0..<64 {
            current = parent(of: current, stripe)
            if current <= 0 { return false }
            if current == index { return true }
        }
        return true
    }

    /// Loops that were seen are gone, or have been there for too long.
    private mutating func recheckLoops() {
        var kept: [(index: Int32, life: Int32, stripe: Int, since: Instant)] = []
        for loop in loops where isAlive[Int(loop.index)] && lives[Int(loop.index)] == loop.life {
            guard isInLoop(loop.index, loop.stripe) else { continue }
            if now - loop.since > TreeSimulation.loopLimit {
                return fail(.cycle, loop.index, "is above itself on stripe \(loop.stripe)")
            }
            kept.append(loop)
        }
        loops = kept
    }

    mutating func noteStripe(_ stripe: Int, _ index: Int32) {
        while hosts[Int(index)].heard.count < scenario.stripeCount { hosts[Int(index)].heard.append(now) }
        hosts[Int(index)].heard[stripe] = now
    }

    /// Four times a second: nobody is without packets, nobody has too many children.
    mutating func inspect() {
        queue.insert(.inspection, at: now + .milliseconds(250), target: 0)
        recheckLoops()
        for place in present.indices {
            let index = present[place]
            var count = 0
            for stripe in 0..<min(scenario.stripeCount, hosts[Int(index)].node.totalStripes) {
                count += hosts[Int(index)].node.forwardLinks(of: stripe).count
            }
            let isStandby =
                Int(index) > scenario.nodeCount
                && Int(index) <= scenario.nodeCount + scenario.standbyCount
            let limit = isStandby ? scenario.children : Int(map.spots[Int(index)].children)
            checkPlaces(index, count, limit: limit * scenario.stripeCount)
            if index > 0, !hosts[Int(index)].isDeaf { checkFed(index) }
            if violation != nil { return }
        }
    }

    /// Who takes the place of another comes before that one goes, which is soon.
    private mutating func checkPlaces(_ index: Int32, _ count: Int, limit: Int) {
        if count <= limit {
            hosts[Int(index)].isOverSince = nil
            return
        }
        let since = hosts[Int(index)].isOverSince ?? now
        hosts[Int(index)].isOverSince = since
        if count > limit + ChildPlaces.overlap(of: limit) || now - since > ChildPlaces.overlapSpan * 2 {
            fail(.slots, index, "sends to \(count) children, its uplink carries \(limit)")
        }
    }

    private mutating func checkFed(_ index: Int32) {
        guard views[Int(index)].firstAt >= 0 else { return }
        var last = views[Int(index)].lastAt
        for heard in hosts[Int(index)].heard { last = min(last, heard.nanoseconds) }
        // Who has lost its parent and all backups waits for the coordinator to be back.
        let away = scenario.strike == .coordinator ? scenario.strikeLasting : .zero
        guard now.nanoseconds - last > (scenario.limits.split + away).count else { return }
        let stripe = hosts[Int(index)].heard.firstIndex { $0.nanoseconds == last } ?? 0
        fail(
            .split, index,
            "had no packet of stripe \(stripe) for \((now.nanoseconds - last) / 1_000_000) ms; its parent is "
                + "\(parent(of: index, stripe)), path \(hosts[Int(index)].node.path(of: stripe).count)")
    }

    mutating func secondPassed() {
        queue.insert(.secondPassed, at: now + .seconds(1), target: 0)
        if now.nanoseconds >= scenario.measureFrom.count || scenario.measureFrom > scenario.joinsWithin {
            totals.sourcePeak = max(totals.sourcePeak, sourceSecond * Int64(scenario.packetByteCount))
        }
        sourceSecond = 0
        for place in present.indices {
            let index = Int(present[place])
            views[index].judge(
                now.nanoseconds, clock, latency: scenario.latency.count, measured: measuredNumber)
        }
    }

    /// The player of `index` is gone.
    mutating func close(_ index: Int32) {
        views[Int(index)].judge(
            now.nanoseconds, clock, latency: scenario.latency.count, measured: measuredNumber)
        totals.dueCount += views[Int(index)].dueCount
        totals.inTimeCount += views[Int(index)].inTimeCount
        if hosts[Int(index)].isDeaf || hosts[Int(index)].wasDeaf { return }
        let gap = Int64(views[Int(index)].longestGap) * clock.interval
        if gap > 0 { totals.gaps.add(gap) }
        if Nanoseconds(gap) > totals.longestGap { totals.longestGap = Nanoseconds(gap) }
    }

    mutating func finish() {
        events = queue.totalCount
        if struckAt != nil { countSurvivors() }
        totals.exchangeCount = coordinator.value?.pointee.tally.exchangeCount ?? 0
        measureTree()
        for index in present where index > 0 { close(index) }
        if violation == nil { checkSums() }
    }

    private mutating func countSurvivors() {
        var place = 0
        while place + 1 < struck.count {
            let index = Int(struck[place])
            if index > 0, isAlive[index], lives[index] == struck[place + 1], !hosts[index].wasDeaf {
                totals.survivorCount += 1
                if views[index].missedCount > 0 { totals.brokenCount += 1 }
            }
            place += 2
        }
    }

    /// How deep and how long the ways are at the end.
    private mutating func measureTree() {
        for index in present where index > 0 {
            guard views[Int(index)].firstAt >= 0, !hosts[Int(index)].isDeaf else { continue }
            for stripe in 0..<scenario.stripeCount { measureWay(of: index, stripe) }
        }
    }

    private mutating func measureWay(of index: Int32, _ stripe: Int) {
        var current = index
        var depth: Int64 = 0
        var way: Int64 = 0
        while current > 0, depth <= 64 {
            let above = parent(of: current, stripe)
            if above < 0 { return }
            way += map.delay(above, current)
            depth += 1
            current = above
        }
        totals.depth.add(depth)
        totals.delay.add(way)
        totals.stretch.add(way * 1000 / max(1, map.delay(0, index)))
        if depth > Int64(scenario.limits.depth) {
            fail(.depth, index, "\(depth) members are above it, \(scenario.limits.depth) are allowed")
        }
    }

    private mutating func checkSums() {
        let limits = scenario.limits
        if totals.inTimeCount * 1_000_000 < totals.dueCount * Int64(limits.inTime) {
            fail(.timely, -1, "\(totals.inTimeCount) of \(totals.dueCount) packets came in time")
        }
        if totals.overheadPerMillion(packetByteCount: scenario.packetByteCount) > Int64(limits.overhead) {
            fail(.budget, -1, "more bytes beyond the stream than allowed")
        }
        if totals.controlPerMillion(packetByteCount: scenario.packetByteCount) > Int64(limits.control) {
            fail(.budget, -1, "more bytes of control than allowed")
        }
        if totals.survivorCount > 0,
            (totals.survivorCount - totals.brokenCount) * 1_000_000 < totals.survivorCount * limits.whole
        {
            fail(.whole, -1, "\(totals.brokenCount) of \(totals.survivorCount) viewers saw a gap")
        }
        if totals.healedAfter > limits.healed {
            fail(.whole, -1, "not everybody was fed for \(totals.healedAfter.count / 1_000_000) ms")
        }
        if totals.longestGap > limits.gap {
            fail(.whole, -1, "a viewer saw a gap of \(totals.longestGap.count / 1_000_000) ms")
        }
        if totals.firstPacket.quantile(99, of: 100) > limits.firstPacket.count {
            fail(.timely, -1, "one first packet in a hundred took longer than allowed")
        }
    }
}

extension TreeTotals {
    /// Bytes beyond the packets that members needed, for a million bytes of those.
    func overheadPerMillion(packetByteCount: Int) -> Int64 {
        let useful = Int128(deliveredCount) * Int128(packetByteCount)
        if useful == 0 { return 0 }
        let extra = Int128(sentCount - deliveredCount) * Int128(packetByteCount)
        return Int64((extra + Int128(linkByteCount + coordinatorByteCount)) * 1_000_000 / useful)
    }

    /// Bytes of control for a million bytes of media.
    func controlPerMillion(packetByteCount: Int) -> Int64 {
        let useful = Int128(deliveredCount) * Int128(packetByteCount)
        if useful == 0 { return 0 }
        return Int64(Int128(linkByteCount + coordinatorByteCount) * 1_000_000 / useful)
    }
}
