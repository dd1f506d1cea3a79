import FreshetCoding
import FreshetCore
import FreshetStages
import FreshetWire

/// What one run of one code over one link gives.
struct LossResult {
    /// Windows of 20 ms, and those of them with a hole after repair.
    var windows = 0
    var holes = 0
    /// Packets sent, lost on the link, and lost after repair.
    var packets = 0
    var lost = 0
    var residual = 0
    /// Parity packets sent.
    var parity = 0

    static func += (a: inout LossResult, b: LossResult) {
        a.windows += b.windows
        a.holes += b.holes
        a.packets += b.packets
        a.lost += b.lost
        a.residual += b.residual
        a.parity += b.parity
    }
}

/// A stream of packets at even spacing over a bad link, under one code and one delay budget.
struct LossRun {
    var packetsPerSecond = 760
    var seconds = 120
    /// From a packet's departure until it must be known.
    var budget = Nanoseconds.milliseconds(200)
    /// Parity per million packets.
    var overhead = 200_000
    /// Share of packets lost, in parts per million, and mean losses in a row.
    var loss = 50_000
    var burst = 5
    var seed: UInt64 = 1

    var packetCount: Int { packetsPerSecond * seconds }
    func instant(_ index: Int) -> Instant {
        Instant(nanoseconds: 1_000_000_000 + Int64(index) * 1_000_000_000 / Int64(packetsPerSecond))
    }
    func link() -> LinkModel {
        var configuration = LinkModel.Configuration()
        configuration.loss = loss
        configuration.burst = burst
        return LinkModel(configuration, seed: seed)
    }
    static func arrives(_ link: inout LinkModel, _ now: Instant) -> Bool {
        if case .delivered = link.decide(now: now, byteCount: 1358) { return true }
        return false
    }

    func result(_ isThere: [Bool], lost: Int, parity: Int) -> LossResult {
        // The parity of what departs at the very end is not sent any more.
        let end = packetCount - Int(budget.count * Int64(packetsPerSecond) / 1_000_000_000)
        var result = LossResult(packets: end, lost: lost, parity: parity)
        result.residual = isThere[..<end].count { !$0 }
        // 20 ms windows by departure.
        var index = 0
        while index < end {
            let windowEnd = instant(index) + .milliseconds(20)
            var hasHole = false
            while index < end, instant(index) < windowEnd {
                if !isThere[index] { hasHole = true }
                index += 1
            }
            result.windows += 1
            if hasHole { result.holes += 1 }
        }
        return result
    }

    /// Sliding windows as long as the budget, by the code that ships.
    func slidingWindow(window: Nanoseconds? = nil) -> LossResult {
        let pool = PacketPool(slotCount: 4)
        var link = link()
        let limit = 2048
        var sender = RLCSender(
            RLCSender.Configuration(
                floor: overhead, cap: overhead, window: window ?? budget, packetLimit: limit / 2,
                packetByteCount: 62),
            key: UInt16(truncatingIfNeeded: seed))
        var receiver = RLCDecoder(window: limit / 2, symbolByteCount: 64)
        var isThere = [Bool](repeating: false, count: packetCount)
        var lost = 0
        var parity = 0
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 8)
        defer { storage.deallocate() }
        for index in 0..<packetCount {
            let now = instant(index)
            guard var packet = pool.allocate() else { fatalError("the pool is empty") }
            fill(&packet, index)
            sender.add(packet, now: now)
            if LossRun.arrives(&link, now) {
                isThere[index] = true
                receiver.addSource(packet)
            } else {
                lost += 1
            }
            while true {
                var span = MutableRawSpan(_unsafeBytes: storage)
                let count = sender.next(into: &span)
                if count == 0 { break }
                parity += 1
                if LossRun.arrives(&link, now) {
                    receiver.addRepair(
                        RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[..<count])))
                }
            }
            note(&receiver, pool, now, &isThere)
        }
        return result(isThere, lost: lost, parity: parity)
    }

    private func fill(_ packet: inout Packet, _ index: Int) {
        packet.append(byteCount: 62) { span in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: index),
                timestamp: UInt32(truncatingIfNeeded: index),
                ssrc: 2, into: &span)
            span.write(UInt32(truncatingIfNeeded: index &* 2_654_435_761), at: 12)
        }
        packet.info.flags = .hasSequence
        packet.info.ssrc = 2
        packet.info.extendedSequence = Int64(index)
        packet.info.headerByteCount = 12
    }

    /// What was given back counts when it is in time.
    private func note(
        _ receiver: inout RLCDecoder, _ pool: PacketPool, _ now: Instant, _ isThere: inout [Bool]
    ) {
        while receiver.hasRecovered {
            guard var packet = pool.allocate() else { fatalError("the pool is empty") }
            guard let sequence = receiver.nextRecovered(into: &packet), sequence >= 0 else { continue }
            let index = Int(sequence)
            guard packet.bytes.uint32(at: 12) == UInt32(truncatingIfNeeded: index &* 2_654_435_761) else {
                fatalError("packet \(index) came back wrong")
            }
            if now <= instant(index) + budget { isThere[index] = true }
        }
    }

    /// When the parity of a block goes.
    enum Placing {
        /// Evenly beside the next block, as sliding windows send theirs: a block is half as long as the
        /// budget.
        case spread
        /// Behind its block at the same even rate, for which the packets of the next are held back: a block
        /// takes what that leaves of the budget.
        case paced
        /// Behind its block in no time, at any rate: a block is as long as the budget.
        case atOnce
    }

    /// Blocks of an ideal code. Reed–Solomon is one: any k of the k + m packets of a block give all k, so
    /// counting them is exact.
    func blocks(_ placing: Placing) -> LossResult {
        var link = link()
        let isSpread = placing == .spread
        let span =
            switch placing {
            case .spread: budget.count / 2
            case .paced: budget.count * Int64(1_000_000 + overhead) / Int64(1_000_000 + 2 * overhead)
            case .atOnce: budget.count
            }
        let blockCount = max(1, Int(span * Int64(packetsPerSecond) / 1_000_000_000))
        var isThere = [Bool](repeating: false, count: packetCount)
        var lost = 0
        var parity = 0
        var credit = 0
        /// The block whose parity is under way: where it begins, what came of it, what is still to be sent.
        var start = 0
        var came = 0
        var left = 0
        var sent = 0
        var total = 0
        func sendParity(_ now: Instant) {
            parity += 1
            left -= 1
            sent += 1
            if LossRun.arrives(&link, now) { came += 1 }
            let missing = (start..<min(start + blockCount, packetCount)).count { !isThere[$0] }
            if came >= missing {
                for index in start..<min(start + blockCount, packetCount) { isThere[index] = true }
            }
        }
        for index in 0..<packetCount {
            let now = instant(index)
            if LossRun.arrives(&link, now) { isThere[index] = true } else { lost += 1 }
            let place = index % blockCount
            if left > 0, (place + 1) * total >= (sent + 1) * blockCount { sendParity(now) }
            if place == blockCount - 1 {
                while left > 0 { sendParity(now) }
                credit += overhead * blockCount
                total = credit / 1_000_000
                credit -= total * 1_000_000
                left = total
                sent = 0
                came = 0
                start = index + 1 - blockCount
                if !isSpread { while left > 0 { sendParity(now) } }
            }
        }
        return result(isThere, lost: lost, parity: parity)
    }

    /// The same of many seeds.
    func over(seeds: Range<UInt64>, _ body: (LossRun) -> LossResult) -> LossResult {
        var sum = LossResult()
        for seed in seeds {
            var run = self
            run.seed = seed
            sum += body(run)
        }
        return sum
    }
}
