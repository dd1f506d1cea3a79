import FreshetCore
import Testing

@testable import FreshetSimulator

struct ViewingTests {
    private let clock = StreamClock(start: 0, interval: 20_000_000)

    @Test("Every packet that is not there when it is due counts, and the longest row of them is known")
    func gaps() {
        var viewing = Viewing()
        for number in 0..<200 as Range<Int64> {
            if number == 120 || (130..<135).contains(number) { continue }
            // Packet 140 takes 300 ms more than the others, and 500 ms may be waited for.
            let now = clock.sent(number) + 40_000_000 + (number == 140 ? 300_000_000 : 0)
            viewing.judge(now, clock, latency: 500_000_000, measured: 0)
            viewing.arrive(number, sent: clock.sent(number), now: now)
        }
        viewing.judge(clock.sent(199) + 545_000_000, clock, latency: 500_000_000, measured: 0)
        #expect(viewing.missedCount == 6)
        #expect(viewing.longestGap == 5)
        #expect(viewing.dueCount == viewing.inTimeCount + 6)
        #expect(viewing.base == 40_000_000)
    }

    @Test("The row of the last packets tells copies and old ones")
    func row() {
        var row = PacketRow()
        #expect(row.insert(10) && !row.insert(10) && row.insert(300) && row.insert(299))
        #expect(!row.contains(10) && !row.insert(10) && row.contains(300) && !row.contains(298))
        #expect(row.insert(2000) && !row.contains(300) && !row.contains(1999))
    }
}
