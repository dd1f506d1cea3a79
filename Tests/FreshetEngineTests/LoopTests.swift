import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

/// What the test's stage is to do, and did. Touched by the test's own thread alone.
private final class Dream {
    var wanted = Nanoseconds.zero
    /// Done before the stage sleeps.
    var before: () -> Void = {}
    /// How the naps ended.
    var ends: [Bool] = []
}

/// A source that sleeps.
private struct Sleeper: Stage, ~Copyable {
    let dream: Dream

    init(_ dream: Dream) { self.dream = dream }
    init(arguments: StageArguments) throws(StageError) { dream = Dream() }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "test-sleeper", summary: "sleeps", takes: .none, gives: .none, parameters: [], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        dream.before()
        let end = context.now + dream.wanted
        let hasSlept = context.nap(until: end)
        dream.ends.append(hasSlept && context.now >= end)
    }
}

@Suite struct LoopTests {
    private func loop(_ dreams: [Dream]) throws -> Loop {
        let pool = PacketPool(slotCount: 4)
        let lines = dreams.map { dream in
            let context = StageContext(pool: pool, random: PRNG(seed: 1))
            let step = LineStep(StageBox(Sleeper(dream), context: context), at: nil, batchCapacity: 4)
            return Line([step], hasOwnSource: true, isBranch: false, release: {})
        }
        return try Loop(pool: pool, lines: lines, controlWakeup: Wakeup())
    }

    @Test func `the loop sleeps for a stage of its only line`() throws {
        let dream = Dream()
        let loop = try loop([dream])
        loop.start()
        dream.wanted = .milliseconds(2)
        loop.turn(until: .zero)
        #expect(dream.ends == [true])
    }

    @Test func `what comes during a nap ends it and is dealt with in the next turn`() throws {
        let dream = Dream()
        let loop = try loop([dream])
        loop.start()
        dream.wanted = .seconds(60)
        dream.before = { loop.requestStop() }
        let limit = MonotonicClock.now + .seconds(20)
        loop.turn(until: limit)
        #expect(dream.ends == [false])
        // The stop was seen by the nap: waiting for it again would last until the limit.
        loop.turn(until: limit)
        #expect(loop.isFinished && MonotonicClock.now < limit)
    }

    @Test func `no stage sleeps while others share its loop`() throws {
        let dreams = [Dream(), Dream()]
        let loop = try loop(dreams)
        loop.start()
        loop.turn(until: .zero)
        #expect(dreams.allSatisfy { $0.ends == [false] })
    }
}
