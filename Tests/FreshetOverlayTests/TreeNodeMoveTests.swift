import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// Moves by the coordinator's order: made before they are broken, at both ends.
@Suite struct TreeNodeMoveTests {
    private static let key = SipKey(low: 7, high: 8)
    private static let epoch: UInt32 = 0xABC0

    private static func address(_ number: UInt32) -> PeerAddress {
        PeerAddress(v4: 0x0A00_0000 + number, port: 5_000)
    }

    /// Member 1, with places for `limit` children.
    private func node(limit: UInt32) -> TreeNode {
        var configuration = TreeNodeConfiguration()
        configuration.join.addresses = [TreeNodeMoveTests.address(1)]
        var node = TreeNode(configuration: configuration, random: PRNG(seed: 1), now: .zero)
        node.connected(now: .zero)
        var welcome = WelcomeMessage()
        welcome.member = MemberID(1)
        welcome.slotLimit = limit
        welcome.era = 10
        welcome.epoch = TreeNodeMoveTests.epoch
        welcome.highestSequence = 1_000
        welcome.ticketKey = TreeNodeMoveTests.key
        node.receive(.welcome(welcome), now: .zero)
        return node
    }

    private func ticket(parent: UInt32, child: UInt32, isBackup: Bool = false) -> Ticket {
        let stripe = StripeSet(0)
        return Ticket(
            epoch: TreeNodeMoveTests.epoch, parent: MemberID(parent), child: MemberID(child),
            stripes: isBackup ? [] : stripe,
            backupStripes: isBackup ? stripe : [], era: 10, serial: 100 * parent + child,
            seenAt: TreeNodeMoveTests.address(child), isPortKnown: true, key: TreeNodeMoveTests.key)
    }

    private func hear(_ message: LinkMessage, from number: UInt32, _ node: inout TreeNode, at now: Instant) {
        let address = TreeNodeMoveTests.address(number)
        withLinkBytes(message) { _ = node.read($0, from: address, now: now) }
    }

    private func withLinkBytes(_ message: LinkMessage, _ body: (RawSpan) -> Void) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = message.write(into: &raw, ssrc: TreeNodeMoveTests.epoch)
        body(span.bytes.extracting(first: count))
    }

    private func subscribe(_ child: UInt32, to node: inout TreeNode, at now: Instant) {
        let asked = Subscription(
            cookie: UInt64(child), nonce: UInt64(child), stripes: StripeSet(0), fromSequence: 1_001,
            fromKeyframe: false,
            ticket: ticket(parent: 1, child: child))
        hear(.subscribe(asked), from: child, &node, at: now)
    }

    private func pass(_ node: inout TreeNode, until end: Instant) {
        while let deadline = node.nextDeadline, deadline < end { node.advance(to: deadline) }
        node.advance(to: end)
    }

    private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    /// A node that receives from member 2 until 110 ms, and has member 3 for a backup.
    private func child() -> TreeNode {
        var node = node(limit: 0)
        var order = AssignMessage()
        order.stripes = StripeSet(0)
        order.offers = [
            ParentOffer(
                member: MemberID(2), address: TreeNodeMoveTests.address(2),
                ticket: ticket(parent: 2, child: 1)),
            ParentOffer(
                member: MemberID(3), address: TreeNodeMoveTests.address(3),
                ticket: ticket(parent: 3, child: 1, isBackup: true)),
        ]
        node.receive(.assign(order), now: at(10))
        let link = node.link(to: TreeNodeMoveTests.address(2))
        for number in 0..<10 {
            _ = node.note(1_001 + Int64(number), from: link, now: at(20 + Int64(number) * 10))
        }
        while node.nextMessage() != nil {}
        return node
    }

    /// True when `node` has told the coordinator that member 2 is silent, and nothing else of the kind.
    private func tellsOfSilence(_ node: inout TreeNode) -> Bool {
        var said: [ControlMessage] = []
        while let message = node.nextMessage() { if case .moved = message { said.append(message) } }
        let silent = MovedMessage(stripes: StripeSet(0), from: MemberID(2), to: .none, reason: .silence)
        return said == [.moved(silent)]
    }

    /// When many are gone at once the coordinator hears of it while backups are still being called in vain.
    @Test func aSilentParentIsToldOfBeforeAnyBackupHasAnswered() {
        var node = child()
        pass(&node, until: at(230))
        let isTold = tellsOfSilence(&node)
        #expect(isTold)
        #expect(node.parent(of: 0) == MemberID(2))
    }

    /// On a machine that has stood still everybody seems silent to everybody. Member 2 is to be missed at 210 ms.
    @Test(arguments: [(220, 240), (270, 330), (400, 500)] as [(Int64, Int64)])
    func whoWasHeldUpItselfGivesItsParentAsLongAgainAndNoLonger(called: Int64, excused: Int64) {
        for isThere in [true, false] {
            var node = child()
            node.advance(to: at(called))
            if isThere {
                _ = node.note(1_011, from: node.link(to: TreeNodeMoveTests.address(2)), now: at(called + 10))
            }
            pass(&node, until: at(excused - 1))
            let isTold = tellsOfSilence(&node)
            #expect(!isTold)
            pass(&node, until: at(excused + 5))
            let isToldLater = tellsOfSilence(&node)
            #expect(isToldLater == !isThere)
        }
    }

    @Test func whoIsDisplacedKeepsItsPlaceUntilItGoesAndNotForLong() {
        for goesByItself in [true, false] {
            var node = node(limit: 1)
            subscribe(5, to: &node, at: at(10))
            #expect(node.children == [MemberID(5)])
            // Nobody has said that the first one is to go.
            subscribe(6, to: &node, at: at(20))
            #expect(node.children == [MemberID(5)])
            let order = ForwardMessage(
                child: MemberID(5), address: TreeNodeMoveTests.address(5), inside: nil, stripes: [],
                backupStripes: [])
            node.receive(.forward(order), now: at(30))
            subscribe(6, to: &node, at: at(40))
            #expect(node.children == [MemberID(5), MemberID(6)])
            // There is one such place and no more.
            subscribe(7, to: &node, at: at(50))
            pass(&node, until: at(900))
            #expect(node.children == [MemberID(5), MemberID(6)])
            if goesByItself {
                hear(.leave(token: 5, stripes: StripeSet(0), keepsPlace: false), from: 5, &node, at: at(900))
            } else {
                pass(&node, until: at(1_100))
            }
            #expect(node.children == [MemberID(6)])
        }
    }

    /// A dead child would be there for seconds yet: who comes in its place is no overlap, and as many as are dead may come.
    @Test func placesOfChildrenThatAreGoneAreFreeAtOnce() {
        var node = node(limit: 4)
        for child in 5...8 { subscribe(UInt32(child), to: &node, at: at(10)) }
        for child in 5...7 {
            let order = ForwardMessage(
                child: MemberID(UInt32(child)), address: TreeNodeMoveTests.address(UInt32(child)),
                stripes: [],
                backupStripes: [], isGone: true)
            node.receive(.forward(order), now: at(20))
        }
        // Nobody needs their places yet.
        #expect(node.childCount == 4)
        for child in 9...11 {
            subscribe(UInt32(child), to: &node, at: at(30))
            #expect(node.childCount == 4)
        }
        #expect(node.children == [8, 9, 10, 11].map { MemberID($0) })
    }

    /// The node below member 2, with member 3 as a backup; it is then told to go to member 4.
    private func movingNode() -> TreeNode {
        var tokens: [UInt32: UInt32] = [:]
        var node = fedNode(&tokens)
        assign(&node, parent: 4, at: at(20))
        return node
    }

    private func assign(_ node: inout TreeNode, parent: UInt32, at now: Instant) {
        var message = AssignMessage()
        message.stripes = StripeSet(0)
        for number in [parent, 3] {
            message.offers.append(
                ParentOffer(
                    member: MemberID(number), address: TreeNodeMoveTests.address(number), inside: nil,
                    ticket: ticket(parent: number, child: 1, isBackup: number == 3)))
        }
        node.receive(.assign(message), now: now)
    }

    /// Each of `parents` says yes to what the node has asked it; gives their tokens.
    @discardableResult
    private func accept(_ parents: [UInt32], _ node: inout TreeNode, at now: Instant) -> [UInt32: UInt32] {
        var tokens: [UInt32: UInt32] = [:]
        for (to, message) in sent(&node) {
            guard parents.contains(to), case .subscribe(let asked) = message else { continue }
            tokens[to] = UInt32(truncatingIfNeeded: asked.cookie)
            let acceptance = Acceptance(
                nonce: asked.nonce, stripes: asked.stripes, backupStripes: [], starvingStripes: [],
                highestSequence: 1_000)
            hear(
                .accept(token: UInt32(truncatingIfNeeded: asked.cookie), acceptance), from: to, &node, at: now
            )
        }
        return tokens
    }

    /// What it has said since it was looked at last, and to which member.
    private func sent(_ node: inout TreeNode) -> [(to: UInt32, message: LinkMessage)] {
        node.takeSaid().compactMap { said in said.to.v4.map { ($0 - 0x0A00_0000, said.message) } }
    }

    private func carry(_ sequence: Int64, from parent: UInt32, _ node: inout TreeNode, at now: Instant) {
        _ = node.note(sequence, from: node.link(to: TreeNodeMoveTests.address(parent)), now: now)
    }

    @Test func theSilenceOfAParentIsNoticedDuringAMove() {
        var node = movingNode()
        _ = sent(&node)
        pass(&node, until: at(160))
        #expect(node.tally.silenceCount == 1)
        let called = sent(&node).contains { to, message in
            if case .activate = message { return to == 3 }
            return false
        }
        #expect(called)
    }

    @Test func whoDoesNotGetThroughStaysAndSaysSo() {
        var node = movingNode()
        while node.nextMessage() != nil {}
        for step in 1...100 {
            let now = at(20 + 10 * Int64(step))
            pass(&node, until: now)
            carry(1_001 + Int64(step), from: 2, &node, at: now)
        }
        #expect(node.parent(of: 0) == MemberID(2))
        #expect(node.tally.silenceCount == 0 && node.tally.moveCount == 1)
        var told: [MovedMessage] = []
        while let message = node.nextMessage() {
            if case .moved(let moved) = message { told.append(moved) }
        }
        let wanted = MovedMessage(stripes: StripeSet(0), from: MemberID(4), to: MemberID(2), reason: .refused)
        #expect(told == [wanted])
    }

    // MARK: Loops

    private func path(_ members: [UInt32], epoch: UInt32) -> StripePath {
        var ancestors = AncestorPath()
        for member in members { ancestors.append(MemberID(member)) }
        return StripePath(stripe: 0, epoch: epoch, ancestors: ancestors)
    }

    /// The node below member 2, with member 3 as a backup; both have said yes.
    private func fedNode(limit: UInt32 = 0, _ tokens: inout [UInt32: UInt32]) -> TreeNode {
        var node = node(limit: limit)
        assign(&node, parent: 2, at: at(0))
        tokens = accept([2, 3], &node, at: at(5))
        carry(1_001, from: 2, &node, at: at(10))
        #expect(node.parent(of: 0) == MemberID(2))
        return node
    }

    /// In a loop nobody hears anything but pulses, and a path that was lost is all that tells of it.
    @Test func whoIsAboveIsSaidAgainWhileNothingComes() {
        var tokens: [UInt32: UInt32] = [:]
        var node = fedNode(limit: 2, &tokens)
        subscribe(5, to: &node, at: at(15))
        _ = sent(&node)
        var told = 0
        for step in 1...15 {
            let now = at(15 + 40 * Int64(step))
            let pulse = Pulse(
                stripes: StripeSet(0), starvingStripes: [], starvingLevel: 0, highestSequence: 1_001)
            hear(.pulse(token: tokens[2] ?? 0, pulse), from: 2, &node, at: now)
            pass(&node, until: now)
            for (to, message) in sent(&node) { if to == 5, case .path = message { told += 1 } }
        }
        #expect(node.parent(of: 0) == MemberID(2))
        #expect(told >= 2 && told <= 4)
    }

    /// Levels above that wait are counted from pulse to pulse; round a loop they have no end.
    @Test func whoWaitsInALoopOfPulsesDoesNotWaitForEver() {
        var tokens: [UInt32: UInt32] = [:]
        var node = fedNode(&tokens)
        _ = sent(&node)
        var calledAt: Int64?
        for step in 1...80 where calledAt == nil {
            let now = at(10 + 40 * Int64(step))
            let pulse = Pulse(
                stripes: StripeSet(0), starvingStripes: StripeSet(0),
                starvingLevel: UInt8(clamping: step * 4), highestSequence: 1_001)
            hear(.pulse(token: tokens[2] ?? 0, pulse), from: 2, &node, at: now)
            pass(&node, until: now)
            for (to, message) in sent(&node) {
                if to == 3, case .activate = message { calledAt = 40 * Int64(step) }
            }
        }
        #expect(calledAt.map { $0 > 1_000 && $0 < 2_200 } == true)
    }

    @Test func thePathOfANewMemberAtAnOldAddressIsNews() {
        var tokens: [UInt32: UInt32] = [:]
        var node = fedNode(&tokens)
        hear(.path(token: tokens[2] ?? 0, path([7, 2], epoch: 40)), from: 2, &node, at: at(20))
        #expect(node.path(of: 0).contains(MemberID(7)))
        var order = AssignMessage()
        order.stripes = StripeSet(0)
        order.offers = [
            ParentOffer(
                member: MemberID(9), address: TreeNodeMoveTests.address(2), inside: nil,
                ticket: ticket(parent: 9, child: 1))
        ]
        node.receive(.assign(order), now: at(30))
        tokens = accept([2], &node, at: at(35))
        hear(.path(token: tokens[2] ?? 0, path([8, 9], epoch: 1)), from: 2, &node, at: at(40))
        #expect(node.parent(of: 0) == MemberID(9))
        #expect(node.path(of: 0).contains(MemberID(8)))
    }
}
