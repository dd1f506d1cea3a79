import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

/// A source that has ended and still names a deadline that has passed.
private struct EndedSource: Stage, ~Copyable {
    init(arguments: StageArguments) throws(StageError) {}

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-ended", summary: "ends", takes: .none, gives: .bytes, parameters: [], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        context.finishSource()
    }

    var nextDeadline: Instant? { .zero }
}

/// A sink that takes its time to end.
private struct SlowSink: Stage, ~Copyable {
    init(arguments: StageArguments) throws(StageError) {}

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-slow", summary: "waits", takes: .bytes, gives: .none, parameters: [], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {}

    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool { context.now >= milliseconds(900) }

    var nextDeadline: Instant? { milliseconds(900) }
}

private func milliseconds(_ count: Int64) -> Instant { .zero + .milliseconds(count) }

@Suite struct LineTests {
    private func step<Body: Stage & ~Copyable>(_ kind: Body.Type, _ pool: PacketPool) throws -> LineStep {
        let arguments = try StageArguments(descriptor: Body.descriptor, texts: [])
        let context = StageContext(pool: pool, random: PRNG(seed: 1))
        return LineStep(
            StageBox(try Body(arguments: arguments), context: context), at: nil, batchCapacity: 4)
    }

    @Test func `a source that has ended does not keep the line awake while the rest drains`() throws {
        let pool = PacketPool(slotCount: 4)
        let line = Line(
            [try step(EndedSource.self, pool), try step(SlowSink.self, pool)], hasOwnSource: true,
            isBranch: false, release: {})
        try line.start(now: milliseconds(1))
        _ = line.turn(now: milliseconds(2))
        #expect(!line.isDone)
        #expect(line.nextDeadline == milliseconds(900))
        _ = line.turn(now: milliseconds(900))
        #expect(line.isDone)
    }
}
