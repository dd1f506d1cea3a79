import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite("A tree's member at its sockets", .serialized) struct TreeMemberTests {
    @Test("a chain of three gets every packet from a keyframe on, across the wrap of the wire's numbers")
    func chain() throws {
        let tree = try LocalTree(children: 1)
        tree.run(.milliseconds(250))
        for _ in 0..<3 { _ = try tree.join(children: 1) }
        tree.run(.milliseconds(1_500))
        let last = tree.next - 1
        #expect(last > 65_600)
        tree.run(.seconds(5), isSending: false) {
            tree.members.allSatisfy { $0.received[last] != nil }
        }
        for member in tree.members {
            #expect(member.missing(through: last).isEmpty)
            let first = try #require(member.received.keys.min())
            #expect(first % 100 == 0, "the first packet is a keyframe's")
            for (number, byte) in member.received { #expect(byte == UInt8(truncatingIfNeeded: number)) }
        }
        let parents = tree.members.map { $0.member.node.parent(of: 0) }
        #expect(Set(parents).count == 3, "each is below another")
    }

    @Test("the end of the stream ends everybody, whole")
    func end() throws {
        let tree = try LocalTree(children: 2)
        for _ in 0..<5 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(600))
        let last = tree.next - 1
        tree.source.end()
        let isOver = tree.run(.seconds(3), isSending: false) {
            tree.source.isDone && tree.members.allSatisfy(\.isDone)
        }
        #expect(isOver)
        for member in tree.members { #expect(member.missing(through: last).isEmpty) }
    }

    /// Stops a member that is one of `parents`, as if its process were; expects that the others miss nothing.
    private func stopOne(of parents: Set<MemberID?>, in tree: LocalTree) throws -> (
        victim: LocalMember, others: [LocalMember]
    ) {
        let victim = try #require(tree.members.first { parents.contains($0.id) })
        victim.isStopped = true
        let others = tree.members.filter { $0 !== victim }
        tree.run(.milliseconds(1_500))
        let last = tree.next - 1
        tree.run(.milliseconds(500), isSending: false) { others.allSatisfy { $0.received[last] != nil } }
        for member in others { #expect(member.missing(through: last).isEmpty) }
        return (victim, others)
    }

    @Test("a parent that falls silent is replaced before anything is missed")
    func failure() throws {
        let tree = try LocalTree(children: 2)
        for _ in 0..<6 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(1_000))
        let parents = Set(tree.members.map { $0.member.node.parent(of: 0) })
        let (victim, others) = try stopOne(of: parents, in: tree)
        for member in others { #expect(member.member.node.parent(of: 0) != victim.id) }
    }

    @Test("a moment in which nobody does anything costs nothing and leaves the tree whole")
    func stall() throws {
        let tree = try LocalTree(children: 2)
        for _ in 0..<6 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(600))
        for span in [250, 700, 1_300] {
            tree.coordinator.clock.stall(.milliseconds(Int64(span)))
            tree.run(.milliseconds(900))
        }
        let last = tree.next - 1
        tree.run(.seconds(5), isSending: false) {
            tree.members.allSatisfy { $0.received[last] != nil }
        }
        for member in tree.members { #expect(member.missing(through: last).isEmpty) }
    }

    @Test("a member whose player takes nothing forwards all the same, and has what fits when it goes on")
    func pausedPlayer() throws {
        let tree = try LocalTree(children: 1)
        let first = try tree.join(children: 1)
        tree.run(.milliseconds(200))
        let second = try tree.join(children: 1)
        tree.run(.milliseconds(400))
        try #require(second.member.node.parent(of: 0) == first.id)
        first.isPaused = true
        // More than its batch and its queue hold.
        tree.run(.milliseconds(3_000))
        let last = tree.next - 1
        tree.run(.milliseconds(300), isSending: false)
        #expect(second.missing(through: last).isEmpty)
        #expect(second.member.node.tally.silenceCount == 0)
        let wasStuck = first.member.outlet.isStuck
        #expect(wasStuck)
        first.isPaused = false
        tree.run(.milliseconds(300))
        let isStuck = first.member.outlet.isStuck
        #expect(first.received[last + 20] != nil && !isStuck)
        #expect(first.missing(through: last).count < 1_500 - MemberOutlet.queueLimit + 50)
    }

    @Test("a child that asks for much of what it is sent is told as slow, and its sibling is not")
    func slowChild() throws {
        let tree = try LocalTree(children: 2)
        let slow = try tree.join(children: 0)
        let sibling = try tree.join(children: 0)
        tree.run(.milliseconds(500))
        var asked = tree.next
        let isTold = tree.run(.seconds(8)) {
            // Every fourth of the packets that have come, as from behind a line that is full.
            if tree.next - asked >= 17 {
                slow.ask(tree.source, for: tree.next - 17, 0x0888)
                asked = tree.next
            }
            return tree.source.channel.slowChildren.contains(slow.id)
        }
        #expect(isTold)
        #expect(!tree.source.channel.slowChildren.contains(sibling.id))
        #expect(sibling.missing(through: tree.next - 20).isEmpty)
    }

    @Test("those who wait for a stream in four stripes get all of it, whichever stripe comes first")
    func stripesFromTheBeginning() throws {
        var configuration = CoordinatorConfiguration()
        configuration.stripeCount = 4
        let tree = try LocalTree(configuration, children: 2)
        for _ in 0..<8 { _ = try tree.join(children: 2) }
        let first = tree.next
        tree.run(.milliseconds(400))
        let last = tree.next - 1
        let isWhole = tree.run(.milliseconds(900), isSending: false) {
            tree.members.allSatisfy { member in (first...last).allSatisfy { member.received[$0] != nil } }
        }
        #expect(isWhole, "\(tree.members.map { ($0.received.keys.min(), $0.missing(through: last)) })")
    }

    @Test("a stream in four stripes comes whole, and stays so when an inner node fails")
    func stripes() throws {
        var configuration = CoordinatorConfiguration()
        configuration.stripeCount = 4
        let tree = try LocalTree(configuration, children: 2)
        for _ in 0..<8 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(1_200))
        let parents = Set(
            tree.members.flatMap { member in (0..<4).map { member.member.node.parent(of: $0) } })
        _ = try stopOne(of: parents, in: tree)
    }

    @Test("who leaves hands over first")
    func leave() throws {
        let tree = try LocalTree(children: 1)
        for _ in 0..<3 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(800))
        let top = try #require(tree.members.first { $0.member.node.parent(of: 0) == tree.source.id })
        top.leave()
        let hasLeft = tree.run(.seconds(2)) { top.member.hasLeft }
        #expect(hasLeft)
        top.isStopped = true
        tree.coordinator.cut(top.channel)
        tree.run(.milliseconds(600))
        let last = tree.next - 1
        tree.run(.milliseconds(400), isSending: false)
        for member in tree.members where member !== top {
            #expect(member.missing(through: last).isEmpty)
            #expect(member.member.node.tally.silenceCount == 0, "nobody had to notice a silence")
        }
    }
}
