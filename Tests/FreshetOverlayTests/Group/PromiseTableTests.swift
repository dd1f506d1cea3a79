import FreshetCore
import FreshetOverlay
import Testing

@Suite struct PromiseTableTests {
    @Test func whoBreaksItsWordIsIgnoredForAWhile() {
        var table = PromiseTable()
        let start = Instant.zero + .seconds(1)
        for _ in 0..<PromiseTable.blameLimit {
            if let place = table.place(of: Peer(7), now: start) { table.breakPromise(place, now: start) }
        }
        let liar = table.place(of: Peer(7), now: start)
        let other = table.place(of: Peer(8), now: start)
        let later = table.place(of: Peer(7), now: start + PromiseTable.ignoreTime)
        #expect(liar == nil && other != nil && later != nil)
    }

    @Test func whoMostlyKeepsItIsHeard() {
        var table = PromiseTable()
        for _ in 0..<100 {
            guard let place = table.place(of: Peer(7), now: .zero) else {
                Issue.record("an honest peer is ignored")
                return
            }
            table.breakPromise(place, now: .zero)
            table.keep(place)
        }
    }

    @Test func manyPeersDoNotWashALiarOut() {
        var table = PromiseTable()
        for _ in 0..<PromiseTable.blameLimit {
            if let place = table.place(of: Peer(7), now: .zero) { table.breakPromise(place, now: .zero) }
        }
        for number in 100..<200 { _ = table.place(of: Peer(UInt32(number)), now: .zero) }
        let liar = table.place(of: Peer(7), now: .zero)
        #expect(liar == nil)
    }
}
