import FreshetCore
import FreshetStages
import Testing

/// What playout does when the path, the source or its clock changes.
@Suite struct PlayoutScheduleTests {
    private let latency = Nanoseconds.milliseconds(200)

    /// Runs `packets` (in the order of arrival) through a jitter stage of 200 ms.
    private func play(_ packets: [Sent], batch: Int = 64, slots: Int = 4096) throws -> StageBench<JitterStage>
    {
        let bench = try StageBench(JitterStage(latency: latency), batch: batch, slots: slots)
        try bench.give(
            packets.sorted { ($0.arrival, $0.sequence) < ($1.arrival, $1.sequence) }, offset: 0xFFF0_0000)
        try bench.finish()
        #expect(zip(bench.seen, bench.seen.dropFirst()).allSatisfy { $0.instant <= $1.instant })
        return bench
    }

    /// How long after being sent (by the source's schedule, moved by `pause`) the packet at `index` was
    /// played.
    private func delay(
        _ bench: StageBench<JitterStage>, _ index: Int, _ source: SteadySource, pause: Int64 = 0
    ) -> Int64 {
        guard index < bench.seen.count else { return .max / 2 }
        let seen = bench.seen[index]
        return seen.instant.nanoseconds - source.sent(seen.sequence * source.interval) - pause
    }

    @Test func `a latency that the packets tell is reached at once when longer, by and by when shorter`()
        throws
    {
        let bench = try StageBench(JitterStage(latency: latency))
        var played: [Int64: Int64] = [:]
        bench.sink = {
            played[$0.info.extendedSequence] = $1.nanoseconds / 1_000_000 - $0.info.extendedSequence
        }
        for index in 0..<40_000 as Range<Int64> {
            try bench.give(at: milliseconds(index)) { packet in
                packet.info.extendedSequence = index
                packet.info.rtpTimestamp = UInt32(index * 90)
                packet.info.flags = .hasSequence
                packet.info.latencyMilliseconds = index < 5000 ? 0 : index < 20_000 ? 260 : 210
            }
        }
        try bench.finish()
        #expect(played.count == 40_000)
        #expect(played[4700] == 200 && played[5100] == 260 && played[19_700] == 260)
        // Half a percent faster: 50 ms take ten seconds, and a little more towards the end.
        let halfway = try #require(played[24_000]), end = try #require(played[39_000])
        #expect((225...250).contains(halfway) && (210...212).contains(end), "\(halfway) \(end)")
    }

    @Test func aGapIsSkippedWhenThePacketBehindItIsDue() throws {
        var source = SteadySource(seed: 1)
        var random = PRNG(seed: 2)
        let packets = source.journey(30_000).filter { _ in !random.chance(1, in: 20) }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == packets.map(\.sequence).sorted())
        let counters = bench.context.counters
        #expect(
            counters[.lost] == Int(bench.seen[bench.seen.count - 1].sequence - bench.seen[0].sequence) + 1
                - packets.count)
        #expect(counters[.underruns] == 0)
        let deviations = bench.unevenness(skipping: 0, of: source)
        #expect(deviations[deviations.count * 99 / 100] <= 100_000)
    }

    @Test(arguments: [30_000_000, -30_000_000] as [Int64])
    func aChangeOfRouteIsFollowedSmoothly(step: Int64) throws {
        var source = SteadySource(seed: 3, drift: 60)
        source.pathDelay = 50_000_000
        var packets = source.journey(30_000)
        for index in packets.indices where packets[index].sequence >= 10_000 {
            packets[index].arrival += step
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<30_000))
        #expect(bench.context.counters[.lost] == 0 && bench.context.counters[.underruns] == 0)
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] - 60_000) < 5000)
        let deviations = bench.unevenness(skipping: 0, of: source)
        #expect(deviations[deviations.count * 99 / 100] <= 100_000)
        // 500 parts per million of the 26 s since: 13 ms of the way are done, less what it took to see the
        // change.
        let moved = delay(bench, 29_999, source) - delay(bench, 9000, source)
        #expect(moved.signum() == step.signum() && (8_000_000...14_000_000).contains(abs(moved)), "\(moved)")
    }

    // Until a neighbour's address is known packets wait for it, and then come together: more than the latency of them here.
    @Test func `a stream whose first packets waited on the way is not late for long`() throws {
        var source = SteadySource(seed: 15)
        var packets = source.journey(4000)
        let start = packets[0].arrival + 400_000_000
        for index in packets.indices {
            packets[index].arrival = max(packets[index].arrival, start + Int64(index) * 300_000)
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<4000))
        #expect(bench.context.counters[.underruns] == 0)
        for index in stride(from: 1100, to: 4000, by: 100) {
            #expect(abs(delay(bench, index, source) - 203_000_000) < 3_000_000, "\(index)")
        }
    }

    @Test func aLongChangeOfRouteIsOneStep() throws {
        var source = SteadySource(seed: 4)
        var packets = source.journey(20_000)
        for index in packets.indices where packets[index].sequence >= 10_000 {
            packets[index].arrival += 150_000_000
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<20_000))
        #expect(abs(delay(bench, 19_999, source) - 353_000_000) < 2_000_000)
        #expect(bench.context.counters[.underruns] <= 1)
    }

    @Test(arguments: [1 << 30, -(1 << 30), 200_000, -200_000] as [Int64])
    func aJumpOfTheTimestampsIsTakenOut(jump: Int64) throws {
        var source = SteadySource(seed: 5)
        var packets = source.journey(20_000)
        for index in packets.indices where packets[index].sequence >= 10_000 {
            packets[index].timestamp += jump
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<20_000))
        #expect(bench.context.counters[.discontinuities] == 1)
        #expect(bench.context.counters[.underruns] == 0)
        for index in stride(from: 0, to: 20_000, by: 100) {
            #expect(abs(delay(bench, index, source) - 203_000_000) < 22_000_000)
        }
    }

    @Test func oneDamagedTimestampHarmsNothing() throws {
        var source = SteadySource(seed: 6)
        var random = PRNG(seed: 7)
        var packets = source.journey(20_000)
        for index in packets.indices where random.chance(1, in: 100) {
            packets[index].timestamp = Int64(UInt32(truncatingIfNeeded: random.next()))
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<20_000))
        #expect(bench.context.counters[.discontinuities] == 0)
        let deviations = bench.unevenness(skipping: 0, of: source)
        #expect(deviations[deviations.count * 95 / 100] <= 100_000)
        #expect(abs(delay(bench, 19_900, source) - 203_000_000) < 22_000_000)
    }

    @Test func anotherSourceGoesOnAtTheSameLatency() throws {
        var source = SteadySource(seed: 8, drift: 50)
        let old = source.journey(8000)
        var packets = old
        let end = source.sent(8000 * source.interval)
        var other = SteadySource(seed: 9, drift: -80)
        for packet in other.journey(16_000) {
            packets.append(
                Sent(
                    sequence: packet.sequence + 40_000, timestamp: packet.timestamp + 77_777_777,
                    arrival: packet.arrival - 1_000_000_000 + end, epoch: 1))
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<8000) + Array(40_000..<56_000))
        #expect(bench.context.counters[.lost] == 0 && bench.context.counters[.underruns] == 0)
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] + 80_000) < 3000)
        let last =
            bench.seen[23_999].instant.nanoseconds - end + 1_000_000_000 - other.sent(15_999 * other.interval)
        #expect(abs(last - 203_000_000) < 22_000_000)
    }

    @Test func aStallOfTheNetworkEndsOnSchedule() throws {
        var source = SteadySource(seed: 10)
        var packets = source.journey(20_000)
        // For 500 ms nothing comes; then all of it at once, at 100 µs a packet.
        let start: Int64 = 9_000_000_000
        var next = start + 500_000_000
        for index in packets.indices where packets[index].arrival >= start && packets[index].arrival < next {
            packets[index].arrival = next
            next += 100_000
        }
        let bench = try play(packets)
        // Of the packets on the way when the stall began, a few were overtaken by some that were played
        // before it ended.
        let lost = 20_000 - bench.seen.count
        #expect(lost < 20)
        #expect(bench.context.counters[.lost] == lost && bench.context.counters[.late] == lost)
        #expect((1...3).contains(bench.context.counters[.underruns]))
        for index in 8000..<bench.seen.count where index % 50 == 0 {
            #expect(abs(delay(bench, index, source) - 203_000_000) < 1_500_000, "\(index)")
        }
    }

    @Test func aPauseOfTheSourceEndsAtTheSameLatency() throws {
        var source = SteadySource(seed: 11)
        var packets = source.journey(20_000)
        for index in packets.indices where packets[index].sequence >= 10_000 {
            packets[index].arrival += 3_000_000_000
        }
        let bench = try play(packets)
        #expect(bench.seen.map(\.sequence) == Array(0..<20_000))
        #expect(bench.context.counters[.underruns] == 1)
        for index in stride(from: 10_300, to: 20_000, by: 100) {
            #expect(
                abs(delay(bench, index, source, pause: 3_000_000_000) - 203_000_000) < 1_500_000, "\(index)")
        }
    }

    @Test(arguments: [1, 7])
    func tinyBatchesAndPoolsLoseNothing(batch: Int) throws {
        var source = SteadySource(seed: 12)
        let bench = try play(source.journey(3000), batch: batch, slots: 200)
        #expect(bench.seen.map(\.sequence) == Array(0..<3000))
    }

    @Test func hostileTimestampsAndNumbersNeverTrap() throws {
        let bench = try StageBench(JitterStage(latency: .milliseconds(20), capacity: 256), slots: 2000)
        var random = PRNG(seed: 13)
        var last = Int64.min
        var now: Int64 = 0
        var outCount = 0
        bench.sink = { _, instant in
            if instant.nanoseconds < last { outCount = .min }
            last = instant.nanoseconds
            outCount += 1
        }
        for index in 0..<60_000 as Range<Int64> {
            now += Int64(random.below(1_500_000))
            let isWild = random.chance(1, in: 3)
            try bench.give(
                isWild ? Int64(bitPattern: random.next()) >> Int64(random.below(60)) : index,
                at: Instant(nanoseconds: now),
                epoch: random.chance(1, in: 1000) ? UInt32(random.below(9)) : 3,
                timestamp: UInt32(truncatingIfNeeded: isWild ? random.next() : UInt64(now) * 9 / 100_000))
        }
        try bench.finish()
        let counters = bench.context.counters
        #expect(outCount + counters[.late] + counters[.duplicates] + counters[.malformed] == 60_000)
        #expect(bench.pool.usedCount == 0)
    }
}
