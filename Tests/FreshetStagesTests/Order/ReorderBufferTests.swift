import FreshetCore
import FreshetStages
import Testing

/// What the buffer makes of jumps, restarts, new epochs and hostile numbers, through the stage that drives
/// it.
@Suite struct ReorderBufferTests {
    private func bench(latency: Int64 = 50, capacity: Int = 8192) throws -> StageBench<ReorderStage> {
        try StageBench(
            ReorderStage(latency: .milliseconds(latency), capacity: capacity), slots: 20_000,
            slotByteCount: 32)
    }

    @Test(arguments: [129, 1000, 8191, 8192, 20_000, 32_000] as [Int64])
    func anOutageIsCountedExactly(hole: Int64) throws {
        let bench = try bench()
        for index in 0..<1000 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        for index in 0..<1000 as Range<Int64> {
            try bench.give(1000 + hole + index, at: milliseconds(3000 + index))
        }
        try bench.finish()
        #expect(bench.context.counters[.lost] == Int(hole))
        #expect(bench.seen.count == 2000)
        #expect(bench.context.counters[.discontinuities] == 0)
        // The packets behind the hole waited no longer than the latency.
        #expect(bench.seen[1000].instant <= milliseconds(3050))
        #expect(bench.seen[1999].instant == milliseconds(3999))
    }

    @Test func aJumpThatCannotBeLossIsADiscontinuity() throws {
        let bench = try bench()
        for index in 0..<1000 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        for index in 0..<1000 as Range<Int64> {
            try bench.give(10_000_000 + index, at: milliseconds(1000 + index))
        }
        try bench.finish()
        #expect(bench.seen.count == 2000)
        #expect(bench.context.counters[.lost] == 0)
        #expect(bench.context.counters[.discontinuities] == 1)
    }

    @Test func packetsBehindAFarJumpComeInOrderToo() throws {
        let bench = try bench()
        for index in 0..<100 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        for (index, sequence) in [20_003, 20_001, 20_000, 20_004, 20_002].enumerated() {
            try bench.give(Int64(sequence), at: milliseconds(200 + Int64(index)))
        }
        try bench.finish()
        #expect(bench.seen.suffix(5).map(\.sequence) == [20_000, 20_001, 20_002, 20_003, 20_004])
        #expect(bench.context.counters[.lost] == 19_900)
    }

    @Test func oneForgedNumberHarmsNothing() throws {
        let bench = try bench()
        var random = PRNG(seed: 8)
        for index in 0..<20_000 as Range<Int64> {
            try bench.give(index, at: milliseconds(index))
            if index % 100 == 50 {
                let forged = index + 200 + Int64(random.below(40_000))
                try bench.give(forged, at: Instant(nanoseconds: index * 1_000_000 + 500_000), mark: 1)
            }
        }
        try bench.finish()
        let good = bench.seen.filter { $0.mark == 0 }
        #expect(good.map(\.sequence) == Array(0..<20_000))
        #expect(bench.context.counters[.lost] == 0)
    }

    @Test func aLonePacketAfterAnOutageIsBelievedInTime() throws {
        let bench = try bench()
        for index in 0..<100 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        try bench.give(600, at: milliseconds(700))
        try bench.run(to: milliseconds(2000))
        #expect(bench.seen.last?.sequence == 600)
        #expect(bench.seen.last?.instant == milliseconds(750))
        #expect(bench.context.counters[.lost] == 500)
    }

    @Test(arguments: [40_000, 999, 500, 30_000 - 65_536] as [Int64])
    func aSourceThatBeginsAgainWithTheSameIdentifierIsFollowed(start: Int64) throws {
        let bench = try bench()
        for index in 30_000..<31_000 as Range<Int64> { try bench.give(index, at: milliseconds(index)) }
        for index in 0..<5000 as Range<Int64> {
            try bench.give(start + index, at: milliseconds(34_000 + index))
        }
        try bench.finish()
        #expect(bench.seen.count >= 5960)
        #expect(bench.seen.suffix(4000).map(\.sequence) == Array((start + 1000)..<(start + 5000)))
    }

    @Test func eachEpochIsFlushedInOrderBeforeTheNext() throws {
        let bench = try bench()
        var random = PRNG(seed: 3)
        var now: Int64 = 0
        var expected: [Int64] = []
        var lost = 0
        for epoch in 0..<200 as Range<UInt32> {
            let start = Int64(random.below(65_536))
            var numbers = Array(start..<(start + 300))
            // One hole, and blocks of 20 shuffled.
            numbers.remove(at: 10 + Int(random.below(200)))
            expected += numbers
            lost += 1
            for block in stride(from: 0, to: numbers.count, by: 20) {
                numbers[block..<min(block + 20, numbers.count)].shuffle(using: &random)
            }
            for number in numbers {
                try bench.give(number, at: milliseconds(now), epoch: epoch)
                now += 1
            }
        }
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == expected)
        #expect(bench.seen.map(\.epoch) == bench.seen.map(\.epoch).sorted())
        #expect(bench.context.counters[.lost] == lost)
    }

    @Test func packetsOfAnOldEpochAreLate() throws {
        let bench = try bench()
        for index in 0..<100 as Range<Int64> { try bench.give(index, at: milliseconds(index), epoch: 4) }
        for index in 0..<100 as Range<Int64> {
            try bench.give(index, at: milliseconds(200 + index), epoch: 5)
        }
        for index in 100..<150 as Range<Int64> {
            try bench.give(index, at: milliseconds(400 + index), epoch: 4)
        }
        try bench.finish()
        #expect(bench.seen.count == 200)
        #expect(bench.context.counters[.late] == 50)
    }

    @Test func repairsInTimeAreCounted() throws {
        let bench = try bench()
        for index in 0..<100 as Range<Int64> where index != 50 {
            try bench.give(index, at: milliseconds(index))
        }
        try bench.give(50, at: milliseconds(99), flags: .isRetransmission)
        try bench.give(50, at: milliseconds(99), flags: .isRetransmission)
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<100))
        #expect(bench.context.counters[.recovered] == 1)
        #expect(bench.context.counters[.duplicates] == 1)
        #expect(bench.context.counters[.lost] == 0)
    }

    @Test func packetsWithoutANumberPassAsTheyAre() throws {
        let bench = try bench()
        for index in 0..<10 as Range<Int64> {
            try bench.give(at: milliseconds(index)) { $0.append(byteCount: 8) { _ in } }
        }
        #expect(bench.seen.count == 10)
    }

    @Test(arguments: [64, 128, 8192])
    func hostileNumbersNeverTrapAndNothingGrows(capacity: Int) throws {
        let bench = try bench(latency: 5, capacity: capacity)
        var random = PRNG(seed: UInt64(capacity))
        var last: Seen?
        var wrongOrderCount = 0
        var outCount = 0
        var mostUsed = 0
        bench.sink = { packet, now in
            let seen = Seen(
                sequence: packet.info.extendedSequence, epoch: packet.info.epoch, mark: 0, instant: now)
            if let last, last.epoch == seen.epoch, last.sequence == seen.sequence { wrongOrderCount += 1 }
            last = seen
            outCount += 1
        }
        var now: Int64 = 1_000_000_000
        var center: Int64 = 0
        for _ in 0..<100_000 {
            now += Int64(random.below(2_000_000))
            var number = center
            switch random.below(8) {
            case 0: number = Int64(bitPattern: random.next())
            case 1: number = Int64(random.below(65_536))
            case 2: number = center + Int64(random.below(20_000)) - 10_000
            case 3: number = random.below(2) == 0 ? .max : .min
            default:
                center += Int64(random.below(5)) - 1
                number = center
            }
            let epoch = random.chance(1, in: 500) ? UInt32(truncatingIfNeeded: random.next()) : 7
            try bench.give(number, at: Instant(nanoseconds: now), epoch: epoch)
            mostUsed = max(mostUsed, bench.pool.usedCount)
        }
        try bench.finish()
        #expect(wrongOrderCount == 0)
        #expect(mostUsed <= capacity + 64)
        let counters = bench.context.counters
        #expect(outCount + counters[.duplicates] + counters[.late] + counters[.malformed] == 100_000)
        #expect(bench.pool.usedCount == 0)
    }
}
