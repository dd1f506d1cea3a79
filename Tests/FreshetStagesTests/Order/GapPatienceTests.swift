import FreshetCore
import FreshetStages
import Testing

/// A thread that was held up finds all at once what came meanwhile, by one socket after the other.
@Suite struct GapPatienceTests {
    /// Gives packets by `paths`, one after the other as far as there is room, at `now`, which is later than all of
    /// them came; then lets the stage go on.
    private func catchUp<Body: Stage & ~Copyable>(
        _ bench: StageBench<Body>, _ paths: [[Sent]], now: Instant
    ) throws {
        bench.context.now = now
        var waiting = paths.joined().makeIterator()
        var next = waiting.next()
        while next != nil {
            while !bench.input.isFull, let sent = next, let packet = bench.context.allocate() {
                packet.info.arrival = Instant(nanoseconds: sent.arrival)
                packet.info.extendedSequence = sent.sequence
                packet.info.rtpTimestamp = UInt32(truncatingIfNeeded: sent.timestamp)
                packet.info.flags = .hasSequence
                bench.input.append(packet)
                next = waiting.next()
            }
            // As a line does it: first what was due, then what has come.
            if let deadline = bench.body.nextDeadline, deadline <= now {
                try bench.body.advance(into: &bench.output, context: &bench.context)
                bench.drain()
            }
            try bench.turn()
        }
        try bench.run(to: now + .milliseconds(1))
        try bench.turn()
        try bench.run(to: now + .seconds(1))
    }

    /// One stream by two paths, of which the first is cut for a while, then the rest of it after a pause.
    private func paths() -> (before: [Sent], first: [Sent], second: [Sent]) {
        func sent(_ number: Int64, delay: Int64) -> Sent {
            Sent(sequence: number, timestamp: number * 90, arrival: (number + delay) * 1_000_000)
        }
        let before = (0..<100).map { sent($0, delay: 10) }
        let first = (100..<400).filter { !(150..<220).contains($0) }.map { sent($0, delay: 10) }
        let second = (70..<380).map { sent($0, delay: 30) }
        return (before, first, second)
    }

    @Test(arguments: [40, 60, 200, 1000] as [Int64])
    func `what one path has is not given up before the other was read`(latency: Int64) throws {
        let (before, first, second) = paths()
        let bench = try StageBench(JitterStage(latency: .milliseconds(latency)))
        try bench.give(before)
        try catchUp(bench, [first, second], now: milliseconds(411))
        #expect(bench.seen.map(\.sequence).elementsEqual(0..<400))
        #expect(bench.context.counters[.lost] == 0 && bench.context.counters[.late] == 0)
    }

    @Test(arguments: [40, 60, 200, 1000] as [Int64])
    func `nor is it where packets are only put in order`(latency: Int64) throws {
        let (before, first, second) = paths()
        let bench = try StageBench(ReorderStage(latency: .milliseconds(latency)))
        try bench.give(before)
        try catchUp(bench, [first, second], now: milliseconds(411))
        #expect(bench.seen.map(\.sequence).elementsEqual(0..<400))
        #expect(bench.context.counters[.lost] == 0 && bench.context.counters[.late] == 0)
    }

    @Test func `a packet that never came is given up as soon as all is read`() throws {
        let (before, first, second) = paths()
        let bench = try StageBench(JitterStage(latency: .milliseconds(60)))
        try bench.give(before)
        try catchUp(
            bench, [first.filter { $0.sequence != 250 }, second.filter { $0.sequence != 250 }],
            now: milliseconds(411))
        #expect(bench.seen.map(\.sequence).elementsEqual((0..<400).filter { $0 != 250 }))
        let after = try #require(bench.seen.first { $0.sequence == 251 })
        #expect(after.instant <= milliseconds(412))
    }
}
