internal import FreshetCore

/// Says which packets were there in time.
///
/// A packet is in time when it arrives within the latency after the first arrival of an original behind it: what a reorder
/// buffer with that latency gives out.
struct Judge {
    private let latency: Nanoseconds
    private let first: Int64
    private var highest: Int64
    private var judged: Int64
    private var arrivedAt: [Instant]
    private var noticedAt: [Instant]
    private let mask: Int64 = (1 << 15) - 1
    private(set) var missed = 0
    private(set) var lost = 0
    private(set) var lostAt: [Int64] = []

    init(first: Int64, latency: Nanoseconds) {
        self.first = first
        self.latency = latency
        highest = first - 1
        judged = first - 1
        arrivedAt = Array(repeating: .distantFuture, count: 1 << 15)
        noticedAt = Array(repeating: .distantFuture, count: 1 << 15)
    }

    mutating func note(_ sequence: Int64, isOriginal: Bool, now: Instant) {
        if isOriginal, sequence > highest { advance(to: sequence, now) }
        let place = Int(sequence & mask)
        if sequence > highest - mask, arrivedAt[place] > now { arrivedAt[place] = now }
    }

    private mutating func advance(to sequence: Int64, _ now: Instant) {
        while highest < sequence {
            highest += 1
            let place = Int(highest & mask)
            arrivedAt[place] = .distantFuture
            noticedAt[place] = now
        }
        while judged < highest - mask / 2 { judgeNext() }
    }

    private mutating func judgeNext() {
        judged += 1
        let place = Int(judged & mask)
        if arrivedAt[place] > noticedAt[place] { missed += 1 }
        if arrivedAt[place] > noticedAt[place] + latency {
            lost += 1
            if lostAt.count < 20 { lostAt.append(judged) }
        }
    }

    /// The stream is over. Packets at the tail that nothing came behind are judged by whether they came at all.
    mutating func finish(last: Int64) {
        while judged < highest { judgeNext() }
        let tail = Int(last - highest)
        missed += tail
        lost += tail
    }
}
