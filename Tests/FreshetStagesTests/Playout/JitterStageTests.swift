import FreshetCore
import FreshetStages
import Testing

/// A packet on its way to a stage under test.
struct Sent {
    var sequence: Int64
    var timestamp: Int64
    var arrival: Int64
    var epoch: UInt32 = 0
}

extension SteadySource {
    /// `count` packets in the order of their arrival.
    mutating func journey(_ count: Int) -> [Sent] {
        var sent: [Sent] = []
        for _ in 0..<count {
            let sequence = index
            let (timestamp, arrival) = next()
            sent.append(Sent(sequence: sequence, timestamp: timestamp, arrival: arrival.nanoseconds))
        }
        return sent.sorted { ($0.arrival, $0.sequence) < ($1.arrival, $1.sequence) }
    }
}

extension StageBench where Body: ~Copyable {
    /// Gives the stage packets at their arrivals; `offset` is added to the timestamps, which then wrap at 32
    /// bits.
    func give(_ packets: [Sent], offset: UInt32 = 0) throws {
        for packet in packets {
            try give(
                packet.sequence, at: Instant(nanoseconds: packet.arrival), epoch: packet.epoch,
                mark: UInt64(bitPattern: packet.sequence),
                timestamp: UInt32(truncatingIfNeeded: packet.timestamp) &+ offset)
        }
    }

    /// Deviation of each interval between two packets given out from the source's own, in nanoseconds,
    /// sorted.
    func unevenness(skipping count: Int, of source: SteadySource) -> [Int64] {
        var deviations: [Int64] = []
        for index in max(1, count)..<seen.count {
            let given = seen[index].instant.nanoseconds - seen[index - 1].instant.nanoseconds
            let ideal =
                source.sent(seen[index].sequence * source.interval)
                - source.sent(seen[index - 1].sequence * source.interval)
            deviations.append(abs(given - ideal))
        }
        return deviations.sorted()
    }
}

@Suite struct JitterStageTests {
    @Test(arguments: [-100, 0, 100] as [Int64])
    func playoutIsEvenWhateverTheJitter(drift: Int64) throws {
        var source = SteadySource(seed: 3, drift: drift)
        let bench = try StageBench(JitterStage(latency: .milliseconds(100)))
        let packets = source.journey(20_000)
        try bench.give(packets, offset: 0xFFFF_0000)
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == Array(0..<20_000))
        let deviations = bench.unevenness(skipping: 0, of: source)
        // Timestamps of 90 kHz are 11 µs apart: the rounding is the source's own.
        #expect(deviations[deviations.count / 2] <= 10_000)
        #expect(deviations[deviations.count * 99 / 100] <= 100_000)
        #expect(deviations[deviations.count - 1] <= 100_000)
        for seen in bench.seen {
            let latency = seen.instant.nanoseconds - source.sent(seen.sequence * source.interval)
            #expect(abs(latency - 103_000_000) < 1_500_000)
        }
        #expect(bench.context.counters[.lost] == 0)
        #expect(bench.context.counters[.underruns] == 0)
        #expect(bench.context.counters[.discontinuities] == 0)
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] - Int(drift) * 1000) < 2000)
    }

    @Test func aBatchSavesWakeUpsAndIsEarlyByNoMore() throws {
        var source = SteadySource(seed: 4)
        let packets = source.journey(10_000)
        let even = try StageBench(JitterStage(latency: .milliseconds(100)))
        let batched = try StageBench(JitterStage(latency: .milliseconds(100), batch: .milliseconds(10)))
        try even.give(packets)
        try batched.give(packets)
        try even.finish()
        try batched.finish()
        #expect(batched.seen.map(\.sequence) == Array(0..<10_000))
        let early = zip(even.seen, batched.seen).map { ($0.instant - $1.instant).count }
        #expect(early.allSatisfy { $0 >= -100_000 && $0 <= 10_100_000 })
        #expect(Set(batched.seen.map(\.instant)).count < 1600)
    }

    @Test(arguments: [true, false])
    func whenAskedToEndNothingIsHeldBack(isNumbered: Bool) throws {
        let bench = try StageBench(JitterStage(latency: .milliseconds(500)), batch: 4)
        for index in 0..<50 as Range<Int64> where index != 20 {
            try bench.give(at: milliseconds(index)) { packet in
                packet.info.extendedSequence = index
                packet.info.rtpTimestamp = UInt32(index * 90)
                packet.info.flags = isNumbered ? .hasSequence : []
                packet.append(byteCount: 188) { _ in }
            }
        }
        bench.context.isStopping = true
        try bench.finish()
        #expect(bench.seen.map(\.sequence) == (0..<50).filter { $0 != 20 })
        #expect(bench.context.now == milliseconds(49))
    }

    @Test(arguments: [-100, 100] as [Int64])
    func hoursOfDriftNeitherEmptyNorFillTheBuffer(drift: Int64) throws {
        // An hour at 20 packets a second: the clocks are 360 ms apart at the end.
        var source = SteadySource(seed: 6, drift: drift)
        source.interval = 27_000_000 / 20
        let bench = try StageBench(JitterStage(latency: .milliseconds(100)))
        let packets = source.journey(72_000 * testScale)
        try bench.give(packets, offset: 0xFFFF_FFFF)
        try bench.finish()
        #expect(bench.seen.count == packets.count)
        #expect(bench.context.counters[.underruns] == 0 && bench.context.counters[.lost] == 0)
        var worst: Int64 = 0
        for index in stride(from: 2000, to: bench.seen.count, by: 10) {
            let seen = bench.seen[index]
            let latency = seen.instant.nanoseconds - source.sent(seen.sequence * source.interval)
            worst = max(worst, abs(latency - 103_000_000))
        }
        #expect(worst < 2_000_000)
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] - Int(drift) * 1000) < 5000)
    }
}
