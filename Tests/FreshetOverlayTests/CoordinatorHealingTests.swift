import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// What a coordinator does when several fail at once.
@Suite struct CoordinatorHealingTests {
    private func answerProbes(_ bench: CoordinatorBench, _ connection: UInt32) {
        for case .probe(let probe) in bench.take(connection) { bench.say(.probeReply(probe), connection) }
    }

    private func silence(of parent: MemberID) -> ControlMessage {
        .moved(MovedMessage(stripes: StripeSet(0), from: parent, to: .none, reason: .silence))
    }

    @Test func whoCallsItsBackupIsLeftToItAndItsParentIsAskedForASign() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 1)
        let relay = bench.join()
        let child = bench.join()
        answerProbes(bench, relay)
        answerProbes(bench, child)
        bench.pass(.seconds(1))
        bench.say(silence(of: bench.member(relay)), child)
        let isAsked = bench.take(relay).contains { if case .probe = $0 { true } else { false } }
        #expect(isAsked)
        #expect(bench.take(child).isEmpty)
        #expect(bench.parent(child) == bench.member(relay))
        bench.pass(.seconds(1))
        #expect(bench.coordinator.record(of: bench.member(relay)) == nil)
        #expect(bench.parent(child) != bench.member(relay))
    }

    @Test func aSilenceThatEndsConvictsNobody() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 1)
        let relay = bench.join()
        let children = [bench.join(), bench.join()]
        for child in children { bench.say(silence(of: bench.member(relay)), child) }
        answerProbes(bench, relay)
        bench.pass(.seconds(1))
        #expect(bench.coordinator.tally.convictionCount == 0)
        #expect(bench.coordinator.record(of: bench.member(relay)) != nil)
    }

    /// `member` says that it has gone to `parent` by itself.
    private func move(_ bench: CoordinatorBench, _ member: UInt32, to parent: UInt32) {
        guard let from = bench.parent(member), from != bench.member(parent) else { return }
        let moved = MovedMessage(
            stripes: StripeSet(0), from: from, to: bench.member(parent), reason: .handover)
        bench.say(.moved(moved), member)
    }

    /// Seventy that only one too deep can feed do not hide the one behind them for whom there is a better place.
    @Test func whoIsTooDeepIsFoundBehindManyThatAreBeyondHelp() {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 2)
        let near = bench.join(children: 2) { $0.reach = .mapped }
        let relay = bench.join(children: 1)
        let wide = bench.join(children: 400)
        move(bench, wide, to: relay)
        let early = (0..<2).map { _ in bench.join { $0.forwards = false } }
        for leaf in early { move(bench, leaf, to: near) }
        for _ in 0..<70 { _ = bench.join { $0.reach = .closed } }
        let late = bench.join { $0.forwards = false }
        func depth() -> Int? { bench.coordinator.depth(of: bench.member(late), stripe: 0) }
        // All are tried until they are given up.
        for _ in 0..<300 { bench.pass(.milliseconds(500)) }
        #expect(depth() == 3)
        for leaf in early { bench.say(.leave(LeaveMessage()), leaf) }
        for _ in 0..<20 { bench.pass(.milliseconds(500)) }
        #expect(depth() == 2)
    }

    @Test func nobodyIsSentToOneWhoseParentGivesNoSign() {
        let bench = CoordinatorBench()
        let far = NetworkCoordinate(x: 50_000, y: 0, height: 1_000, errorPerMille: 40)
        let near = NetworkCoordinate(x: 0, y: 0, height: 1_000, errorPerMille: 40)
        _ = bench.join(.source, children: 2) { $0.coordinate = near }
        // Two branches, and below either a member with places: the nearer one is better.
        let tops = [near, far].map { place in bench.join(children: 3) { $0.coordinate = place } }
        let below = [near, far].map { place in bench.join(children: 4) { $0.coordinate = place } }
        for connection in tops + below { answerProbes(bench, connection) }
        let dead = tops[0]
        let orphan = below[0]
        #expect(bench.parent(orphan) == bench.member(dead))
        bench.say(silence(of: bench.member(dead)), orphan)
        bench.pass(.milliseconds(400))
        // It has not been given up yet; whoever comes now goes to the other branch all the same.
        #expect(bench.coordinator.record(of: bench.member(dead)) != nil)
        for _ in 0..<2 {
            let viewer = bench.join(children: 0) { $0.coordinate = near }
            #expect(bench.parent(viewer) != bench.member(dead))
            #expect(bench.parent(viewer) != bench.member(orphan))
        }
    }

    /// All branches below those that failed together are without the stream: who is given a parent first must not be put
    /// below one that is not connected itself yet.
    @Test(arguments: 1...5) func branchesThatLoseTheirTopsTogetherAreNotPutBelowEachOtherUnfed(seed: Int) {
        let bench = CoordinatorBench(seed: UInt64(seed)) { $0.moveBudgetPerSecond = 0 }
        _ = bench.join(.source, children: 3)
        let viewers = (0..<150).map { _ in bench.join(children: 3) }
        for viewer in viewers { answerProbes(bench, viewer) }
        let dead = viewers.filter {
            bench.coordinator.depth(of: bench.member($0), stripe: 0).map { $0 <= 2 } == true
        }
        for one in dead {
            let child = viewers.first { bench.parent($0) == bench.member(one) }
            if let child { bench.say(silence(of: bench.member(one)), child) }
        }
        for viewer in viewers where !dead.contains(viewer) { answerProbes(bench, viewer) }
        var parents: [UInt32: MemberID] = [:]
        for viewer in viewers { parents[viewer] = bench.parent(viewer) }
        bench.outputs.removeAll()
        bench.pass(.milliseconds(600))
        var placed: [MemberID] = []
        for output in bench.outputs {
            guard case .regraft(let assign) = output.message else { continue }
            let parent = assign.offers.first { $0.ticket.stripes.has(0) }?.member
            // New backups alone are no new place.
            if parent == parents[output.connection] { continue }
            parents[output.connection] = parent
            placed.append(bench.member(output.connection))
        }
        var problems: [String] = []
        for (index, member) in placed.enumerated() {
            // Nobody above it has been given a parent later than it was.
            var above = bench.coordinator.parent(of: member, stripe: 0)
            while let current = above {
                if placed[(index + 1)...].contains(current) { problems.append("\(member) below \(current)") }
                above = bench.coordinator.parent(of: current, stripe: 0)
            }
        }
        #expect(dead.allSatisfy { bench.coordinator.record(of: bench.member($0)) == nil })
        #expect(placed.count > 4)
        #expect(problems == [])
    }

    /// Places that those near the source leave go to the branches below them: backups are promised what is left, and a
    /// promise is none of a place that a branch needs.
    @Test(arguments: 1...5) func branchesHaveTheirPlacesBeforeBackupsArePromisedAny(seed: Int) {
        let bench = CoordinatorBench(seed: UInt64(seed)) {
            $0.moveBudgetPerSecond = 0
            $0.stripeCount = 4
        }
        _ = bench.join(.source, children: 8)
        let viewers = (0..<150).map { _ in bench.join(children: 4) }
        for viewer in viewers { answerProbes(bench, viewer) }
        // All who forward are gone: for a moment nobody but the source is known to have the stream.
        let dead = viewers.filter { one in viewers.contains { bench.parent($0) == bench.member(one) } }
        for one in dead {
            let child = viewers.first { bench.parent($0) == bench.member(one) && !dead.contains($0) }
            if let child { bench.say(silence(of: bench.member(one)), child) }
        }
        for viewer in viewers where !dead.contains(viewer) { answerProbes(bench, viewer) }
        bench.pass(.milliseconds(600))
        #expect(dead.count > 16)
        #expect(dead.allSatisfy { bench.coordinator.record(of: bench.member($0)) == nil })
        let primaries = viewers.count { bench.coordinator.depth(of: bench.member($0), stripe: 0) == 1 }
        #expect(primaries == 8)
    }
}
