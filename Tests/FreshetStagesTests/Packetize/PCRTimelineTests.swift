import FreshetCore
import FreshetStages
import Testing

/// What a packetizer makes of clocks that wrap, jump, change, fall silent or never were.
@Suite struct PCRTimelineTests {
    private static let modulus: Int64 = (1 << 33) * 300

    private func packetize(
        _ stream: MadeStream, _ configuration: TSPacketizer.Configuration = .init(),
        drive: PacketizerDrive = .init(), check: (borrowing TSPacketizer) -> Void = { _ in }
    ) -> Packetized {
        var packetizer = TSPacketizer(configuration)
        let made = drive.run(stream.bytes, through: &packetizer)
        #expect(made.bytes == stream.bytes)
        #expect(zip(made.infos, made.infos.dropFirst()).allSatisfy { $0.mediaTime <= $1.mediaTime })
        check(packetizer)
        return made
    }

    /// The times are those of a constant rate from the first datagram on, to `tolerance` ticks.
    private func expectConstant(_ made: Packetized, bitRate: Int64, tolerance: Int64 = 1) {
        guard let origin = made.infos.first?.mediaTime.ticks else { return }
        var worst: Int64 = 0
        for (info, position) in zip(made.infos, made.positions) {
            let ideal = MadeStream.ticks(position, at: bitRate)
            worst = max(worst, abs(info.mediaTime.ticks - origin - ideal))
        }
        #expect(worst <= tolerance + 1)
    }

    @Test func theWrapAt33BitsLeavesNoTrace() {
        var stream = MadeStream(seed: 10)
        stream.constant(100_000, bitRate: 20_000_000, spacing: 100, origin: Self.modulus - 100_000_000)
        let made = packetize(stream) { #expect($0.jumpCount == 0) }
        expectConstant(made, bitRate: 20_000_000)
        #expect(made.infos.last.map { $0.mediaTime.ticks > Self.modulus } == true)
    }

    @Test(arguments: [3600, -3600, 2, -1, 40_000] as [Int64])
    func aJumpOfTheClockIsTakenOut(seconds: Int64) {
        let bitRate: Int64 = 6_000_000
        var stream = MadeStream(seed: 11)
        stream.constant(20_000, bitRate: bitRate, spacing: 80, origin: 90_000_000)
        stream.constant(20_000, bitRate: bitRate, spacing: 80, origin: 90_000_000 + seconds * 27_000_000)
        let made = packetize(stream) { #expect($0.jumpCount == 1) }
        expectConstant(made, bitRate: bitRate, tolerance: 3)
        let marked = made.headers.indices.filter { made.headers[$0].marker }
        #expect(marked == [20_000 / 7])
        #expect(made.infos[20_000 / 7].flags.contains(.isDiscontinuity))
    }

    @Test func aDiscontinuityIndicatorIsAJumpHoweverSmall() {
        let bitRate: Int64 = 6_000_000
        var stream = MadeStream(seed: 12)
        stream.constant(8_000, bitRate: bitRate, spacing: 80)
        let shift: Int64 = 500_000
        let here = MadeStream.ticks(stream.position, at: bitRate)
        stream.reference(pid: 256, ticks: here + shift, isDiscontinuity: true)
        stream.constant(7_999, bitRate: bitRate, spacing: 79, origin: shift)
        let made = packetize(stream) { #expect($0.jumpCount == 1) }
        expectConstant(made, bitRate: bitRate, tolerance: 3)
    }

    @Test func manyJumpsAndWrapsKeepTheLine() {
        let bitRate: Int64 = 15_000_000
        var random = PRNG(seed: 13)
        var stream = MadeStream(seed: 13)
        for _ in 0..<60 {
            let origin = Int64(random.below(UInt64(Self.modulus)))
            stream.constant(1_000 + Int(random.below(2_000)), bitRate: bitRate, spacing: 90, origin: origin)
        }
        let made = packetize(stream) { #expect($0.jumpCount > 50) }
        expectConstant(made, bitRate: bitRate, tolerance: 200)
    }

    @Test func variableRateFollowsEveryReference() {
        var random = PRNG(seed: 14)
        var stream = MadeStream(seed: 14)
        var knots: [(position: Int64, ticks: Int64)] = []
        for step in 0..<800 as Range<Int64> {
            let ticks = 50_000_000 + step * 27_000 * 35
            knots.append((stream.position, ticks))
            stream.reference(pid: 33, ticks: ticks)
            // From 43 kbit/s to 60 Mbit/s.
            let count = random.chance(1, in: 12) ? 1_400 : Int(random.below(60))
            for _ in 0..<count { stream.payload(pid: 34) }
        }
        let made = packetize(stream) { #expect($0.jumpCount == 0 && $0.guessCount <= 1) }
        var index = 0
        for (info, position) in zip(made.infos, made.positions) {
            while index + 1 < knots.count, knots[index + 1].position <= position { index += 1 }
            guard index + 1 < knots.count else { break }
            let (from, to) = (knots[index], knots[index + 1])
            let share = (position - from.position) * (to.ticks - from.ticks)
            let ideal = from.ticks + share / (to.position - from.position)
            #expect(abs(info.mediaTime.ticks - ideal) <= 1)
        }
    }

    @Test func aDatagramCanStandWhereItsReferenceDoes() {
        let bitRate: Int64 = 8_000_000
        var stream = MadeStream(seed: 19)
        // Every reference at another place in its datagram.
        stream.constant(20_000, bitRate: bitRate, spacing: 53, origin: 5_000_000)
        var configuration = TSPacketizer.Configuration()
        configuration.anchor = .reference
        let made = packetize(stream, configuration)
        for (info, position) in zip(made.infos, made.positions) {
            let first = position / 188
            let reference = (first + 52) / 53 * 53
            let hasReference = reference < first + 7
            #expect(info.flags.contains(.hasClockReference) == hasReference || reference >= 20_000)
            let ideal = 5_000_000 + MadeStream.ticks((hasReference ? reference : first) * 188, at: bitRate)
            if abs(info.mediaTime.ticks - ideal) > 1 { #expect(info.mediaTime.ticks == ideal) }
        }
    }

    @Test func beforeTheFirstReferenceItsRateCountsBackwards() {
        var stream = MadeStream(seed: 15)
        for _ in 0..<500 { stream.payload(pid: 256) }
        stream.constant(5_000, bitRate: 4_000_000, spacing: 60, origin: 1_000_000)
        let made = packetize(stream)
        expectConstant(made, bitRate: 4_000_000, tolerance: 40)
    }

    @Test func afterTheLastReferenceTheRateGoesOn() {
        var stream = MadeStream(seed: 16)
        stream.constant(5_001, bitRate: 4_000_000, spacing: 50)
        for _ in 0..<1_000 { stream.payload(pid: 256) }
        expectConstant(packetize(stream), bitRate: 4_000_000, tolerance: 3)
    }

    @Test func anotherClockTakesOverWhenTheFirstFallsSilent() {
        let bitRate: Int64 = 5_000_000
        var stream = MadeStream(seed: 17)
        // Two programmes with clocks of their own.
        for index in 0..<30_000 {
            let ticks = MadeStream.ticks(stream.position, at: bitRate)
            if index % 40 == 0, index < 10_000 {
                stream.reference(pid: 100, ticks: 77_000_000 + ticks)
            } else if index % 40 == 20 {
                stream.reference(pid: 200, ticks: 999_000_000_000 + ticks)
            } else {
                stream.payload(pid: 300)
            }
        }
        let made = packetize(stream) { #expect($0.jumpCount == 1) }
        expectConstant(made, bitRate: bitRate, tolerance: 20)
    }

    @Test func theFirstProgrammesClockIsPreferred() {
        let bitRate: Int64 = 5_000_000
        var stream = MadeStream(seed: 18)
        stream.programmes([(0, 16), (7, 1000), (8, 1001)])
        stream.map(pid: 1001, clockPID: 200)
        stream.map(pid: 1000, clockPID: 100)
        for index in 0..<5_000 {
            let ticks = MadeStream.ticks(stream.position, at: bitRate)
            if index % 40 == 5 {
                // The second programme's clock runs away by a tenth.
                stream.reference(pid: 200, ticks: ticks + ticks / 10)
            } else if index % 40 == 20 {
                stream.reference(pid: 100, ticks: 77_000_000 + ticks)
            } else {
                stream.payload(pid: 300)
            }
        }
        let made = packetize(stream)
        expectConstant(made, bitRate: bitRate, tolerance: 3)
    }

    @Test func withoutReferencesTheVideosTimesAreTheClock() {
        var stream = MadeStream(seed: 19)
        var frames: [(position: Int64, ticks: Int64)] = []
        for frame in 0..<250 as Range<Int64> {
            if frame % 3 == 0 { stream.unit(pid: 301, streamID: 0xC0, pts: 900_000 + frame * 3_600) }
            frames.append((stream.position, (frame - 1) * 40 * 27_000))
            let pts = (Int64(1) << 33) - 90_000 + frame * 3_600
            stream.unit(pid: 300, streamID: 0xE0, pts: pts, isRandomAccess: frame % 25 == 0)
            for _ in 0..<80 { stream.payload(pid: 300) }
        }
        let made = packetize(stream)
        // Each frame takes its 40 ms.
        let whole = (made.infos.last?.mediaTime.ticks ?? 0) - (made.infos.first?.mediaTime.ticks ?? 0)
        #expect(abs(whole - 250 * 40 * 27_000) < 40 * 27_000)
        for (info, position) in zip(made.infos, made.positions) {
            guard let frame = frames.last(where: { $0.position <= position }) else { continue }
            let origin = made.infos[0].mediaTime.ticks
            #expect(abs(info.mediaTime.ticks - origin - frame.ticks) < 3 * 40 * 27_000)
        }
        #expect(made.infos.filter { $0.flags.contains(.isKeyframe) }.count == 10)
    }

    @Test func withoutAnyClockTheStatedRateHolds() {
        var stream = MadeStream(seed: 20)
        for _ in 0..<20_000 { stream.payload(pid: 300) }
        var configuration = TSPacketizer.Configuration()
        configuration.fallbackBitRate = 3_000_000
        expectConstant(packetize(stream, configuration), bitRate: 3_000_000, tolerance: 30)
    }

    @Test func aFrozenClockIsASilentOne() {
        var stream = MadeStream(seed: 21)
        for index in 0..<9_000 {
            if index % 50 == 0 {
                stream.reference(pid: 256, ticks: 1_000_000)
            } else {
                stream.payload(pid: 300)
            }
        }
        var configuration = TSPacketizer.Configuration()
        configuration.fallbackBitRate = 3_000_000
        expectConstant(packetize(stream, configuration), bitRate: 3_000_000, tolerance: 30)
    }

    @Test func mutatedStreamsComeOutWholeAndInOrder() {
        for seed in 100..<140 as Range<UInt64> {
            var random = PRNG(seed: seed)
            var stream = MadeStream(seed: seed)
            let bitRate = Int64(200_000 + random.below(60_000_000))
            stream.constant(1_500, bitRate: bitRate, spacing: 1 + Int(random.below(150)))
            for _ in 0..<random.below(30) {
                let place = Int(random.below(UInt64(stream.bytes.count)))
                switch random.below(4) {
                case 0: stream.bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: stream.bytes.remove(at: place)
                case 2: stream.bytes.insert(0x47, at: place)
                default: stream.bytes.removeSubrange(place..<min(place + 188 * 3, stream.bytes.count))
                }
            }
            var drive = PacketizerDrive()
            drive.seed = seed
            drive.poolCount = 16 + Int(random.below(100))
            drive.inputCapacity = 1 + Int(random.below(5))
            drive.outputCapacity = 1 + Int(random.below(5))
            drive.cut = { Int($0.below(1_900)) + 1 }
            _ = packetize(stream, drive: drive)
        }
    }
}
