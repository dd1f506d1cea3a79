import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// Peers and coordinators that are hostile or broken, against one node at a time.
@Suite struct TreeNodeHostileTests {
    private static let key = SipKey(low: 7, high: 8)
    private static let child = MemberID(2)
    private static let home = PeerAddress("192.0.2.1:5004")!
    private static let elsewhere = PeerAddress("198.51.100.1:5004")!

    /// Takes `node` in as member 1, with places for two children.
    private func welcome(_ node: inout TreeNode) {
        var welcome = WelcomeMessage()
        welcome.member = MemberID(1)
        welcome.slotLimit = 2
        welcome.era = 10
        welcome.ticketKey = TreeNodeHostileTests.key
        node.receive(.welcome(welcome), now: .zero)
    }

    /// A node that has been welcomed as member 1, with places for two children.
    private func node() -> TreeNode {
        var configuration = TreeNodeConfiguration()
        configuration.join.role = .source
        configuration.join.epoch = 0xABC0
        configuration.linkLimit = 8
        var node = TreeNode(configuration: configuration, random: PRNG(seed: 1), now: .zero)
        node.connected(now: .zero)
        welcome(&node)
        return node
    }

    @Test func aTicketThatComesBeforeItsParentKnowsTheStreamIsNeitherTakenNorRefused() {
        var configuration = TreeNodeConfiguration()
        configuration.linkLimit = 8
        var node = TreeNode(configuration: configuration, random: PRNG(seed: 1), now: .zero)
        node.connected(now: .zero)
        let home = TreeNodeHostileTests.home
        let early = Ticket(
            epoch: 0xABC0, parent: MemberID(1), child: TreeNodeHostileTests.child, stripes: StripeSet(0),
            backupStripes: [], era: 10, serial: 3, seenAt: home, key: TreeNodeHostileTests.key)
        func ask(_ node: inout TreeNode) -> LinkMessage? { subscribe(&node, from: home, early, cookie: 99) }
        _ = answers(&node)
        #expect(ask(&node) == nil)
        welcome(&node)
        #expect(ask(&node) == nil)
        node.receive(
            .streamState(StreamStateMessage(epoch: 0xABC0, hasEnded: false, highestSequence: 0, era: 10)),
            now: .zero)
        guard case .accept(99, _)? = ask(&node) else {
            Issue.record("not taken once the stream is known")
            return
        }
    }

    private func ticket(serial: UInt32 = 1, era: UInt32 = 10, child: MemberID = child, key: SipKey = key)
        -> Ticket
    {
        Ticket(
            epoch: 0xABC0, parent: MemberID(1), child: child, stripes: StripeSet(0), backupStripes: [],
            era: era,
            serial: serial, key: key)
    }

    private func say(_ message: LinkMessage, to node: inout TreeNode, from address: PeerAddress) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = message.write(into: &raw, ssrc: 0xABC0)
        _ = node.read(span.bytes.extracting(first: count), from: address, now: .zero)
    }

    /// What the node answers, and how many bytes that is.
    private func answers(_ node: inout TreeNode) -> (messages: [LinkMessage], byteCount: Int) {
        var found: [LinkMessage] = []
        var total = 0
        while true {
            var bytes = [UInt8](repeating: 0, count: 256)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            guard let transmit = node.nextTransmit(into: &raw) else { return (found, total) }
            total += transmit.byteCount
            let datagram = span.bytes.extracting(first: transmit.byteCount)
            guard var packets = CompoundPacket(parsing: datagram, allowsReducedSize: true) else { continue }
            while let packet = packets.next() {
                if let message = LinkMessage(packet) { found.append(message) }
            }
        }
    }

    private func cookie(of node: inout TreeNode, for address: PeerAddress, nonce: UInt64 = 5) -> UInt64 {
        say(.hello(nonce: nonce), to: &node, from: address)
        for case .cookie(_, let cookie) in answers(&node).messages { return cookie }
        return 0
    }

    private func subscribe(
        _ node: inout TreeNode, from address: PeerAddress, _ ticket: Ticket, cookie: UInt64, nonce: UInt64 = 5
    ) -> LinkMessage? {
        say(
            .subscribe(
                Subscription(
                    cookie: cookie, nonce: nonce, stripes: StripeSet(0), fromSequence: 0, fromKeyframe: false,
                    ticket: ticket)), to: &node, from: address)
        return answers(&node).messages.first
    }

    private func reason(_ message: LinkMessage?) -> Refusal.Reason? {
        if case .refuse(_, let refusal)? = message { return refusal.reason }
        return nil
    }

    @Test func anAddressThatNeverConfirmsGetsLessThanItSendsAndIsNotRemembered() {
        var node = node()
        for number in 0..<1_000 {
            say(.hello(nonce: UInt64(number)), to: &node, from: PeerAddress(v4: UInt32(number), port: 9))
        }
        let answered = answers(&node)
        #expect(answered.messages.count == 1_000)
        #expect(answered.byteCount <= 1_000 * LinkMessage.helloByteCount)
        #expect(node.link(to: PeerAddress(v4: 1, port: 9)) == nil)
    }

    @Test func onlyTheAddressThatHeardTheCookieSubscribesWithIt() {
        var node = node()
        let cookie = cookie(of: &node, for: TreeNodeHostileTests.home)
        let stolen = subscribe(&node, from: TreeNodeHostileTests.elsewhere, ticket(), cookie: cookie)
        #expect(reason(stolen) == .cookie)
        let own = subscribe(&node, from: TreeNodeHostileTests.home, ticket(), cookie: cookie)
        guard case .accept? = own else {
            Issue.record("\(String(describing: own))")
            return
        }
        #expect(node.childCount == 1)
    }

    @Test func aTicketThatVouchesForAHostIsGoodThereAndNeedsACookieElsewhere() {
        var node = node()
        let vouched = Ticket(
            epoch: 0xABC0, parent: MemberID(1), child: TreeNodeHostileTests.child, stripes: StripeSet(0),
            backupStripes: [], era: 10, serial: 3, seenAt: TreeNodeHostileTests.home,
            key: TreeNodeHostileTests.key)
        // From a host that the coordinator did not see: no packet, and less than was sent to it.
        let asked = LinkMessage.subscribe(
            Subscription(
                cookie: 99, nonce: 5, stripes: StripeSet(0), fromSequence: 0, fromKeyframe: true,
                ticket: vouched)
        )
        say(asked, to: &node, from: TreeNodeHostileTests.elsewhere)
        let told = answers(&node)
        guard case .cookie(5, let cookie)? = told.messages.first else {
            Issue.record("answered with \(told.messages)")
            return
        }
        #expect(told.messages.count == 1 && told.byteCount <= LinkMessage.cookieByteCount)
        #expect(node.childCount == 0 && node.link(to: TreeNodeHostileTests.elsewhere) == nil)
        // Where it was seen: at once, and by the token that it chose.
        guard
            case .accept(99, _)? = subscribe(
                &node, from: TreeNodeHostileTests.home, vouched, cookie: 99)
        else {
            Issue.record("not taken where the coordinator saw it")
            return
        }
        #expect(node.childCount == 1)
        // Who hears the cookie may come from elsewhere, but not beside the one who is there.
        #expect(
            reason(subscribe(&node, from: TreeNodeHostileTests.elsewhere, vouched, cookie: cookie)) == .ticket
        )
    }

    @Test func aForgedAnOldAndAReplayedTicketAreRefused() {
        var node = node()
        let home = TreeNodeHostileTests.home
        let cookie = cookie(of: &node, for: home)
        let wrong = SipKey(low: 7, high: 9)
        #expect(reason(subscribe(&node, from: home, ticket(key: wrong), cookie: cookie)) == .ticket)
        #expect(reason(subscribe(&node, from: home, ticket(era: 7), cookie: cookie)) == .ticket)
        #expect(reason(subscribe(&node, from: home, ticket(era: 13), cookie: cookie)) == .ticket)
        #expect(reason(subscribe(&node, from: home, ticket(), cookie: cookie)) == nil)
        let elsewhere = TreeNodeHostileTests.elsewhere
        let second = self.cookie(of: &node, for: elsewhere)
        #expect(reason(subscribe(&node, from: elsewhere, ticket(), cookie: second)) == .ticket)
        // The same datagram again from the same place is no replay, and takes no second place.
        #expect(reason(subscribe(&node, from: home, ticket(), cookie: cookie)) == nil)
        #expect(node.childCount == 1)
    }

    @Test func noTicketMakesMorePlacesThanThereAre() {
        var node = node()
        for number in 0..<6 {
            let address = PeerAddress(v4: 0xC000_0200 | UInt32(number), port: 7)
            let cookie = cookie(of: &node, for: address)
            let ticket = ticket(serial: UInt32(number), child: MemberID(UInt32(10 + number)))
            let answer = subscribe(&node, from: address, ticket, cookie: cookie)
            #expect(reason(answer) == (number < 2 ? nil : .full))
        }
        #expect(node.childCount == 2)
    }

    @Test func whoDoesNotKnowTheTokenChangesNothing() {
        var node = node()
        let home = TreeNodeHostileTests.home
        let cookie = cookie(of: &node, for: home)
        _ = subscribe(&node, from: home, ticket(), cookie: cookie)
        let token = UInt32(truncatingIfNeeded: cookie)
        let all = StripeSet(first: 16)
        say(.leave(token: token &+ 1, stripes: all, keepsPlace: false), to: &node, from: home)
        say(
            .leave(token: token, stripes: all, keepsPlace: false), to: &node,
            from: TreeNodeHostileTests.elsewhere)
        #expect(node.childCount == 1)
        say(.leave(token: token, stripes: all, keepsPlace: false), to: &node, from: home)
        #expect(node.childCount == 0)
    }

    @Test func nonsenseFromTheCoordinatorChangesNothing() {
        var node = node()
        let before = node.tally.rejectedCount
        node.receive(.join(JoinMessage()), now: .zero)
        node.receive(.starving(StarvingMessage(stripes: [], parent: .none)), now: .zero)
        #expect(node.tally.rejectedCount == before + 2)
        var assign = AssignMessage()
        assign.stripes = StripeSet(first: 16)
        // Itself as its own parent, and an offer whose ticket is for another.
        assign.offers = [
            ParentOffer(member: MemberID(1), address: TreeNodeHostileTests.home, ticket: ticket()),
            ParentOffer(member: MemberID(9), address: TreeNodeHostileTests.home, ticket: ticket()),
        ]
        node.receive(.assign(assign), now: .zero)
        #expect(answers(&node).messages.isEmpty)
    }

    @Test func garbageIsRejectedWithoutAnAnswer() {
        var node = node()
        var random = PRNG(seed: 2)
        for _ in 0..<2_000 {
            let bytes = (0..<random.below(120)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = node.read(bytes.span.bytes, from: TreeNodeHostileTests.home, now: .zero)
        }
        #expect(answers(&node).messages.isEmpty)
        #expect(node.link(to: TreeNodeHostileTests.home) == nil)
    }
}
