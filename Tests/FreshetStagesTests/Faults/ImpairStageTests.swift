import FreshetCore
import FreshetStages
import Testing

@Suite struct ImpairStageTests {
    private func stage(_ texts: [(name: String, text: String)]) throws -> ImpairStage {
        try ImpairStage(arguments: StageArguments(descriptor: ImpairStage.descriptor, texts: texts))
    }

    @Test func withoutParametersItDoesNothing() throws {
        let bench = try StageBench(stage([]))
        for index in 0..<1000 {
            try bench.give(Int64(index), at: milliseconds(Int64(index)), mark: UInt64(index))
        }
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<1000))
        #expect(bench.seen.map(\.instant) == (0..<1000).map { milliseconds($0) })
        #expect(bench.seen.map(\.mark) == (0..<1000).map { UInt64($0) })
    }

    @Test func everyPacketIsDeliveredDroppedOrDoubled() throws {
        let bench = try StageBench(
            stage([
                ("loss", "5%"), ("burst", "3"), ("duplicate", "2%"), ("jitter", "20ms"), ("delay", "5"),
                ("seed", "42"),
            ]))
        for index in 0..<20_000 {
            try bench.give(
                Int64(index), at: Instant(nanoseconds: Int64(index) * 1_000_000), mark: UInt64(index))
        }
        try bench.finish()
        var counts = [Int](repeating: 0, count: 20_000)
        for seen in bench.seen {
            counts[Int(seen.sequence)] += 1
            #expect(seen.mark == UInt64(seen.sequence))
            let delay = seen.instant - milliseconds(seen.sequence)
            #expect(delay >= .milliseconds(5) && delay <= .milliseconds(25))
        }
        let lost = counts.filter { $0 == 0 }.count
        #expect(lost == bench.context.counters[.impaired])
        #expect((800...1200).contains(lost))
        #expect((300...460).contains(counts.filter { $0 == 2 }.count))
        #expect(zip(bench.seen, bench.seen.dropFirst()).allSatisfy { $0.instant <= $1.instant })
    }

    @Test func oneBitIsFlippedAndNeverInASharedPacket() throws {
        let bench = try StageBench(stage([("corrupt", "100%")]))
        var differences: [Int] = []
        bench.sink = { packet, _ in
            differences.append(packet.bytes.unsafeLoadUnaligned(as: UInt64.self).nonzeroBitCount)
        }
        for index in 0..<100 { try bench.give(Int64(index), at: milliseconds(Int64(index))) }
        guard var shared = bench.context.allocate() else { return }
        shared.append(byteCount: 8) { _ in }
        bench.input.append(shared.share())
        try bench.finish()
        #expect(differences == Array(repeating: 1, count: 101))
        #expect(shared.bytes.unsafeLoadUnaligned(as: UInt64.self) == 0)
        _ = consume shared
    }

    @Test func aFullLinkHoldsTheInputBack() throws {
        var configuration = LinkModel.Configuration()
        configuration.delay = .milliseconds(100)
        let bench = try StageBench(ImpairStage(configuration, hold: 16), batch: 4, slots: 64)
        for index in 0..<20 {
            guard var packet = bench.context.allocate() else { break }
            packet.info.extendedSequence = Int64(index)
            packet.append(byteCount: 8) { _ in }
            if bench.input.isFull {
                try bench.body.process(&bench.input, into: &bench.output, context: &bench.context)
            }
            guard !bench.input.isFull else { break }
            bench.input.append(packet)
        }
        #expect(bench.input.count == 4)
        #expect(bench.context.counters[.queued] == 15)
        try bench.run(to: milliseconds(100))
        try bench.run(to: milliseconds(200))
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<19))
    }

    @Test func aParameterOutOfRangeIsRefused() {
        #expect(throws: StageError.self) { _ = try stage([("loss", "120%")]) }
        #expect(throws: StageError.self) { _ = try stage([("shape", "odd")]) }
    }

    @Test func whenAskedToEndNothingIsHeldBack() throws {
        let bench = try StageBench(stage([("delay", "1s")]))
        for index in 0..<100 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        bench.context.isStopping = true
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<100))
        #expect(bench.context.now == milliseconds(99))
    }
}
