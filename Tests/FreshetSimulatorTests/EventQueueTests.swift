import FreshetCore
import Testing

@testable import FreshetSimulator

struct EventQueueTests {
    /// Events in order, whatever came between: some are put in while others are taken out.
    private func check(spread: UInt64, chunk: Int) {
        var queue = EventQueue<WorldEvent>(capacity: 16)
        var random = PRNG(seed: spread)
        var last: Event<WorldEvent>?
        var taken = 0
        var put = 0
        while put < 5000 || queue.count > 0 {
            for _ in 0..<chunk where put < 5000 {
                let time = (last?.time ?? .zero) + Nanoseconds(Int64(random.below(spread)))
                queue.insert(.deadline, at: time, target: Int32(put))
                put += 1
            }
            for _ in 0..<max(1, Int(random.below(UInt64(chunk)))) {
                guard let event = queue.popFirst() else { break }
                if let last { #expect(last < event) }
                last = event
                taken += 1
            }
        }
        #expect(taken == 5000)
        #expect(queue.count == 0)
    }

    @Test(
        "Events come out by time, and at one time in the order in which they were put in",
        arguments: [3, 200, 40_000, 3_000_000, 700_000_000, 90_000_000_000] as [UInt64])
    func order(spread: UInt64) {
        check(spread: spread, chunk: 5000)
        check(spread: spread, chunk: 7)
    }

    @Test("An event after the end asked for stays where it is")
    func end() {
        var queue = EventQueue<WorldEvent>()
        queue.insert(.fault, at: Instant(nanoseconds: 500), target: 1)
        #expect(queue.popFirst(through: Instant(nanoseconds: 499))?.target == nil)
        queue.insert(.fault, at: Instant(nanoseconds: 400), target: 2)
        #expect(queue.popFirst(through: Instant(nanoseconds: 499))?.target == 2)
        #expect(queue.popFirst()?.target == 1)
        #expect(queue.totalCount == 2)
    }
}
