import FreshetCore
import Testing

@testable import FreshetSimulator

struct EventQueueTests {
    @Test("Events come out by time, and at one time in the order in which they were put in")
    func order() {
        var queue = EventQueue(capacity: 16)
        var random = PRNG(seed: 5)
        for index in 0..<5000 {
            queue.insert(.deadline, at: Instant(nanoseconds: Int64(random.below(200))), target: Int32(index))
        }
        var last: Event?
        var count = 0
        while let event = queue.popFirst() {
            if let last { #expect(last < event) }
            last = event
            count += 1
        }
        #expect(count == 5000)
        #expect(queue.nextTime == nil)
    }
}
