import FreshetCore
import FreshetStages
import Testing

@Suite struct PaceStageTests {
    /// Gives packets with media times to a pace stage in virtual time and notes when each comes out.
    private func departures(
        of ticks: [Int64?], arguments: [(name: String, text: String)] = [], wakeUpDelay: Int64 = 0
    ) throws -> [(tag: Int64, instant: Int64)] {
        let parsed = try StageArguments(descriptor: PaceStage.descriptor, texts: arguments)
        var stage = try PaceStage(arguments: parsed)
        let pool = PacketPool(slotCount: 64, slotByteCount: 256)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var input = PacketBatch(capacity: 8)
        var output = PacketBatch(capacity: 4)
        var result: [(tag: Int64, instant: Int64)] = []
        var next = 0
        while true {
            while next < ticks.count, !input.isFull, let packet = pool.allocate() {
                if let time = ticks[next] {
                    packet.info.mediaTime = MediaTime(ticks: time)
                    packet.info.flags.insert(.hasMediaTime)
                }
                packet.info.extendedSequence = Int64(next)
                input.append(packet)
                next += 1
            }
            try stage.process(&input, into: &output, context: &context)
            var isDone = false
            if input.isEmpty, next == ticks.count {
                isDone = try stage.finish(into: &output, context: &context)
            }
            var gaveAny = false
            while let packet = output.popFirst() {
                result.append((packet.info.extendedSequence, context.now.nanoseconds))
                gaveAny = true
            }
            if isDone { return result }
            if gaveAny { continue }
            guard let deadline = stage.nextDeadline else { throw StageError.failure("stuck") }
            #expect(deadline > context.now)
            context.now = deadline + Nanoseconds(wakeUpDelay)
        }
    }

    @Test func packetsDepartWhenTheirMediaTimeSays() throws {
        let ticks = (0..<2000).map { Int64($0 * $0 % 50_000 + $0 * 35_532) }.sorted()
        let seen = try departures(of: ticks)
        #expect(seen.map(\.tag) == (0..<2000).map { Int64($0) })
        for (index, item) in seen.enumerated() {
            #expect(item.instant == (ticks[index] - ticks[0]) * 1000 / 27)
        }
    }

    /// Instants at which packets 1 ms apart leave, when the stage behind takes nothing for `wait`.
    private func departures(waiting wait: Nanoseconds, follows: Bool) throws -> [Int64] {
        var configuration = Pacer.Configuration()
        configuration.followsSource = follows
        var stage = PaceStage(configuration)
        let pool = PacketPool(slotCount: 64)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var input = PacketBatch(capacity: 64), output = PacketBatch(capacity: 64)
        for index in 0..<60 {
            guard let packet = pool.allocate() else { break }
            packet.info.mediaTime = MediaTime(ticks: Int64(index) * 27_000)
            packet.info.flags.insert(.hasMediaTime)
            input.append(packet)
        }
        var result: [Int64] = []
        while result.count < 60 {
            try stage.process(&input, into: &output, context: &context)
            #expect(result.count > 0 || output.count == 1)
            if context.now.nanoseconds >= wait.count {
                while output.popFirst() != nil { result.append(context.now.nanoseconds) }
            }
            context.now = max(context.now + .microseconds(10), stage.nextDeadline ?? context.now)
        }
        return result
    }

    @Test func aScheduleBeginsWhenTheFirstPacketIsTaken() throws {
        let seen = try departures(waiting: .milliseconds(30), follows: false)
        for (index, instant) in seen.enumerated() {
            #expect(abs(instant - 30_000_000 - Int64(index) * 1_000_000) <= 1_100_000)
        }
    }

    @Test func aLiveSourceCatchesUpWithItsOwnSchedule() throws {
        let seen = try departures(waiting: .milliseconds(30), follows: true)
        #expect(seen[0] >= 30_000_000 && seen[4] > 30_000_000)
        for index in 45..<60 { #expect(abs(seen[index] - Int64(index) * 1_000_000) <= 1_100_000) }
    }

    @Test func wakeUpsThatComeLateDoNotAddUp() throws {
        let ticks = (0..<5000).map { Int64($0) * 27_000 }
        let seen = try departures(of: ticks, wakeUpDelay: 300_000)
        for (index, item) in seen.enumerated() {
            let ideal = Int64(index) * 1_000_000
            #expect(item.instant >= ideal && item.instant <= ideal + 300_000)
        }
    }

    @Test func aBatchSavesWakeUps() throws {
        let ticks = (0..<1000).map { Int64($0) * 27_000 }
        let seen = try departures(of: ticks, arguments: [("batch", "5ms")])
        #expect(seen.count == 1000)
        // The schedule begins where the first packet may be as late as it may: its ideal time is 5 ms before it goes.
        for (index, item) in seen.enumerated() {
            let ideal = Int64(index) * 1_000_000 - 5_000_000
            #expect(abs(item.instant - ideal) <= 5_000_000)
        }
        #expect(Set(seen.map(\.instant)).count <= 1000 / 11 + 1)
    }

    @Test func speedAndOff() throws {
        let ticks = (0..<100).map { Int64($0) * 270_000 }
        let fast = try departures(of: ticks, arguments: [("speed", "2.5")])
        #expect(fast.map(\.instant) == (0..<100).map { Int64($0) * 4_000_000 })
        let free = try departures(of: ticks, arguments: [("mode", "off")])
        #expect(free.allSatisfy { $0.instant == 0 })
    }

    @Test func whatHasNoTimeGoesWithItsPredecessor() throws {
        let ticks: [Int64?] = [nil, 0, nil, 27_000, nil, 54_000]
        let seen = try departures(of: ticks)
        #expect(seen.map(\.tag) == [0, 1, 2, 3, 4, 5])
        #expect(seen.map(\.instant) == [0, 0, 0, 1_000_000, 1_000_000, 2_000_000])
    }

    @Test(arguments: ["0", "fast", "-1", "2m", "1e3", ""])
    func aWrongSpeedIsRefused(text: String) throws {
        let parsed = try StageArguments(descriptor: PaceStage.descriptor, texts: [("speed", text)])
        #expect(throws: StageError.self) { _ = try PaceStage(arguments: parsed) }
    }

    @Test func askedToEndItDropsWhatHasNotDeparted() throws {
        var stage = PaceStage()
        let pool = PacketPool(slotCount: 8, slotByteCount: 256)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var input = PacketBatch(capacity: 8)
        var output = PacketBatch(capacity: 8)
        for index in 0..<6 {
            guard let packet = pool.allocate() else { break }
            packet.info.mediaTime = MediaTime(ticks: Int64(index) * 27_000_000)
            packet.info.flags.insert(.hasMediaTime)
            input.append(packet)
        }
        try stage.process(&input, into: &output, context: &context)
        #expect(output.count == 1)
        context.isStopping = true
        try stage.process(&input, into: &output, context: &context)
        let isDone = try stage.finish(into: &output, context: &context)
        #expect(isDone)
        #expect(output.count == 1)
        #expect(pool.usedCount == 1)
    }
}
