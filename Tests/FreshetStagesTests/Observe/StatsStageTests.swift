import FreshetCore
import FreshetStages
import Testing

@Suite struct StatsStageTests {
    /// Gives seven TS packets of `stream` at a time, `step` apart, leaving out the datagrams in `dropped`.
    private func notices(
        _ stream: MadeStream, step: Nanoseconds, dropped: Set<Int> = [], order: [Int]? = nil,
        arguments: [(name: String, text: String)] = []
    ) throws -> [String] {
        let parsed = try StageArguments(descriptor: StatsStage.descriptor, texts: arguments)
        var stage = try StatsStage(arguments: parsed)
        let pool = PacketPool(slotCount: 16)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var input = PacketBatch(capacity: 4)
        var output = PacketBatch(capacity: 4)
        var lines: [String] = []
        try stage.start(context: &context)
        let indices = order ?? Array(0..<(stream.bytes.count / 1316))
        for index in indices where !dropped.contains(index) {
            guard var packet = pool.allocate() else { break }
            stream.bytes.withUnsafeBytes {
                let piece = UnsafeRawBufferPointer(rebasing: $0[(index * 1316)..<((index + 1) * 1316)])
                packet.append(RawSpan(_unsafeBytes: piece))
            }
            packet.prepend(byteCount: 12) { $0.storeBytes(of: 0x80, as: UInt8.self) }
            packet.info.headerByteCount = 12
            packet.info.flags = [.hasSequence]
            packet.info.extendedSequence = Int64(index)
            input.append(packet)
            try stage.process(&input, into: &output, context: &context)
            #expect(output.count == 1)
            output.removeAll()
            context.now = context.now + step
            if let deadline = stage.nextDeadline, deadline <= context.now {
                try stage.advance(into: &output, context: &context)
            }
            while let event = context.events.popFirst() {
                if case .notice(let line) = event { lines.append(line) }
            }
        }
        let isDone = try stage.finish(into: &output, context: &context)
        #expect(isDone)
        while let event = context.events.popFirst() {
            if case .notice(let line) = event { lines.append(line) }
        }
        return lines
    }

    private func stream(_ datagramCount: Int) -> MadeStream {
        var stream = MadeStream(seed: 31)
        for index in 0..<(datagramCount * 7) {
            // 1316 bytes a millisecond: 10.528 Mbit/s.
            let ticks = MadeStream.ticks(stream.position, at: 10_528_000)
            if index % 70 == 0 { stream.reference(pid: 256, ticks: ticks) } else { stream.payload(pid: 256) }
        }
        return stream
    }

    @Test func aCleanStreamIsToldByItsRate() throws {
        let lines = try notices(stream(2_500), step: .milliseconds(1))
        #expect(lines.count == 3)
        #expect(lines.first?.hasPrefix("10.528 Mbit/s, 1000 packets/s, 0 missing, 0 out of order") == true)
        #expect(lines.allSatisfy { $0.contains(", 0 continuity errors") })
        // References stand in packets that leave on time.
        #expect(lines.allSatisfy { !$0.contains("clock jitter") || $0.contains("clock jitter 0.0") })
    }

    @Test func whatIsMissingIsCounted() throws {
        let lines = try notices(
            stream(1_000), step: .milliseconds(1), dropped: [100, 101, 500], arguments: [("interval", "2s")])
        #expect(lines.count == 1)
        #expect(lines[0].contains(", 3 missing, 0 out of order, 2 continuity errors"))
    }

    @Test func reorderingIsNotLoss() throws {
        var order = Array(0..<400)
        order.swapAt(50, 51)
        order.swapAt(200, 203)
        let lines = try notices(
            stream(400), step: .milliseconds(1), order: order, arguments: [("label", "here")])
        #expect(lines.count == 1)
        #expect(lines[0].hasPrefix("here: "))
        #expect(lines[0].contains(", 0 missing, 4 out of order"))
    }

    @Test func silenceIsReportedToo() throws {
        var stage = StatsStage(interval: .milliseconds(100))
        var context = StageContext(pool: PacketPool(slotCount: 1), random: PRNG(seed: 1))
        var output = PacketBatch(capacity: 1)
        try stage.start(context: &context)
        for turn in 1...5 as ClosedRange<Int64> {
            context.now = Instant(nanoseconds: turn * 100_000_000)
            #expect(stage.nextDeadline == context.now)
            try stage.advance(into: &output, context: &context)
        }
        #expect(context.events.count == 5)
        #expect(context.events[0] == .notice("0.000 Mbit/s, 0 packets/s, 0 continuity errors"))
    }
}
