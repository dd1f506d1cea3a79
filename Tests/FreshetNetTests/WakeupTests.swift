import FreshetCore
import FreshetNet
import Testing

@Suite struct WakeupTests {
    @Test func `many signals from many threads are one wake-up, and none is lost`() async throws {
        let wakeup = try Wakeup()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { for _ in 0..<100 { wakeup.signal() } } }
        }
        var poller = try Poller()
        try poller.add(wakeup.number, tag: 5)
        #expect(try poller.wait(until: .zero) == 1)
        wakeup.drain()
        #expect(try poller.wait(until: .zero) == 0)
        wakeup.drain()
        wakeup.signal()
        #expect(try poller.wait(until: .zero) == 1)
    }

    @Test func `watched on edge, each signal is reported once without draining`() throws {
        var poller = try Poller()
        let wakeup = try Wakeup()
        try poller.add(wakeup.number, tag: 5, onEdge: true)
        for _ in 0..<3 {
            wakeup.signal()
            #expect(try poller.wait(until: .zero) == 1)
            #expect(try poller.wait(until: .zero) == 0)
        }
    }
}
