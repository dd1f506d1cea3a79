import FreshetCore
import FreshetOverlay
import FreshetWire
import Foundation
import Testing

/// What the requests of many for the same lost packet cost.
@Suite struct GroupRepairImplosionTests {
    struct Outcome {
        var requests: [Int] = []
        var repairs = 0
        var leaves: [Int64] = []
        var losses = 0
        var unhealed = 0

        var meanPerMille: Int { requests.reduce(0, +) * 1000 / max(1, requests.count) }
        var p99: Int { percentile(requests, 990) }
        var repairsPerMille: Int { repairs * 1000 / max(1, losses) }
        /// The median, in thousandths of a round trip.
        var medianLeave: Int64 { leaves.sorted()[leaves.count / 2] }
    }

    static let roundTrip = Nanoseconds.milliseconds(100)

    /// `count` receivers, about half a round trip apart, lose the same packet `losses` times over.
    static func share(
        _ count: Int, losses: Int, seed: UInt64, estimate: UInt64 = 10_000, controlLoss: UInt64 = 0,
        settle: Int = 4
    ) -> Outcome {
        let bench = GroupBench(seed: seed)
        bench.controlLoss = controlLoss
        bench.add(delay: roundTrip / 4) { $0.groupSizeEstimate = estimate }
        for _ in 0..<count {
            let spread = Nanoseconds(Int64(bench.random.below(UInt64(roundTrip.count / 10))))
            bench.add(delay: roundTrip / 5 + spread) { $0.groupSizeEstimate = estimate }
        }
        bench.start()
        bench.run(to: .zero + .seconds(Int64(settle)))
        var sequence: Int64 = 1000
        bench.isLost = { number, _ in number % 2 == 1 }
        for _ in 0..<losses {
            bench.send(sequence)
            bench.run(to: bench.now + .milliseconds(2))
            bench.send(sequence + 1)
            bench.run(to: bench.now + .milliseconds(2))
            bench.send(sequence + 2)
            sequence += 2
            bench.run(to: bench.now + .milliseconds(900))
        }
        bench.run(to: bench.now + .seconds(2))
        var outcome = Outcome()
        for record in bench.records.sorted(by: { $0.key < $1.key }).map(\.value) {
            outcome.losses += 1
            outcome.requests.append(record.groupRequests)
            outcome.repairs += record.sourceRepairs
            outcome.unhealed += record.missing - record.healed
            if let seen = record.firstSeen, let left = record.firstSourceRepair {
                outcome.leaves.append((left - seen).count * 1000 / roundTrip.count)
            }
        }
        return outcome
    }

    static func describe(_ title: String, _ outcome: Outcome) {
        print(
            """
            \(title): \(outcome.losses) losses, requests per loss \(outcome.meanPerMille)/1000 mean \
            \(outcome.p99) p99 \(outcome.requests.max() ?? 0) most, first \(outcome.requests.first ?? 0); \
            repairs per loss \(outcome.repairsPerMille)/1000; repair leaves after \
            \(outcome.medianLeave)/1000 RTT median, \(outcome.leaves.max() ?? 0) most; \
            unhealed \(outcome.unhealed)
            """)
    }

    static var scale: Int {
        Int(ProcessInfo.processInfo.environment["FRESHET_TEST_SCALE"] ?? "") ?? 1
    }

    @Test func oneLossSharedByAThousandIsAskedForByFew() {
        for seed in 1...UInt64(Self.scale) {
            let outcome = Self.share(1000, losses: 12 * Self.scale, seed: seed)
            Self.describe("1,000 receivers, seed \(seed)", outcome)
            #expect(outcome.meanPerMille <= 3000)
            #expect(outcome.p99 <= 10)
            #expect(outcome.repairsPerMille <= 1100)
            #expect(outcome.medianLeave <= 600)
            #expect(outcome.unhealed == 0)
        }
    }

    @Test func oneLossSharedByTenThousandIsAskedForByFew() {
        let outcome = Self.share(10_000, losses: 4 * Self.scale, seed: 3, settle: 2)
        Self.describe("10,000 receivers", outcome)
        #expect(outcome.meanPerMille <= 3000)
        #expect(outcome.p99 <= 10)
        #expect(outcome.repairsPerMille <= 1100)
        #expect(outcome.medianLeave <= 600)
        #expect(outcome.unhealed == 0)
    }

    /// No advice and no reports: nobody was named, and all believe the group to be of the given size.
    @Test func aGroupMisjudgedAHundredTimesIsNotFlooded() {
        for seed in 1...UInt64(2 * Self.scale) {
            let outcome = Self.share(2000, losses: 1, seed: seed, estimate: 20, settle: 0)
            Self.describe("2,000 receivers thought to be 20", outcome)
            #expect(outcome.meanPerMille <= 40_000)
            #expect(outcome.repairsPerMille <= 1100)
            #expect(outcome.unhealed == 0)
        }
    }

    @Test func lostRequestsAndRepairsAreHealedAllTheSame() {
        let outcome = Self.share(1000, losses: 8 * Self.scale, seed: 5, controlLoss: 50)
        Self.describe("1,000 receivers, one datagram of control in 20 lost", outcome)
        #expect(outcome.meanPerMille <= 3000)
        #expect(outcome.unhealed == 0)
    }

    @Test func aHundredThousandAreNotAFlood() {
        if Self.scale < 10 { return }
        let outcome = Self.share(100_000, losses: 10, seed: 4, settle: 2)
        Self.describe("100,000 receivers", outcome)
        #expect(outcome.meanPerMille <= 4000)
        #expect(outcome.repairsPerMille <= 1100)
    }
}
