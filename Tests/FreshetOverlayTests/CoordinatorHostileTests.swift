import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// Members that lie, flood or talk nonsense, and what the coordinator makes of it.
@Suite struct CoordinatorHostileTests {
    @Test func aWrongTokenIsRefusedInASentenceAndTheConnectionCloses() {
        let bench = CoordinatorBench { $0.token = "secret" }
        let stranger = bench.join { $0.token = "guess" }
        #expect(bench.outputs.map(\.message) == [.leave(LeaveMessage(reason: "the token is wrong"))])
        #expect(bench.outputs.map(\.connection) == [stranger])
        #expect(bench.outputs.map(\.closes) == [true])
        #expect(bench.coordinator.memberCount == 0)
    }

    @Test func tenThousandConnectionsCostNoMoreThanTheLimit() {
        let bench = CoordinatorBench { $0.memberLimit = 50 }
        _ = bench.join(.source)
        for _ in 0..<10_000 {
            _ = bench.join(children: 0)
            bench.outputs.removeAll()
        }
        #expect(bench.coordinator.memberCount == 50)
        #expect(bench.coordinator.tally.refusedCount == 9_951)
    }

    @Test func messagesOfStrangersAndOfTheWrongKindAreCountedAndNoMore() {
        let bench = CoordinatorBench()
        _ = bench.join(.source)
        let viewer = bench.join()
        let before = bench.coordinator.tally.ignoredCount
        bench.say(.report(ReportMessage()), 99)
        bench.say(.welcome(WelcomeMessage()), viewer)
        bench.say(
            .streamState(StreamStateMessage(epoch: 9, hasEnded: true, highestSequence: 1, era: 0)), viewer)
        bench.say(
            .moved(
                MovedMessage(stripes: StripeSet(0), from: .none, to: bench.member(viewer), reason: .silence)),
            viewer)
        bench.say(.probeReply(ProbeMessage(serial: 4_000_000)), viewer)
        #expect(bench.coordinator.tally.ignoredCount - before == 5)
        #expect(bench.coordinator.memberCount == 2)
    }

    /// One child that complains of everybody convicts nobody; a second child's word does.
    @Test func oneLiarConvictsNobody() throws {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 1)
        let parent = bench.join(children: 8)
        let liar = bench.join(children: 0)
        let other = bench.join(children: 0)
        for _ in 0..<20 {
            bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: bench.member(parent))), liar)
            for message in bench.take(parent) {
                if case .probe(let probe) = message { bench.say(.probeReply(probe), parent) }
            }
        }
        #expect(bench.coordinator.tally.convictionCount == 0)
        #expect(bench.coordinator.record(of: bench.member(parent)) != nil)
        bench.say(.starving(StarvingMessage(stripes: StripeSet(0), parent: bench.member(parent))), other)
        #expect(bench.coordinator.tally.convictionCount == 1)
    }

    /// Nobody names an address of somebody else's host as its own.
    @Test func theAddressOfAMemberIsOnTheHostThatIsSeen() {
        let bench = CoordinatorBench()
        _ = bench.join(.source)
        let viewer = bench.join { $0.addresses = [PeerAddress("203.0.113.9:53")!] }
        let address = bench.coordinator.record(of: bench.member(viewer))?.address
        #expect(address == PeerAddress(v4: 0x0A00_0000 | viewer, port: 53))
    }

    /// Whoever says it moved below its own child is believed without making a loop.
    @Test func aMoveBelowOnesOwnBranchMakesNoLoop() throws {
        let bench = CoordinatorBench()
        _ = bench.join(.source, children: 1)
        let top = bench.join(children: 2)
        let child = bench.join(children: 2)
        try #require(bench.parent(child) == bench.member(top))
        bench.say(
            .moved(
                MovedMessage(
                    stripes: StripeSet(0), from: bench.member(1), to: bench.member(child), reason: .silence)),
            top)
        bench.pass(.seconds(3))
        var member: MemberID? = bench.member(top)
        var steps = 0
        while let current = member, steps < 10 {
            member = bench.coordinator.parent(of: current, stripe: 0)
            steps += 1
        }
        #expect(steps < 10)
    }

    @Test func coordinatesThatNoNetworkGivesAreIgnored() {
        let bench = CoordinatorBench()
        _ = bench.join(.source)
        let viewer = bench.join {
            $0.coordinate = NetworkCoordinate(x: .max, y: .min, height: -5, errorPerMille: 0)
        }
        #expect(bench.coordinator.record(of: bench.member(viewer))?.coordinate == NetworkCoordinate())
    }

    @Test func nobodyIsTheSourceWithoutItsToken() {
        let bench = CoordinatorBench { $0.sourceToken = "mine" }
        _ = bench.join(.source)
        _ = bench.join(.source) { $0.sourceToken = "guess" }
        #expect(bench.coordinator.memberCount == 0 && bench.coordinator.tally.refusedCount == 2)
        let source = bench.join(.source) { $0.sourceToken = "mine" }
        #expect(bench.coordinator.memberCount == 1)
        // Nor does a second one push the first aside, or a viewer end the stream.
        _ = bench.join(.source) { $0.sourceToken = "mine" }
        let viewer = bench.join()
        let end = StreamStateMessage(epoch: 0xABC0, hasEnded: true, highestSequence: 1, era: 0)
        bench.say(.streamState(end), viewer)
        #expect(bench.coordinator.hasEnded == false)
        #expect(bench.coordinator.memberCount == 2)
        bench.say(.streamState(end), source)
        #expect(bench.coordinator.hasEnded == true)
    }

    /// A member's number is known to its neighbours: it takes more to come back as somebody.
    @Test func nobodyComesBackAsSomebodyElse() {
        let bench = CoordinatorBench()
        let source = bench.join(.source)
        let victim = bench.join()
        let number = bench.member(source)
        for gone in [source, victim] { bench.coordinator.disconnected(gone, now: bench.now) }
        let thief = bench.join { $0.resuming = number }
        #expect(bench.member(thief) != number)
        let end = StreamStateMessage(epoch: 0xABC0, hasEnded: true, highestSequence: 1, era: 0)
        bench.say(.streamState(end), thief)
        #expect(bench.coordinator.hasEnded == false)
        let proof = JoinMessage.proof(
            of: bench.member(victim),
            under: SipKey(low: 1, high: 2).derived(for: UInt64(bench.member(victim).number)))
        let back = bench.join {
            $0.resuming = bench.member(victim)
            $0.proof = proof
        }
        #expect(bench.member(back) == bench.member(victim))
    }
}
