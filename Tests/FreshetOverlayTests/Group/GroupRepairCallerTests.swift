import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// One asks for all: it is found before the first loss, and stays although repairs are lost.
@Suite struct GroupRepairCallerTests {
    static let roundTrip = Nanoseconds.milliseconds(100)

    /// A source, and `islands` of `size` members each that may serve.
    static func islands(_ islands: Int, of size: Int = 3, seed: UInt64, estimate: UInt64) -> GroupBench {
        let bench = GroupBench(seed: seed)
        bench.backbone = roundTrip / 5
        bench.add(delay: roundTrip / 4) { $0.groupSizeEstimate = estimate }
        for index in 0..<islands * size {
            bench.add(island: 1 + index / size, delay: .milliseconds(1)) {
                $0.serves = true
                $0.historyCapacity = 64
                $0.groupSizeEstimate = estimate
                $0.segmentSizeEstimate = UInt64(size)
            }
        }
        bench.start()
        return bench
    }

    /// Packet `sequence` is lost for all: when its repair left the source after it was missed, in thousandths of a
    /// round trip, and the requests for it. `meddle` is done 1.9 round trips after the loss.
    static func lose(
        _ sequence: Int64, of bench: GroupBench, meddle: () -> Void = {}
    ) -> (leave: Int64, requests: Int) {
        bench.isLost = { number, _ in number == sequence }
        bench.sendAround(sequence)
        bench.run(to: bench.now + roundTrip * 19 / 10)
        meddle()
        bench.run(to: bench.now + .milliseconds(700))
        guard let record = bench.records[sequence], let seen = record.firstSeen,
            let left = record.firstSourceRepair
        else { return (.max, 0) }
        return ((left - seen).count * 1000 / roundTrip.count, record.groupRequests)
    }

    @Test("The source names a caller before anything is lost", arguments: [60, 6_000] as [UInt64])
    func aCallerIsNamedBeforeTheFirstLoss(estimate: UInt64) {
        for seed in 1...8 as ClosedRange<UInt64> {
            let bench = Self.islands(20, seed: seed, estimate: estimate)
            // The members of a segment have agreed on one of them, and the first advice is heard.
            bench.run(to: .zero + .milliseconds(1500))
            let first = Self.lose(1000, of: bench)
            #expect(first.leave <= 600)
            #expect(first.requests <= 3)
        }
    }

    @Test("A repair that is lost leaves the group its caller", arguments: 1...8 as ClosedRange<UInt64>)
    func lostRepairsLeaveTheCallerInItsPlace(seed: UInt64) {
        let bench = Self.islands(20, seed: seed, estimate: 6_000)
        bench.run(to: .zero + .milliseconds(1500))
        for round in 0..<8 as Range<Int64> {
            bench.dropsFirstSourceRepair = false
            #expect(Self.lose(1000 + round * 6, of: bench).leave <= 600)
            // The repair that all wait for comes to nobody, so that all want it again.
            bench.dropsFirstSourceRepair = true
            let contested = Self.lose(1003 + round * 6, of: bench)
            #expect(contested.leave <= 600)
            #expect(contested.requests <= 5)
        }
    }

    @Test("Who asks again because a repair was lost takes the role from nobody")
    func repeatsOfOthersDoNotUnseatTheCaller() {
        for seed in 1...4 as ClosedRange<UInt64> {
            let bench = Self.islands(20, seed: seed, estimate: 6_000)
            bench.run(to: .zero + .milliseconds(1500))
            _ = Self.lose(1000, of: bench)
            // The role is with the one that is left after the first loss. All hear one that goes before it ask again.
            bench.dropsFirstSourceRepair = true
            _ = Self.lose(1003, of: bench) {
                let request = GroupRepairHostileTests.request(1003...1003, from: 1)
                for index in bench.members.indices.dropFirst() {
                    bench.give(request, to: index, from: 9999, isLocal: false)
                }
            }
            bench.dropsFirstSourceRepair = false
            // It asks without a wait: the repair leaves after the way of its request.
            #expect(Self.lose(1006, of: bench).leave <= 470)
        }
    }

    @Test("An offer is made once, and not while somebody calls")
    func offersAreFew() {
        let bench = Self.islands(20, seed: 3, estimate: 60)
        bench.run(to: .zero + .seconds(4))
        #expect(bench.offerCount >= 1)
        // All that were elected before the source had named the first of them.
        #expect(bench.offerCount <= 10)
        let before = bench.offerCount
        bench.run(to: bench.now + .seconds(10))
        #expect(bench.offerCount == before)
    }
}
