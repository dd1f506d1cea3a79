import FreshetCore
import FreshetStages
import Testing

/// Playout of a bare transport stream, by its clock references.
@Suite struct TransportQueueTests {
    /// Ticks of 27 MHz that a datagram of seven TS packets takes at 8 Mbit/s.
    private let ticksPerDatagram: Int64 = 35_532
    private let modulus: Int64 = (1 << 33) * 300

    /// A constant-rate stream of `count` datagrams over an ordered link with jitter, into a stage of 200 ms;
    /// the instants at which they came out. `reference` says what PCR the TS packet at an index has, and
    /// whether under a discontinuity indicator.
    private func play(
        _ count: Int, drift: Int64 = 0, jitter: Nanoseconds = .milliseconds(20),
        reference: (_ index: Int, _ ticks: Int64) -> (pcr: Int64, isJump: Bool)?
    ) throws -> (bench: StageBench<JitterStage>, instants: [Int64]) {
        let bench = try StageBench(JitterStage(latency: .milliseconds(200)), slots: 1024, slotByteCount: 1536)
        var instants: [Int64] = []
        bench.sink = { packet, now in
            #expect(packet.byteCount == 1316)
            instants.append(now.nanoseconds)
        }
        let source = SteadySource(seed: 1, drift: drift)
        var configuration = LinkModel.Configuration()
        configuration.jitter = jitter
        configuration.isOrdered = true
        var link = LinkModel(configuration, seed: 2)
        for index in 0..<count {
            let sent = Instant(nanoseconds: source.sent(Int64(index) * ticksPerDatagram))
            guard case .delivered(let arrival, _, _) = link.decide(now: sent, byteCount: 1316) else {
                continue
            }
            try bench.give(at: arrival) { packet in
                packet.append(byteCount: 1316) { bytes in
                    for part in 0..<7 {
                        let number = index * 7 + part
                        let found = reference(number, Int64(number) * ticksPerDatagram / 7)
                        write(&bytes, at: part * 188, number, found)
                    }
                }
            }
        }
        try bench.finish()
        return (bench, instants)
    }

    private func write(
        _ bytes: inout MutableRawSpan, at start: Int, _ number: Int, _ found: (pcr: Int64, isJump: Bool)?
    ) {
        var head: [UInt8] = [0x47, 0x01, 0x00, 0x10 | UInt8(number & 15)]
        if let found {
            let base = UInt64(found.pcr % modulus / 300)
            let extra = UInt64(found.pcr % modulus % 300)
            head[3] = 0x30 | UInt8(number & 15)
            head += [7, found.isJump ? 0x90 : 0x10]
            let field = base << 15 | 0x7E00 | extra
            for shift in stride(from: 40, through: 0, by: -8) {
                head.append(UInt8(truncatingIfNeeded: field >> shift))
            }
        }
        for (offset, byte) in head.enumerated() {
            bytes.storeBytes(of: byte, toByteOffset: start + offset, as: UInt8.self)
        }
    }

    /// Every 200 TS packets (38 ms) a reference, from `start` on.
    private func regular(_ start: Int64) -> (Int, Int64) -> (pcr: Int64, isJump: Bool)? {
        { number, ticks in number % 200 == 37 ? (start + ticks, false) : nil }
    }

    private func deviations(_ instants: [Int64], skipping count: Int) -> [Int64] {
        (count..<instants.count).map { abs(instants[$0] - instants[$0 - 1] - 1_316_000) }.sorted()
    }

    @Test(arguments: [-100, 0, 100] as [Int64])
    func playoutFollowsTheClockReferences(drift: Int64) throws {
        // Wraps at 33 bits after a second.
        let (bench, instants) = try play(20_000, drift: drift, reference: regular(modulus - 27_000_000))
        #expect(instants.count == 20_000)
        let deviations = deviations(instants, skipping: 300)
        #expect(deviations[deviations.count / 2] <= 10_000)
        #expect(deviations[deviations.count * 99 / 100] <= 100_000)
        // An ordered link in which every packet may take 20 ms is nearly never empty: its floor is seldom
        // seen.
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] - Int(drift) * 1000) < 100_000)
        #expect(bench.context.counters[.discontinuities] == 0)
    }

    @Test(arguments: [-100, 0, 100] as [Int64])
    func theClockIsRecoveredFromReferences(drift: Int64) throws {
        let (bench, _) = try play(8000, drift: drift, jitter: .milliseconds(1), reference: regular(0))
        #expect(abs(bench.context.counters[.clockDriftPartsPerBillion] - Int(drift) * 1000) < 5000)
    }

    @Test(arguments: [true, false])
    func aJumpOfTheClockIsTakenOut(isMarked: Bool) throws {
        let (bench, instants) = try play(10_000) { number, ticks in
            guard number % 200 == 37 else { return nil }
            let isAfter = number > 35_000
            return (ticks + (isAfter ? 9_000_000_000 : 0), isMarked && isAfter && number < 35_200)
        }
        #expect(instants.count == 10_000)
        #expect(bench.context.counters[.discontinuities] == 1)
        let deviations = deviations(instants, skipping: 300)
        #expect(deviations[deviations.count * 99 / 100] <= 100_000)
        #expect(bench.context.counters[.underruns] == 0)
    }

    @Test func withoutReferencesEveryDatagramIsDelayedAlike() throws {
        let (bench, instants) = try play(2000) { _, _ in nil }
        #expect(instants.count == 2000)
        #expect(abs(bench.context.counters[.latencyNanoseconds] - 200_000_000) < 1_000_000)
    }

    @Test func whenReferencesStopTheStreamGoesOn() throws {
        let (_, instants) = try play(10_000) { number, ticks in
            number % 200 == 37 && !(20_000...40_000).contains(number) ? (ticks, false) : nil
        }
        #expect(instants.count == 10_000)
        #expect(zip(instants, instants.dropFirst()).allSatisfy { $1 - $0 < 60_000_000 })
    }
}
