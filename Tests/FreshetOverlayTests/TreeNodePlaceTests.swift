import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// A node that asks where it is when seen from outside, opens its NAT for children, and finds parents inside.
@Suite struct TreeNodePlaceTests {
    private static let key = SipKey(low: 7, high: 8)
    private static let mirrors = [PeerAddress("203.0.113.1:7401")!, PeerAddress("203.0.113.1:7402")!]
    private static let outside = PeerAddress("198.51.100.1:40000")!
    private static let own = PeerAddress("192.168.0.2:5004")!
    private static let parent = (
        outside: PeerAddress("198.51.100.1:40001")!, inside: PeerAddress("192.168.0.3:5004")!
    )

    private func node() -> TreeNode {
        var configuration = TreeNodeConfiguration()
        configuration.coordinator = PeerAddress("203.0.113.1:7400")
        configuration.join.addresses = [TreeNodePlaceTests.own]
        configuration.join.childLimit = 2
        var node = TreeNode(configuration: configuration, random: PRNG(seed: 1), now: .zero)
        node.connected(now: .zero)
        var welcome = WelcomeMessage()
        welcome.member = MemberID(2)
        welcome.slotLimit = 2
        welcome.era = 10
        welcome.epoch = 0xABC0
        welcome.ticketKey = TreeNodePlaceTests.key
        welcome.mirrorPorts = TreeNodePlaceTests.mirrors.map(\.port)
        welcome.mirrorNonce = 99
        node.receive(.welcome(welcome), now: .zero)
        return node
    }

    private func say(
        _ message: LinkMessage, to node: inout TreeNode, from address: PeerAddress, at now: Instant = .zero
    ) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = message.write(into: &raw, ssrc: 0xABC0)
        _ = node.read(span.bytes.extracting(first: count), from: address, now: now)
    }

    private func told(_ node: inout TreeNode) -> [OutsideMessage] {
        var found: [OutsideMessage] = []
        while let message = node.nextMessage() {
            if case .outside(let outside) = message { found.append(outside) }
        }
        return found
    }

    private func events(_ node: inout TreeNode) -> [TreeEvent] {
        var found: [TreeEvent] = []
        while let event = node.nextEvent() { found.append(event) }
        return found
    }

    private func pass(_ node: inout TreeNode, until end: Instant) {
        while let deadline = node.nextDeadline, deadline <= end { node.advance(to: deadline) }
        node.advance(to: end)
    }

    private func answer(
        _ node: inout TreeNode, _ mirror: Int, port: UInt16, nonce: UInt64 = 99, at now: Instant = .zero
    ) {
        var address = TreeNodePlaceTests.outside
        address.port = port
        let sighting = Sighting(nonce: nonce, address: address, cookie: UInt64(mirror))
        say(.located(sighting), to: &node, from: TreeNodePlaceTests.mirrors[mirror], at: now)
    }

    @Test func bothMirrorsAreAskedAtOnceAndWhatTheySayIsTold() {
        var node = node()
        let asked = node.takeSaid()
        #expect(asked.map(\.to) == TreeNodePlaceTests.mirrors)
        #expect(asked.allSatisfy { $0.message == .locate(nonce: 99) })
        answer(&node, 0, port: 40_000)
        #expect(told(&node).isEmpty)
        answer(&node, 1, port: 40_000)
        let outside = told(&node)
        #expect(outside.count == 1 && outside.first?.seen.map(\.address.port) == [40_000, 40_000])
        #expect(outside.first?.seen.map(\.cookie) == [0, 1])
    }

    @Test func theMappingIsKeptOpenAndOnlyAChangeIsTold() {
        var node = node()
        _ = node.takeSaid()
        for port: UInt16 in [40_000, 40_000, 40_007] {
            for mirror in 0..<2 { answer(&node, mirror, port: port, at: node.nextDeadline ?? .zero) }
            let count = told(&node).count
            // The second round finds what the first has found.
            let isSecond = port == 40_000 && node.tally.sentCount > 2
            #expect(count == (isSecond ? 0 : 1))
            let before = node.tally.sentCount
            pass(&node, until: (node.nextDeadline ?? .zero) + .seconds(21))
            #expect(node.takeSaid().prefix(2).map(\.to) == TreeNodePlaceTests.mirrors)
            #expect(node.tally.sentCount > before)
        }
    }

    @Test func aMirrorThatSaysNothingIsAskedFiveTimesAndThenTheOtherIsBelieved() {
        var node = node()
        _ = node.takeSaid()
        answer(&node, 0, port: 40_000)
        var asked: [PeerAddress] = []
        for step in 1...50 {
            pass(&node, until: .zero + .milliseconds(100) * Int64(step))
            asked += node.takeSaid().map(\.to)
        }
        #expect(asked == Array(repeating: TreeNodePlaceTests.mirrors[1], count: 4))
        #expect(told(&node).map { $0.seen.count } == [1])
    }

    @Test func withoutANatTheMirrorsAreLeftAlone() {
        var node = node()
        _ = node.takeSaid()
        for mirror in 0..<2 {
            let sighting = Sighting(nonce: 99, address: TreeNodePlaceTests.own, cookie: 5)
            say(.located(sighting), to: &node, from: TreeNodePlaceTests.mirrors[mirror])
        }
        #expect(told(&node).count == 1)
        pass(&node, until: .zero + .seconds(120))
        #expect(node.takeSaid().isEmpty)
    }

    @Test func answersThatNobodyAskedForAreRejected() throws {
        var node = node()
        _ = node.takeSaid()
        let before = node.tally.rejectedCount
        for guess: UInt64 in 0..<5_000 where guess != 99 { answer(&node, 0, port: 1, nonce: guess) }
        let sighting = Sighting(nonce: 99, address: TreeNodePlaceTests.outside, cookie: 0)
        for port: UInt16 in 1...1_000 {
            let stranger = PeerAddress(v4: 0xC633_6407, port: port)
            say(.located(sighting), to: &node, from: stranger)
        }
        #expect(node.tally.rejectedCount == before + 4_999 + 1_000)
        #expect(told(&node).isEmpty && node.takeSaid().isEmpty)
    }

    @Test func aChildThatIsToComeIsMetWithThreePunchesUnlessItIsThereBefore() {
        var node = node()
        let child = PeerAddress("198.51.100.9:1234")!
        let forward = ForwardMessage(
            child: MemberID(5), address: child, stripes: StripeSet(0), backupStripes: [])
        node.receive(.forward(forward), now: .zero)
        #expect(events(&node) == [.punch(child)])
        pass(&node, until: .zero + .seconds(1))
        #expect(events(&node) == [.punch(child), .punch(child)])
        // A coordinator that never stops fills no memory.
        for number: UInt32 in 0..<10_000 {
            var other = forward
            other.address = PeerAddress(v4: number, port: 7)
            node.receive(.forward(other), now: .zero + .seconds(2))
        }
        pass(&node, until: .zero + .seconds(4))
        #expect(events(&node).count <= 3 * 256)
    }

    private func ticket() -> Ticket {
        Ticket(
            epoch: 0xABC0, parent: MemberID(1), child: MemberID(2), stripes: StripeSet(0), backupStripes: [],
            era: 10, serial: 1, seenAt: TreeNodePlaceTests.outside, isPortKnown: true,
            key: TreeNodePlaceTests.key)
    }

    private func assigned() -> TreeNode {
        var node = node()
        _ = node.takeSaid()
        var assign = AssignMessage()
        assign.stripes = StripeSet(0)
        let parent = TreeNodePlaceTests.parent
        assign.offers = [
            ParentOffer(member: MemberID(1), address: parent.outside, inside: parent.inside, ticket: ticket())
        ]
        node.receive(.assign(assign), now: .zero)
        return node
    }

    @Test func aParentBehindTheSameNatIsAskedInsideFirstAndOutsideNext() {
        var node = assigned()
        let parent = TreeNodePlaceTests.parent
        let link = node.link(to: parent.outside) ?? -1
        #expect(node.takeSaid().map(\.to) == [parent.inside])
        pass(&node, until: .zero + .milliseconds(150))
        let again = node.takeSaid().map(\.to).filter { !TreeNodePlaceTests.mirrors.contains($0) }
        #expect(again == [parent.outside])
        #expect(link >= 0 && node.address(of: link) == parent.outside)
    }

    @Test func theParentIsWhereItAnswers() {
        var node = assigned()
        let parent = TreeNodePlaceTests.parent
        let link = node.link(to: parent.outside) ?? -1
        guard case .subscribe(let asked)? = node.takeSaid().first?.message else {
            Issue.record("it did not subscribe")
            return
        }
        _ = events(&node)
        say(.cookie(nonce: asked.nonce, cookie: 77), to: &node, from: parent.inside)
        #expect(events(&node) == [.linkMoved(link, parent.inside)])
        #expect(node.address(of: link) == parent.inside && node.link(to: parent.outside) == nil)
        #expect(node.takeSaid().map(\.to) == [parent.inside])
    }

    /// Somebody else's network has such an address too: who is there neither takes the parent's place nor drives it away.
    @Test func aStrangerAtTheInsideAddressChangesNothing() {
        var node = assigned()
        let parent = TreeNodePlaceTests.parent
        let link = node.link(to: parent.outside) ?? -1
        guard case .subscribe(let asked)? = node.takeSaid().first?.message else {
            Issue.record("it did not subscribe")
            return
        }
        _ = events(&node)
        let token = UInt32(truncatingIfNeeded: asked.cookie)
        let refusal = Refusal(nonce: asked.nonce, stripes: StripeSet(0), reason: .ticket)
        say(.refuse(token: token, refusal), to: &node, from: parent.inside)
        say(.cookie(nonce: asked.nonce &+ 1, cookie: 77), to: &node, from: parent.inside)
        #expect(events(&node).isEmpty)
        #expect(node.address(of: link) == parent.outside)
        say(.cookie(nonce: asked.nonce, cookie: 77), to: &node, from: parent.outside)
        #expect(node.address(of: link) == parent.outside && node.link(to: parent.inside) == nil)
    }
}
