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

    /// Tickets are of the coordinator's era, a minute each: a source that does not hear of it refuses everybody who comes
    /// minutes later, until the last of its first children is gone and the whole tree with it.
    @Test func theSourceTakesChildrenAsLongAsTheStreamLasts() {
        var settings = TreeWorld.Settings()
        settings.viewers = 3
        settings.children = 0
        settings.packetInterval = .milliseconds(40)
        settings.joinInterval = .seconds(110)
        let world = TreeWorld(settings)
        world.run(until: .seconds(332))
        for index in 1...3 {
            let host = world.hosts[index]
            #expect(host.firstPacket.map { $0 - host.joined < .seconds(1) } == true, "viewer \(index)")
        }
        #expect(world.hosts[0].node.childCount == 3)
        #expect(world.hosts[0].node.tally.rejectedCount == 0)
        #expect(world.problems == [])
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
