import FreshetCore
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct StreamEndingTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func ending(
        _ report: ControlDatagram, ssrc: UInt32? = 2
    ) -> StreamEnding {
        var ending = StreamEnding()
        ending.read(report.bytes.span.bytes, ssrc: ssrc, now: now)
        return ending
    }

    @Test func `a heartbeat alone ends nothing`() {
        let ending = ending(ControlDatagram(ssrc: 2, highest: 9, count: 10))
        #expect(ending.deadline == nil && ending.announcedSequence == 9 && ending.announcedCount == 10)
        #expect(!ending.isOver(received: 10, highest: 9, now: .distantFuture))
    }

    @Test func `after the goodbye the end is when all came, or after the grace`() {
        let ending = ending(ControlDatagram(ssrc: 2, highest: 9, count: 10, isGoodbye: true))
        #expect(ending.isOver(received: 10, highest: 9, now: now))
        #expect(!ending.isOver(received: 9, highest: 9, now: now))
        // A duplicate stands for no packet that is still under way.
        #expect(!ending.isOver(received: 10, highest: 8, now: now))
        #expect(ending.isOver(received: 10, highest: nil, now: now))
        // Nor when the last packet has come, and one before it has not.
        #expect(!ending.isOver(received: 10, highest: 9, isInOrder: false, now: now))
        let last = now + StreamEnding.grace
        #expect(!ending.isOver(received: 0, highest: 3, now: Instant(nanoseconds: last.nanoseconds - 1)))
        #expect(ending.isOver(received: 0, highest: 3, now: last))
        #expect(ending.isOver(received: 10, highest: 9, isInOrder: false, now: last))
    }

    @Test func `goodbyes repeated do not put the end off`() {
        var ending = StreamEnding()
        let report = ControlDatagram(ssrc: 2, highest: 9, count: 10, isGoodbye: true)
        ending.read(report.bytes.span.bytes, ssrc: 2, now: now)
        ending.read(report.bytes.span.bytes, ssrc: 2, now: now + .milliseconds(100))
        #expect(ending.deadline == now + StreamEnding.grace)
    }

    @Test func `what is said of another source does not count, unless there is no name for ours`() {
        let report = ControlDatagram(ssrc: 4, highest: 9, count: 10, isGoodbye: true)
        #expect(ending(report).deadline == nil && ending(report).announcedSequence == nil)
        #expect(ending(report, ssrc: nil).deadline != nil)
    }

    @Test func `a goodbye without a heartbeat ends after the grace`() {
        let ending = ending(ControlDatagram(ssrc: 2, isGoodbye: true))
        #expect(!ending.isOver(received: 1000, highest: 999, now: now))
        #expect(ending.isOver(received: 0, highest: nil, now: now + StreamEnding.grace))
        #expect(ending.lostTail(after: 3) == 0)
    }

    @Test func `a goodbye without a name is not believed while media goes on`() {
        var ending = ending(ControlDatagram(ssrc: 4, isGoodbye: true), ssrc: nil)
        // Still under way.
        ending.disbelieve(after: now + .milliseconds(100))
        #expect(ending.isOver(received: 5, highest: nil, now: now + StreamEnding.grace))
        ending.disbelieve(after: now + .milliseconds(130))
        #expect(!ending.isOver(received: 5, highest: nil, now: now + .seconds(1)))
        let report = ControlDatagram(ssrc: 4, isGoodbye: true)
        ending.read(report.bytes.span.bytes, ssrc: nil, now: now + .seconds(2))
        #expect(ending.isOver(received: 5, highest: nil, now: now + .milliseconds(2250)))
    }

    @Test func `what is no control packet is not read`() {
        for bytes: [UInt8] in [
            [], [0x80], [0x81, 203, 0, 1, 0, 0, 0, 2], Array(repeating: 0xFF, count: 100),
        ] {
            var ending = StreamEnding()
            ending.read(bytes.span.bytes, ssrc: 2, now: now)
            #expect(ending.deadline == nil)
        }
    }

    private static let tails: [(Int64, Int64, Int)] = [
        (99, 92, 7), (99, 99, 0), (99, 120, 0), (65_539, 65_534, 5), (589_827, 65_534, 5),
        (70_000, 4_462, 2), (0, 65_535, 1),
    ]

    @Test(arguments: tails)
    func `the tail is counted by 16 bits, wherever the two began`(announced: Int64, highest: Int64, lost: Int)
    {
        let ending = ending(ControlDatagram(ssrc: 2, highest: announced, count: 1))
        #expect(ending.lostTail(after: highest) == lost)
    }

    @Test func `a new source starts from nothing`() {
        var ending = ending(ControlDatagram(ssrc: 2, highest: 9, count: 10, isGoodbye: true))
        ending.reset()
        #expect(ending.deadline == nil && ending.announcedSequence == nil && ending.announcedCount == 0)
    }
}
