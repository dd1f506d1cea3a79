import FreshetCore
import FreshetStages
import Foundation
import Testing

@Suite struct ReorderStageTests {
    @Test func packetsInOrderPassAfterTheStart() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(50)))
        for index in 0..<100 { try bench.give(Int64(index), at: milliseconds(Int64(index))) }
        #expect(bench.seen.count == 100)
        #expect(bench.seen.first?.instant == milliseconds(50))
        #expect(bench.seen.last?.instant == milliseconds(99))
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<100))
        #expect(bench.context.counters[.lost] == 0)
    }

    @Test func aStreamThatFillsTheBufferBeforeItsStartIsOverLosesNothing() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(200)), slots: 16_384)
        for index in 0..<9000 { try bench.give(Int64(index), at: milliseconds(Int64(index / 100))) }
        try bench.finish()
        #expect(bench.seen.count == 9000)
        #expect(bench.seen.first?.sequence == 0)
        #expect(bench.context.counters[.lost] == 0)
    }

    @Test func aStartInPerfectOrderHoldsNoMoreThanItTakesToSeeThat() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(200)), slots: 4096)
        for index in 0..<4000 { try bench.give(Int64(index), at: milliseconds(Int64(index / 50))) }
        #expect(bench.seen.first?.instant == milliseconds(Int64(ReorderBuffer.orderlyLimit / 50)))
        #expect(bench.seen.count == 4000)
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<4000))
        #expect(bench.context.counters[.lost] == 0)
    }

    @Test func aStartWithOnePacketOutOfPlaceWaitsForThoseSentBefore() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(200)), slots: 8192)
        var sequences = Array(Int64(1)..<4000)
        sequences.swapAt(1500, 1501)
        for (index, sequence) in sequences.enumerated() {
            try bench.give(sequence, at: milliseconds(Int64(index / 50)))
        }
        try bench.give(0, at: milliseconds(100))
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<4000))
        #expect(bench.context.counters[.late] == 0)
    }

    @Test func packetsSentBeforeTheFirstArrivedComeFirst() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(50)))
        for (index, sequence) in [5, 3, 4, 1, 2, 6].enumerated() {
            try bench.give(Int64(sequence), at: milliseconds(Int64(index)))
        }
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == [1, 2, 3, 4, 5, 6])
        #expect(bench.context.counters[.lost] == 0)
        #expect(bench.context.counters[.reordered] == 4)
    }

    @Test func aGapIsGivenUpWhenAPacketBehindItHasWaited() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(50)))
        try bench.give(10, at: milliseconds(0))
        try bench.give(11, at: milliseconds(60))
        try bench.give(14, at: milliseconds(70))
        try bench.give(13, at: milliseconds(100))
        try bench.run(to: milliseconds(1000))
        #expect(bench.seen.map(\.sequence) == [10, 11, 13, 14])
        #expect(bench.seen.map(\.instant) == [50, 60, 120, 120].map(milliseconds))
        try bench.give(12, at: milliseconds(1001))
        try bench.give(12, at: milliseconds(1002))
        try bench.give(13, at: milliseconds(1003))
        #expect(bench.context.counters[.lost] == 1)
        #expect(bench.context.counters[.late] == 1)
        #expect(bench.context.counters[.duplicates] == 2)
        #expect(bench.seen.count == 4)
    }

    @Test func aNewEpochFollowsTheOldOne() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(50)))
        for index in 0..<20 where index != 17 {
            try bench.give(Int64(index), at: milliseconds(Int64(index)), epoch: 0)
        }
        for (index, sequence) in [70_001, 70_000, 70_002].enumerated() {
            try bench.give(Int64(sequence), at: milliseconds(Int64(20 + index)), epoch: 1)
        }
        try bench.finish()
        let old = (0..<20).filter { $0 != 17 }.map { Int64($0) }
        #expect(bench.seen.map(\.sequence) == old + [70_000, 70_001, 70_002])
        #expect(bench.context.counters[.lost] == 1)
    }

    @Test func whenAskedToEndNothingIsHeldBack() throws {
        let bench = try StageBench(ReorderStage(latency: .milliseconds(500)), batch: 4)
        for sequence in [1, 2, 4, 5, 6, 7, 8, 9, 700] as [Int64] {
            try bench.give(sequence, at: milliseconds(1))
        }
        #expect(bench.seen.isEmpty)
        bench.context.isStopping = true
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == [1, 2, 4, 5, 6, 7, 8, 9, 700])
        #expect(bench.seen.allSatisfy { $0.instant == milliseconds(1) })
    }
}

/// How many times larger than usual the large tests are: `FRESHET_TEST_SCALE`.
let testScale = Int(ProcessInfo.processInfo.environment["FRESHET_TEST_SCALE"] ?? "") ?? 1

/// What a stream looks like after a bad link, and what a receiver must make of it.
struct BadJourney {
    /// Extended numbers (through 16 bits and back) and arrivals, in the order of arrival.
    var arrivals: [(sequence: Int64, arrival: Int64)] = []
    /// When the first copy of each packet came; `nil` for one that never did.
    var first: [Int64?]
    let start: Int64
    var copyCount = 0

    /// `count` packets, `interval` nanoseconds apart, numbered from `start`, over `link`.
    init(
        _ count: Int, interval: Int64, start: Int64, link configuration: LinkModel.Configuration, seed: UInt64
    ) {
        var link = LinkModel(configuration, seed: seed)
        self.start = start
        first = Array(repeating: nil, count: count)
        var departures: [(instant: Int64, index: Int)] = []
        for index in 0..<count {
            let now = Instant(nanoseconds: 1_000_000_000 + Int64(index) * interval)
            guard case .delivered(let departure, let copy, _) = link.decide(now: now, byteCount: 1328) else {
                continue
            }
            departures.append((departure.nanoseconds, index))
            first[index] = departure.nanoseconds
            if let copy {
                departures.append((copy.nanoseconds, index))
                copyCount += 1
            }
        }
        departures.sort { $0 < $1 }
        var extender = SequenceExtender()
        for (instant, index) in departures {
            let wrapped = UInt16(truncatingIfNeeded: start + Int64(index))
            arrivals.append((extender.extend(wrapped), instant))
        }
    }
}

@Suite struct ReorderJourneyTests {
    /// Runs the journey through a stage and checks what must always hold: order, at most one of each, no
    /// packet held longer than the latency, every packet accounted for.
    private func check(_ journey: BadJourney, latency: Nanoseconds, batch: Int = 64, slots: Int = 4096) throws
        -> Counters
    {
        let bench = try StageBench(ReorderStage(latency: latency), batch: batch, slots: slots)
        var last = Int64.min
        var firstOut = Int64.max
        var outCount = 0
        var longest = Int64(0)
        var wrongOrderCount = 0
        bench.sink = { packet, now in
            let sequence = packet.info.extendedSequence
            if sequence <= last { wrongOrderCount += 1 }
            last = sequence
            firstOut = min(firstOut, sequence)
            outCount += 1
            longest = max(longest, (now - packet.info.arrival).count)
        }
        for (sequence, arrival) in journey.arrivals {
            try bench.give(at: Instant(nanoseconds: arrival)) { packet in
                packet.info.extendedSequence = sequence
                packet.info.flags = .hasSequence
            }
        }
        try bench.finish()
        let counters = bench.context.counters
        #expect(wrongOrderCount == 0)
        #expect(longest <= latency.count)
        #expect(outCount + counters[.duplicates] + counters[.late] == journey.arrivals.count)
        #expect(counters[.lost] == Int(last - firstOut) + 1 - outCount)
        #expect(counters[.malformed] == 0 && counters[.discontinuities] == 0)
        return counters
    }

    private func link(_ change: (inout LinkModel.Configuration) -> Void) -> LinkModel.Configuration {
        var configuration = LinkModel.Configuration()
        change(&configuration)
        return configuration
    }

    @Test func outputIsInputUnderReorderingDuplicatesAndJitter() throws {
        // 100 packets in 40 ms: each may be overtaken by 100 others.
        let journey = BadJourney(
            1_000_000 * testScale, interval: 400_000, start: 65_530,
            link: link {
                $0.jitter = .milliseconds(40)
                $0.duplicate = 50_000
            }, seed: 11)
        let counters = try check(journey, latency: .milliseconds(41))
        #expect(counters[.lost] == 0)
        #expect(counters[.late] == 0)
        #expect(counters[.duplicates] == journey.copyCount)
        #expect(counters[.reordered] > 600_000)
    }

    @Test func lossIsCountedExactly() throws {
        let journey = BadJourney(
            800_000 * testScale, interval: 1_000_000, start: 0,
            link: link {
                $0.jitter = .milliseconds(40)
                $0.loss = 20_000
                $0.burst = 4
                $0.duplicate = 50_000
            }, seed: 12)
        let counters = try check(journey, latency: .milliseconds(60))
        let came = journey.first.indices.filter { journey.first[$0] != nil }
        guard let low = came.first, let high = came.last else { return }
        #expect(counters[.lost] == high - low + 1 - came.count)
        #expect(counters[.late] == 0)
        #expect(counters[.duplicates] == journey.copyCount)
    }

    @Test func orderAndLatencyHoldWhenPacketsComeTooLate() throws {
        let journey = BadJourney(
            600_000 * testScale, interval: 700_000, start: 1 << 40,
            link: link {
                $0.jitter = .milliseconds(60)
                $0.jitterShape = .normal
                $0.loss = 10_000
                $0.reorder = 10_000
                $0.reorderDepth = 100
                $0.duplicate = 50_000
            }, seed: 13)
        let counters = try check(journey, latency: .milliseconds(20))
        #expect(counters[.late] > 1000)
    }

    @Test(arguments: [1, 2, 3])
    func tinyBatchesAndPoolsHoldBackAndLoseNothing(batch: Int) throws {
        let journey = BadJourney(
            20_000, interval: 1_000_000, start: 5, link: link { $0.jitter = .milliseconds(20) }, seed: 14)
        let counters = try check(journey, latency: .milliseconds(25), batch: batch, slots: 40)
        #expect(counters[.lost] == 0)
    }

    @Test func burstsAtOneInstantAreOrderedToo() throws {
        // A network that was stopped for half a second delivers everything at once, shuffled.
        var journey = BadJourney(20_000, interval: 500_000, start: 9, link: link { _ in }, seed: 15)
        var random = PRNG(seed: 16)
        for index in journey.arrivals.indices {
            journey.arrivals[index].arrival =
                (journey.arrivals[index].arrival / 500_000_000 + 1) * 500_000_000
        }
        var start = 0
        while start < journey.arrivals.count {
            var end = start
            while end < journey.arrivals.count,
                journey.arrivals[end].arrival == journey.arrivals[start].arrival
            {
                end += 1
            }
            journey.arrivals[start..<end].shuffle(using: &random)
            start = end
        }
        let counters = try check(journey, latency: .milliseconds(200))
        #expect(counters[.lost] == 0)
    }
}
