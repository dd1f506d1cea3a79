import FreshetCore
import FreshetOverlay
import Testing

/// Segments that miss what all miss are not asked for it, and those that have it are asked in time.
@Suite struct GroupRepairYieldTests {
    @Test("Requests for a loss that all share are few, those that stay on a segment counted too")
    func segmentsAreNotAskedForWhatAllHaveLost() {
        for seed in 1...3 as ClosedRange<UInt64> {
            let bench = GroupRepairCallerTests.islands(12, of: 40, seed: seed, estimate: 480)
            bench.run(to: .zero + .milliseconds(3500))
            for round in 0..<16 as Range<Int64> {
                _ = GroupRepairCallerTests.lose(1000 + round * 3, of: bench)
            }
            let requests = bench.records.values.map { $0.groupRequests + $0.segmentRequests }
            #expect(requests.count == 16)
            #expect(requests.reduce(0, +) <= 3 * requests.count)
            #expect(percentile(requests, 990) <= 10)
            #expect(bench.records.values.allSatisfy { $0.healed == $0.missing })
        }
    }

    @Test(
        "An elected member that alone misses a packet finds it on its segment, at once when it has found two there"
    )
    func whatNobodyElseAsksForIsAskedOfTheSegment() throws {
        let (bench, alone) = try Self.yieldingMember()
        bench.repairTimes = []
        for sequence in [1006, 1009, 1012] as [Int64] {
            Self.lose(sequence, for: alone, of: bench)
            let record = try #require(bench.records[sequence])
            #expect(record.segmentRequests == 1)
            #expect(record.groupRequests == 0)
            #expect(record.sourceRepairs == 0)
        }
        let waits = bench.repairTimes
        #expect(waits.count == 3)
        #expect(try #require(waits.last) < .milliseconds(20))
    }

    /// A group of which all missed packet 1000, and its member that was elected by its segment, leaves what all miss to
    /// the caller of another and knows of one neighbour.
    private static func yieldingMember() throws -> (bench: GroupBench, member: Int) {
        let bench = GroupRepairCallerTests.islands(12, of: 10, seed: 5, estimate: 120)
        bench.run(to: .zero + .milliseconds(3500))
        // What all miss shows who calls for the group: that is another segment's member.
        _ = GroupRepairCallerTests.lose(1000, of: bench)
        let elected = bench.members.indices.filter { bench.members[$0].node.isRepairer }
        let alone = try #require(
            elected.first { bench.members[$0].node.counts.groupRequests == 0 && bench.members[$0].island > 0 }
        )
        let island = bench.members[alone].island
        let other = try #require(
            bench.members.indices.first { bench.members[$0].island == island && $0 != alone })
        // Its neighbour is heard once; only then it knows of any.
        lose(1003, for: other, of: bench)
        return (bench, alone)
    }

    /// Packet `sequence` is lost for `member` alone.
    private static func lose(_ sequence: Int64, for member: Int, of bench: GroupBench) {
        bench.isLost = { $0 == sequence && $1 == member }
        bench.sendAround(sequence)
        bench.run(to: bench.now + .milliseconds(900))
    }

    /// When the elected member of a segment that has lost a packet asks the group for it, having asked its segment in
    /// vain; with `isEchoed` a neighbour's request for the same comes right after its own.
    private static func asksGroup(isEchoed: Bool) throws -> Instant {
        let (bench, alone) = try yieldingMember()
        let member = bench.members[alone]
        bench.isLost = { $0 == 1006 && bench.members[$1].island == member.island }
        bench.sendAround(1006)
        let end = bench.now + .milliseconds(900)
        let tick = Nanoseconds.microseconds(100)
        while bench.now < end, bench.records[1006, default: LossRecord()].segmentRequests == 0 {
            bench.run(to: bench.now + tick)
        }
        try #require(member.node.counts.groupRequests == 0)
        if isEchoed {
            let echo = GroupRepairHostileTests.request(1006...1006, from: 9, ofSegment: true)
            bench.give(echo, to: alone, from: UInt32(alone) + 1, isLocal: true)
        }
        while bench.now < end, member.node.counts.groupRequests == 0 { bench.run(to: bench.now + tick) }
        try #require(bench.now < end)
        return bench.now
    }

    @Test("An elected member that has asked its segment waits no longer because a neighbour asks the same")
    func aNeighboursEchoCostsNoTime() throws {
        #expect(try Self.asksGroup(isEchoed: true) == Self.asksGroup(isEchoed: false))
    }

    @Test("A group whose caller is gone is healed in time by those who yielded")
    func theCallersSilenceIsNoticed() {
        for seed in 1...3 as ClosedRange<UInt64> {
            let bench = GroupRepairCallerTests.islands(12, of: 10, seed: seed, estimate: 120)
            bench.run(to: .zero + .milliseconds(3500))
            _ = GroupRepairCallerTests.lose(1000, of: bench)
            // Whoever asked for all has the next packet, and so does not ask for it.
            let callers = bench.members.indices.filter { bench.members[$0].node.counts.groupRequests > 0 }
            bench.isLost = { number, member in number == 1003 && !callers.contains(member) }
            bench.sendAround(1003)
            bench.run(to: bench.now + .milliseconds(1200))
            let record = bench.records[1003] ?? LossRecord()
            #expect(record.missing > 100)
            #expect(record.healed == record.missing)
            #expect(record.groupRequests + record.segmentRequests <= 20)
        }
    }
}
