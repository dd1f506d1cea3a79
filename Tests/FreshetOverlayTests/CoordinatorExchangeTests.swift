import FreshetCore
import FreshetWire
import Testing

@testable import FreshetOverlay

@Suite struct CoordinatorExchangeTests {
    /// The source with two children, one of them at the end of a long line with children of its own; below the other, one
    /// with a short line and nobody.
    private func tree(
        _ bench: CoordinatorBench, slow line: Int32 = 60_000
    ) -> (slow: UInt32, quick: UInt32, below: [UInt32]) {
        func place(_ height: Int32) -> (inout JoinMessage) -> Void {
            { $0.coordinate = NetworkCoordinate(x: 50_000, y: 0, height: height, errorPerMille: 40) }
        }
        _ = bench.join(.source, children: 2)
        let slow = bench.join(children: 3, place(line))
        let middle = bench.join(children: 1, place(1_000))
        let below = (0..<2).map { _ in bench.join(children: 1, place(1_000)) }
        for viewer in below { claim(bench, viewer, slow) }
        let quick = bench.join(children: 3, place(1_000))
        claim(bench, quick, middle)
        return (slow, quick, below)
    }

    private func claim(_ bench: CoordinatorBench, _ viewer: UInt32, _ parent: UInt32) {
        let moved = MovedMessage(
            stripes: StripeSet(0), from: bench.parent(viewer) ?? .none, to: bench.member(parent),
            reason: .handover)
        bench.say(.moved(moved), viewer)
    }

    @Test func aShortLineTakesThePlaceOfALongOne() {
        let bench = CoordinatorBench { $0.reviewInterval = .seconds(2) }
        let (slow, quick, below) = tree(bench)
        #expect(bench.parent(slow) == bench.member(1))
        #expect(below.allSatisfy { bench.parent($0) == bench.member(slow) })
        for _ in 0..<12 {
            bench.pass(.seconds(1))
            for viewer in [slow, quick] + below { bench.report(viewer) }
        }
        bench.pass(.seconds(1))
        #expect(bench.parent(quick) == bench.member(1))
        #expect(below.allSatisfy { bench.parent($0) != bench.member(slow) })
        #expect(bench.coordinator.depth(of: bench.member(slow), stripe: 0) ?? 9 <= 3)
        // Told to all who moved: the parents that count are in the last message.
        let told = bench.take(slow).contains {
            if case .regraft(let order) = $0 {
                return order.offers.contains { $0.member == bench.parent(slow) }
            }
            return false
        }
        #expect(told)
    }

    @Test func nobodyIsMovedForALittle() {
        let bench = CoordinatorBench { $0.reviewInterval = .seconds(2) }
        let (slow, quick, below) = tree(bench, slow: 1_500)
        for _ in 0..<12 {
            bench.pass(.seconds(1))
            for viewer in [slow, quick] + below { bench.report(viewer) }
        }
        #expect(bench.parent(slow) == bench.member(1))
        #expect(below.allSatisfy { bench.parent($0) == bench.member(slow) })
    }
}
