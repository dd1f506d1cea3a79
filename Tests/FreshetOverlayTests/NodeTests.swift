import FreshetOverlay
import Testing

@Suite struct NodeTests {
    @Test func peersAreTheSameWhenTheirNumbersAre() {
        #expect(Destination.peer(Peer(7)) == .peer(Peer(7)))
        #expect(Destination.peer(Peer(7)) != .peer(Peer(8)))
        #expect(Destination.group != .segment)
    }
}
