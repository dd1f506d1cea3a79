import FreshetCore
import FreshetNet
import Testing

@Suite struct PollerTests {
    @Test func `a signalled wake-up is reported by its tag until it is drained`() throws {
        var poller = try Poller()
        let wakeup = try Wakeup()
        try poller.add(wakeup.number, tag: 77)
        #expect(try poller.wait(until: .zero) == 0)
        wakeup.signal()
        wakeup.signal()
        #expect(try poller.wait(until: MonotonicClock.now + .seconds(5)) == 1)
        #expect(poller[0].tag == 77 && poller[0].isReadable && !poller[0].isWritable)
        wakeup.drain()
        #expect(try poller.wait(until: .zero) == 0)
    }

    @Test func `a wait ends at its deadline and not before`() throws {
        var poller = try Poller()
        MonotonicClock.sharpenTimers()
        let deadline = MonotonicClock.now + .microseconds(700)
        #expect(try poller.wait(until: deadline) == 0)
        #expect(MonotonicClock.now >= deadline)
    }

    @Test func `another thread ends a wait that has no deadline`() async throws {
        let wakeup = try Wakeup()
        let waiter = Task.detached {
            var poller = try Poller()
            try poller.add(wakeup.number, tag: 1)
            return try poller.wait(until: nil)
        }
        wakeup.signal()
        #expect(try await waiter.value == 1)
    }

    @Test func `a removed or muted descriptor is not reported`() throws {
        var poller = try Poller()
        let wakeup = try Wakeup()
        try poller.add(wakeup.number, tag: 1)
        wakeup.signal()
        try poller.modify(wakeup.number, tag: 2, reading: false)
        #expect(try poller.wait(until: .zero) == 0)
        try poller.modify(wakeup.number, tag: 3, reading: true)
        #expect(try poller.wait(until: .zero) == 1)
        #expect(poller[0].tag == 3)
        poller.remove(wakeup.number)
        #expect(try poller.wait(until: .zero) == 0)
    }

    @Test func `a descriptor that is not open is refused with a sentence`() throws {
        let poller = try Poller()
        let error = #expect(throws: SystemCallError.self) { try poller.add(9999, tag: 0) }
        #expect(error?.message == "cannot watch descriptor 9999: Bad file descriptor")
    }
}
