import FreshetCore
import FreshetWire

/// Sees all that nodes give to players and put on the wire, counts it, and stops the run at the first thing
/// that must not be.
struct Checkers {
    /// The first invariant that was broken.
    private(set) var violation: Violation?
    /// The world's time.
    var now = Instant.zero
    private(set) var packets: PacketLedger
    private(set) var players: [PlayerRecord]
    private(set) var totals = Totals()

    private let names: [String]
    private let limits: Limits
    private let latency: Nanoseconds
    private let interval: Nanoseconds
    /// Asks that leave their segment, asks that stay in each, and newly lost packets of the second that runs, and lost
    /// packets of the one before.
    private var windowAsks = 0
    private var windowLocalAsks: [Int]
    private var windowLosses = 0
    private var formerLosses = 0
    /// Players that nothing may be missing at from here on: the end of the last fault and time to heal.
    private let healedAt: Instant

    /// For hosts called `names`, of which none is there yet.
    init(
        _ scenario: Scenario, names: [String], receiverCount: Int, segmentCount: Int, lastFault: Instant
    ) {
        self.names = names
        packets = PacketLedger(receiverCount: receiverCount)
        limits = scenario.limits
        latency = scenario.latency
        interval = scenario.stream.interval
        players = Array(repeating: PlayerRecord(), count: names.count)
        windowLocalAsks = Array(repeating: 0, count: segmentCount)
        healedAt = lastFault + scenario.limits.heal + scenario.latency
    }

    /// Breaks the run.
    mutating func fail(_ invariant: Invariant, _ host: Int32, _ detail: String) {
        if violation != nil { return }
        violation = Violation(
            invariant: invariant, time: now, host: host < 0 ? "the network" : names[Int(host)],
            detail: detail)
    }

    // MARK: Players

    /// The player of `host` is there, or is gone.
    mutating func presence(_ host: Int32, _ isPresent: Bool) {
        players[Int(host)].isPresent = isPresent
        players[Int(host)].since = now
        players[Int(host)].next = -1
        players[Int(host)].highest = -1
        players[Int(host)].missing = [:]
    }

    /// A media packet reached `host`: `number` was seen. How long it had been missing, when it was.
    mutating func saw(_ number: Int64, at host: Int32, isRepair: Bool, isLocal: Bool) {
        let former = players[Int(host)].highest
        if let missed = players[Int(host)].saw(number, at: now) {
            if isRepair {
                totals.repairDelay.add((now - missed).count)
                totals.recoveredCount += 1
                if isLocal { totals.recoveredLocallyCount += 1 }
            }
        } else if number <= former {
            totals.surplusCount += 1
        }
        if former >= 0 && number > former + 1 { noteMissed(former + 1, number) }
    }

    /// Packets up to `last` reached `host`, each right behind the one before.
    mutating func sawRun(_ last: Int64, at host: Int32) { players[Int(host)].highest = last }

    /// A repair reached `count` hosts that miss nothing.
    mutating func sawAgain(_ count: Int = 1) { totals.surplusCount += count }

    private mutating func noteMissed(_ first: Int64, _ end: Int64) {
        var number = max(first, end - 4096)
        while number < end {
            let now = now
            _ = packets.with(number) { if $0.missedAt == .distantFuture { $0.missedAt = now } }
            number += 1
        }
    }

    /// Packets `first` and the `count` − 1 after it reached `host` in order, and went on to its player.
    mutating func passed(_ first: Int64, count: Int, at host: Int32) {
        let last = first + Int64(count) - 1
        deliver(first, at: host)
        players[Int(host)].next = last + 1
        players[Int(host)].highest = max(players[Int(host)].highest, last)
        players[Int(host)].deliveredCount += count - 1
        totals.deliveredCount += count - 1
    }

    /// The player of `host` is given packet `number`.
    mutating func deliver(_ number: Int64, at host: Int32) {
        let next = players[Int(host)].next
        totals.deliveredCount += 1
        players[Int(host)].deliveredCount += 1
        if next >= 0 && number != next {
            if number == next - 1 {
                fail(.duplicate, host, "packet \(number) is given to the player twice in a row")
            } else if number < next {
                fail(.order, host, "packet \(number) is given to the player after packet \(next - 1)")
            } else {
                lose(next, number, at: host)
            }
        }
        players[Int(host)].next = number + 1
    }

    private mutating func lose(_ first: Int64, _ end: Int64, at host: Int32) {
        players[Int(host)].lostCount += Int(end - first)
        totals.residualCount += Int(end - first)
        if first <= end - 8192 {
            players[Int(host)].missing = [:]
            return
        }
        for number in first..<end { players[Int(host)].missing.removeValue(forKey: number) }
    }

    /// The player of `host` is given what does not carry the content of packet `number`.
    mutating func wrongContent(_ number: Int64, at host: Int32) {
        fail(.content, host, "packet \(number) does not carry what was sent under its number")
    }

    /// A packet left the reorder buffer of `host` after `wait`.
    mutating func waited(_ wait: Nanoseconds, at host: Int32) {
        if wait > totals.longestWait { totals.longestWait = wait }
        if wait > latency + .milliseconds(1) {
            fail(
                .deadline, host,
                "a packet waited \(wait.count / 1000) us, the latency is \(latency.count / 1000) us")
        }
    }

    /// `host` holds `count` packets for order.
    mutating func holds(_ count: Int, at host: Int32, limit: Int) {
        if count > totals.peakHeldCount { totals.peakHeldCount = count }
        if count > limit {
            fail(.memory, host, "\(count) packets are held, \(limit) are enough for the latency")
        }
    }

    // MARK: The wire

    /// Packet `number` leaves its source for the first time.
    mutating func sent(_ number: Int64, wireByteCount: Int) {
        packets.sent(number, at: now)
        totals.packetCount += 1
        totals.mediaByteCount += wireByteCount
    }

    /// A copy of packet `number` is lost on its first way, for `count` receivers.
    mutating func lost(_ number: Int64, for count: Int) {
        guard count > 0 else { return }
        totals.lossCount += count
        let isNew = packets.with(number) { record in
            let isNew = record.lossCount == 0
            record.lossCount = Int32(clamping: Int(record.lossCount) + count)
            return isNew
        }
        if isNew == true {
            windowLosses += 1
            totals.lostPacketCount += 1
        }
    }

    /// A repair of packet `number` leaves `host`.
    mutating func repaired(_ number: Int64, by host: Int32, wireByteCount: Int) {
        totals.repairCount += 1
        totals.repairByteCount += wireByteCount
        let now = now
        let isKnown: Void? = packets.with(number) { record in
            record.repairCount += 1
            if record.repairedAt == .distantFuture { record.repairedAt = now }
        }
        if isKnown == nil && number >= packets.next {
            fail(.content, host, "packet \(number) is repaired and was never sent")
        }
    }

    /// A datagram of control leaves `host`.
    mutating func control(wireByteCount: Int) {
        totals.controlCount += 1
        totals.controlByteCount += wireByteCount
    }

    /// `host` asks for packet `number`, which can be there `reach` from now at the earliest; of `segment` when it asks its
    /// own segment only.
    mutating func asked(_ number: Int64, by host: Int32, of segment: Int32?, reach: Nanoseconds) {
        totals.askCount += 1
        if let segment { windowLocalAsks[Int(segment)] += 1 } else { windowAsks += 1 }
        if let missed = players[Int(host)].missing[number], now + reach > missed + latency {
            totals.hopelessAskCount += 1
            let allowed = (totals.askCount * limits.hopelessAsks) / 1_000_000 + 20
            if totals.hopelessAskCount > allowed {
                fail(
                    .hopeless, host,
                    "packet \(number) is asked for and cannot come in time; "
                        + "\(totals.hopelessAskCount) of \(totals.askCount) requests so far")
            }
        }
        let count = packets.with(number) { record -> Int32 in
            record.askCount += 1
            if segment == nil { record.farAskCount += 1 }
            return record.askCount
        }
        if let count, Int(count) > limits.asksPerPacket {
            fail(.storm, host, "packet \(number) is asked for the \(count)th time")
        }
    }

    // MARK: Every second

    /// Looks at sums; to be called once a simulated second.
    mutating func inspect() {
        // What is heard in one place: what stays in a segment is a storm there, or nowhere.
        let windowAsks = windowAsks + (windowLocalAsks.max() ?? 0)
        if windowAsks * 100 > limits.asksPerLoss * (windowLosses + formerLosses) + 10_000 {
            fail(
                .storm, -1,
                "\(windowAsks) requests in a second in which \(windowLosses + formerLosses) packets were lost"
            )
        }
        self.windowAsks = 0
        for index in windowLocalAsks.indices { windowLocalAsks[index] = 0 }
        formerLosses = windowLosses
        windowLosses = 0
        let share = Int(Int128(totals.mediaByteCount) * Int128(limits.repair) / 1_000_000)
        let allowed = share + totals.mediaByteCount / 10 + 500_000
        if totals.repairByteCount > allowed {
            fail(
                .budget, -1,
                "\(totals.repairByteCount) bytes of repair for \(totals.mediaByteCount) of media")
        }
        checkHealing()
    }

    /// The packet that every player must be past now; `nil` while faults may be felt.
    var numberDue: Int64? {
        guard now >= healedAt, packets.next > packets.first else { return nil }
        return packets.number(at: now - (latency + limits.heal))
    }

    private mutating func checkHealing() {
        let slack = latency + limits.heal
        guard let due = numberDue else { return }
        for index in players.indices where players[index].isPresent {
            if now - players[index].since < slack + latency { continue }
            if players[index].next < due {
                fail(
                    .healing, Int32(index),
                    players[index].next < 0
                        ? "nothing has come since the last fault"
                        : "the player is at packet \(players[index].next), packet \(due) is due")
                return
            }
        }
    }

    /// The run is over: what never came counts, and the sums must hold.
    mutating func finish() {
        for index in players.indices where players[index].isPresent && players[index].next >= 0 {
            if players[index].next < packets.next {
                lose(players[index].next, packets.next, at: Int32(index))
            }
        }
        packets.settle()
        let expected = totals.deliveredCount + totals.residualCount
        if totals.residualCount * 1_000_000 > limits.residual * expected {
            fail(.residual, -1, "\(totals.residualCount) of \(expected) packets were given up")
        }
        let share = Int(Int128(totals.mediaByteCount) * Int128(limits.repair) / 1_000_000)
        if totals.repairByteCount > share {
            fail(
                .budget, -1,
                "\(totals.repairByteCount) bytes of repair for \(totals.mediaByteCount) of media")
        }
    }
}
