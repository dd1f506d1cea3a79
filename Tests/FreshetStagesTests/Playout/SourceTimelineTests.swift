import FreshetCore
import FreshetStages
import Testing

@Suite struct SourceTimelineTests {
    /// Ticks of 90 kHz between two packets, and the 20 ms that they last.
    private let step: UInt64 = 1800

    private func arrival(_ index: Int) -> Instant { milliseconds(1000 + 20 * Int64(index)) }

    private func place(_ timeline: inout SourceTimeline, _ timestamp: UInt64, _ index: Int) -> Int64 {
        let expected = timeline.expected(at: arrival(index))
        return timeline.place(timestamp, arrival: arrival(index), expected: expected).ticks90k
    }

    @Test(arguments: [16, 32, 33])
    func wrapsAreUnwound(bitCount: Int) {
        var timeline = SourceTimeline(bitCount: bitCount, ticksPerUnit: 300)
        let mask = (UInt64(1) << UInt64(bitCount)) - 1
        let start = mask - 5000
        for index in 0..<1000 {
            let found = place(&timeline, (start + UInt64(index) * step) & mask, index)
            #expect(found == Int64(index) * Int64(step))
        }
        #expect(timeline.jumpCount == 0)
    }

    @Test func packetsThatWereOvertakenStandBehind() {
        var timeline = SourceTimeline(bitCount: 32, ticksPerUnit: 300)
        for index in 0..<200 where index % 10 != 5 { _ = place(&timeline, UInt64(index) * step, index) }
        #expect(place(&timeline, 195 * step, 200) == 195 * Int64(step))
        #expect(timeline.last?.media.ticks90k == 199 * Int64(step))
    }

    @Test func aJumpIsBelievedAfterEightPackets() {
        var timeline = SourceTimeline(bitCount: 32, ticksPerUnit: 300)
        for index in 0..<100 { _ = place(&timeline, UInt64(index) * step, index) }
        for index in 100..<200 {
            #expect(timeline.jumpCount == (index < 108 ? 0 : 1))
            let found = place(&timeline, 3_000_000_000 + UInt64(index) * step, index)
            #expect(found == Int64(index) * Int64(step))
        }
    }

    @Test func aPauseIsNoJump() {
        var timeline = SourceTimeline(bitCount: 32, ticksPerUnit: 300)
        for index in 0..<100 { _ = place(&timeline, UInt64(index) * step, index) }
        for index in 100..<200 {
            #expect(place(&timeline, UInt64(index) * step, index + 500) == Int64(index) * Int64(step))
        }
        #expect(timeline.jumpCount == 0)
    }

    @Test func afterARestartTheLineGoesOn() {
        var timeline = SourceTimeline(bitCount: 32, ticksPerUnit: 300)
        for index in 0..<100 { _ = place(&timeline, UInt64(index) * step, index) }
        timeline.restart()
        for index in 100..<200 {
            #expect(place(&timeline, 77 + UInt64(index) * step, index) == Int64(index) * Int64(step))
        }
        #expect(timeline.jumpCount == 0)
    }
}
