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
        tree.run(.milliseconds(500), isSending: false) {
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

    @Test("a parent that falls silent is replaced before anything is missed")
    func failure() throws {
        let tree = try LocalTree(children: 2)
        for _ in 0..<6 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(1_000))
        let parents = Set(tree.members.map { $0.member.node.parent(of: 0) })
        let victim = try #require(tree.members.first { parents.contains($0.id) })
        victim.isStopped = true
        let others = tree.members.filter { $0 !== victim }
        tree.run(.milliseconds(1_500))
        let last = tree.next - 1
        tree.run(.milliseconds(500), isSending: false) { others.allSatisfy { $0.received[last] != nil } }
        for member in others {
            #expect(member.missing(through: last).isEmpty)
            #expect(member.member.node.parent(of: 0) != victim.id)
        }
    }

    @Test("a moment in which nobody does anything costs nothing and leaves the tree whole")
    func stall() throws {
        let tree = try LocalTree(children: 2)
        for _ in 0..<6 { _ = try tree.join(children: 2) }
        tree.run(.milliseconds(600))
        for span in [250, 700, 1_300] {
            let end = MonotonicClock.now + .milliseconds(Int64(span))
            while MonotonicClock.now < end {}
            tree.run(.milliseconds(900))
        }
        let last = tree.next - 1
        tree.run(.milliseconds(500), isSending: false) {
            tree.members.allSatisfy { $0.received[last] != nil }
        }
        for member in tree.members { #expect(member.missing(through: last).isEmpty) }
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
        let victim = try #require(tree.members.first { parents.contains($0.id) })
        victim.isStopped = true
        let others = tree.members.filter { $0 !== victim }
        tree.run(.milliseconds(1_500))
        let last = tree.next - 1
        tree.run(.milliseconds(500), isSending: false) { others.allSatisfy { $0.received[last] != nil } }
        for member in others { #expect(member.missing(through: last).isEmpty) }
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
        tree.coordinator.cut(top.channel, now: MonotonicClock.now)
        tree.run(.milliseconds(600))
        let last = tree.next - 1
        tree.run(.milliseconds(400), isSending: false)
        for member in tree.members where member !== top {
            #expect(member.missing(through: last).isEmpty)
            #expect(member.member.node.tally.silenceCount == 0, "nobody had to notice a silence")
        }
    }
}
