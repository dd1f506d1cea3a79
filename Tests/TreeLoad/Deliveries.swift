import FreshetCore

/// What was sent when, and how long it took to arrive: in all, and at the first child that got it.
struct Deliveries {
    private static let ringCount = 1 << 16
    private static let bucketCount = 200_000

    private var sentAt = [Instant](repeating: .distantFuture, count: Deliveries.ringCount)
    private var first = [Int64](repeating: .max, count: Deliveries.ringCount)
    /// Microseconds from sending to arrival: how many took so long.
    private var all = [Int](repeating: 0, count: Deliveries.bucketCount)
    private var firsts = [Int](repeating: 0, count: Deliveries.bucketCount)
    private(set) var from = Instant.distantFuture
    private(set) var to = Instant.distantFuture

    /// Packets sent within the measured span.
    private(set) var sentCount = 0
    /// Packets that children got of these, each counted once a child, and what came twice.
    private(set) var count = 0
    private(set) var duplicateCount = 0
    private(set) var repairedCount = 0

    /// Measures what is sent from `start` to `end`.
    mutating func measure(from start: Instant, to end: Instant) {
        from = start
        to = end
    }

    /// The packet `sequence` is sent now.
    mutating func noteSent(_ sequence: UInt16, at now: Instant) {
        let place = Int(sequence)
        close(place)
        sentAt[place] = now
        if isMeasured(now) { sentCount += 1 }
    }

    /// A child got the packet `sequence` at `arrival`.
    mutating func noteArrival(_ sequence: UInt16, at arrival: Instant, isNew: Bool, isRepaired: Bool) {
        let sent = sentAt[Int(sequence)]
        guard isMeasured(sent) else { return }
        guard isNew else {
            duplicateCount += 1
            return
        }
        count += 1
        if isRepaired { repairedCount += 1 }
        let took = max(0, (arrival - sent).count)
        first[Int(sequence)] = min(first[Int(sequence)], took)
        all[min(Deliveries.bucketCount - 1, Int(took / 1_000))] += 1
    }

    private func isMeasured(_ sent: Instant) -> Bool { sent >= from && sent < to }

    private mutating func close(_ place: Int) {
        let took = first[place]
        first[place] = .max
        if took != .max { firsts[min(Deliveries.bucketCount - 1, Int(took / 1_000))] += 1 }
    }

    /// Everything has come.
    mutating func finish() {
        for place in 0..<Deliveries.ringCount { close(place) }
    }

    /// Within how many microseconds so many of a thousand came: all of them, or the first of each packet.
    func microseconds(_ perMille: Int, ofFirst: Bool) -> Int {
        let buckets = ofFirst ? firsts : all
        var left = buckets.reduce(0, +) * perMille / 1000
        for (took, count) in buckets.enumerated() {
            if count > left { return took }
            left -= count
        }
        return 0
    }
}
