import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

@Suite struct TreeNodeTests {
    @Test func twentyViewersGetEveryPacketOverATreeOfFour() {
        let world = TreeWorld(.init())
        world.run(until: .seconds(10))
        #expect(world.structureProblems() == [])
        #expect(world.problems == [])
        #expect(world.hurt() == [])
        #expect(world.maximalDepth <= 4)
        #expect(world.hosts[0].node.childCount <= 4)
        // The source sends four streams, whatever the number of viewers.
        #expect(world.hosts[0].sentPackets <= world.emitted.count * 4 + 200)
    }

    @Test func routersThatWereFoundAreToldWithTheJoin() {
        var node = TreeNode(configuration: TreeNodeConfiguration(), random: PRNG(seed: 1), now: .zero)
        node.routers = ["192.0.2.1", "198.51.100.1"]
        node.connected(now: .zero)
        guard case .join(let join) = node.nextMessage() else {
            Issue.record("the first message is no join")
            return
        }
        #expect(join.routers == ["192.0.2.1", "198.51.100.1"])
    }
}
