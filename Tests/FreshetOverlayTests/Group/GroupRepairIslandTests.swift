import Foundation
import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// Repair among neighbours.
@Suite struct GroupRepairIslandTests {
    struct Outcome {
        var missing = 0
        var healed = 0
        var fromSource = 0
        var fromNeighbours = 0
        var groupRequests = 0
        var segmentRequests = 0
        var times: [Nanoseconds] = []
        var losses = 0
    }

    /// An island of `count`, whose members are up to `localTrip` apart (there and back) and far from the
    /// source, receives
    /// `packets` packets, 2 ms apart. `isLost` says who misses what.
    static func island(
        _ count: Int, packets: Int64, seed: UInt64, localTrip: Nanoseconds, repairLoss: UInt64 = 10,
        isLost: @escaping (Int64, Int, inout PRNG) -> Bool
    ) -> Outcome {
        let bench = GroupBench(seed: seed)
        bench.backbone = .milliseconds(20)
        bench.controlLoss = repairLoss
        bench.repairLoss = repairLoss
        bench.add(delay: .milliseconds(1))
        for _ in 0..<count {
            let spread = Nanoseconds(Int64(bench.random.below(UInt64(localTrip.count / 8))))
            bench.add(island: 1, delay: localTrip / 8 + spread) {
                $0.serves = true
                $0.historyCapacity = 256
                $0.latency = .milliseconds(300)
                $0.holeCapacity = 64
            }
        }
        bench.start()
        bench.run(to: .zero + .seconds(3))
        var chance = PRNG(seed: seed ^ 0xABCD)
        bench.isLost = { sequence, member in sequence > 1000 && isLost(sequence, member, &chance) }
        for sequence in 1000..<1000 + packets {
            bench.send(sequence)
            bench.run(to: bench.now + .milliseconds(2))
        }
        bench.isLost = { _, _ in false }
        bench.send(1000 + packets)
        bench.run(to: bench.now + .milliseconds(500))
        var outcome = Outcome(times: bench.repairTimes.sorted())
        for record in bench.records.values {
            outcome.losses += record.missing > 0 ? 1 : 0
            outcome.missing += record.missing
            outcome.healed += record.healed
            outcome.fromSource += record.sourceRepairs
            outcome.fromNeighbours += record.memberRepairs
            outcome.groupRequests += record.groupRequests
            outcome.segmentRequests += record.segmentRequests
        }
        return outcome
    }

    static func describe(_ title: String, _ outcome: Outcome, localTrip: Nanoseconds) {
        let median = outcome.times.isEmpty ? Nanoseconds.zero : outcome.times[outcome.times.count / 2]
        let late = outcome.times.isEmpty ? .zero : outcome.times[outcome.times.count * 99 / 100]
        print(
            """
            \(title): \(outcome.missing) missing of \(outcome.losses) packets, \(outcome.healed) healed; repairs \
            \(outcome.fromNeighbours) by neighbours, \(outcome.fromSource) by the source; requests \
            \(outcome.segmentRequests) on the island, \(outcome.groupRequests) beyond; repair after \
            \(median.count * 1000 / localTrip.count)/1000 local RTT median, \
            \(late.count * 1000 / localTrip.count)/1000 p99
            """)
    }

    static var scale: Int64 {
        Int64(ProcessInfo.processInfo.environment["FRESHET_TEST_SCALE"] ?? "") ?? 1
    }

    @Test func anIslandHealsItsOwnLosses() {
        let trip = Nanoseconds.milliseconds(2)
        let outcome = Self.island(200, packets: 300 * Self.scale, seed: 7, localTrip: trip) { _, _, chance in
            chance.chance(1, in: 100)
        }
        Self.describe("island of 200, 1 % each", outcome, localTrip: trip)
        #expect(outcome.healed == outcome.missing)
        let all = outcome.fromSource + outcome.fromNeighbours
        // The first loss of the one who asks for the whole group is asked for there: it cannot know yet whose loss it is.
        #expect((outcome.fromSource - 1) * 1000 <= all)
    }

    @Test func whoseLossesAreItsOwnAsksAtOnce() {
        // Thirty losses each: the first nine show that they are not shared.
        let trip = Nanoseconds.milliseconds(2)
        let outcome = Self.island(40, packets: 3_000, seed: 7, localTrip: trip) { _, _, chance in
            chance.chance(1, in: 100)
        }
        Self.describe("island of 40, 1 % each", outcome, localTrip: trip)
        #expect(outcome.healed == outcome.missing)
        #expect(outcome.times[outcome.times.count / 2] <= trip)
    }

    @Test func whatTheWholeIslandMissesIsAskedForOnce() {
        let trip = Nanoseconds.milliseconds(2)
        let outcome = Self.island(200, packets: 300 * Self.scale, seed: 8, localTrip: trip) {
            sequence, _, _ in
            sequence % 20 == 0
        }
        Self.describe("island of 200, losses of all", outcome, localTrip: trip)
        #expect(outcome.healed * 10_000 >= outcome.missing * 9_999)
        #expect(outcome.fromSource * 10 <= outcome.losses * 11)
        #expect(outcome.groupRequests * 10 <= outcome.losses * 15)
    }
}
