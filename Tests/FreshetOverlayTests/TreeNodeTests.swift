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
}
