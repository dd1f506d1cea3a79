import FreshetCore
import FreshetStages
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
