import FreshetCore
import FreshetStages
import Testing

@Suite struct TSPacketizerTests {
    @Test func sevenPacketsMakeADatagramWithAnRTPHeader() {
        var stream = MadeStream(seed: 1)
        stream.constant(70, bitRate: 8_000_000, spacing: 20)
        var configuration = TSPacketizer.Configuration()
        configuration.ssrc = 0xABCD_0002
        configuration.firstSequence = 65_530
        configuration.timestampOffset = 0xFFFF_FF00
        var packetizer = TSPacketizer(configuration)
        let made = PacketizerDrive().run(stream.bytes, through: &packetizer)
        #expect(made.bytes == stream.bytes)
        #expect(made.headers.count == 10)
        for (index, header) in made.headers.enumerated() {
            let info = made.infos[index]
            #expect(header.payloadType == 33)
            #expect(header.ssrc == 0xABCD_0002)
            #expect(header.sequenceNumber == UInt16(truncatingIfNeeded: 65_530 + index))
            #expect(header.payloadByteCount == 1316)
            #expect(info.extendedSequence == Int64(65_530 + index))
            #expect(info.headerByteCount == 12)
            #expect(info.flags.isSuperset(of: [.hasSequence, .hasMediaTime]))
            #expect(!header.marker)
            let expected = 0xFFFF_FF00 &+ UInt32(truncatingIfNeeded: info.mediaTime.ticks90k)
            #expect(header.timestamp == expected)
        }
    }

    @Test(arguments: [200_000, 3_000_000, 19_392_658, 60_000_000] as [Int64])
    func constantRateTimesAreExactToTheTick(bitRate: Int64) {
        var stream = MadeStream(seed: 2)
        // A reference every 30 ms or so.
        let spacing = max(1, Int(bitRate / 8 * 30 / 1000 / 188))
        stream.constant(30_000, bitRate: bitRate, spacing: spacing, origin: 123_456_789)
        var packetizer = TSPacketizer(TSPacketizer.Configuration())
        let made = PacketizerDrive().run(stream.bytes, through: &packetizer)
        #expect(made.bytes == stream.bytes)
        #expect(packetizer.jumpCount == 0)
        for (info, position) in zip(made.infos, made.positions) {
            let ideal = 123_456_789 + MadeStream.ticks(position, at: bitRate)
            #expect(abs(info.mediaTime.ticks - ideal) <= 1)
        }
    }

    @Test func everyCutGivesTheSameDatagrams() {
        var stream = MadeStream(seed: 3)
        stream.constant(9_001, bitRate: 5_000_000, spacing: 55)
        var whole = TSPacketizer(TSPacketizer.Configuration())
        let expected = PacketizerDrive().run(stream.bytes, through: &whole)
        for seed in 1...6 as ClosedRange<UInt64> {
            var packetizer = TSPacketizer(TSPacketizer.Configuration())
            var drive = PacketizerDrive()
            drive.seed = seed
            let largest = [1, 7, 188, 300, 1315, 1900][Int(seed) - 1]
            drive.cut = { Int($0.below(UInt64(largest))) + 1 }
            let made = drive.run(stream.bytes, through: &packetizer)
            #expect(made.bytes == stream.bytes)
            #expect(made.headers == expected.headers)
            #expect(made.infos.map(\.mediaTime) == expected.infos.map(\.mediaTime))
        }
    }
}

/// Bytes that are not whole packets, little room, and input that stays away.
@Suite struct TSPacketizerRoomTests {
    @Test func strayBytesTravelInTheirPlace() {
        var random = PRNG(seed: 5)
        var stream = MadeStream(seed: 5)
        var bytes: [UInt8] = (0..<777).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        stream.constant(3_000, bitRate: 4_000_000, spacing: 50)
        bytes += stream.bytes[0..<(1_000 * 188)]
        // A hole in a packet, and an insertion between two.
        bytes += stream.bytes[(1_000 * 188 + 60)..<(2_000 * 188)]
        bytes += [1, 2, 3, 0x47, 5]
        bytes += stream.bytes[(2_000 * 188)...]
        bytes += stream.bytes[0..<100]
        var packetizer = TSPacketizer(TSPacketizer.Configuration())
        var drive = PacketizerDrive()
        drive.cut = { Int($0.below(1500)) + 1 }
        let made = drive.run(bytes, through: &packetizer)
        #expect(made.bytes == bytes)
        #expect(packetizer.alignmentLossCount == 3)
        #expect(packetizer.strayByteCount == 777 + 128 + 5 + 100)
        #expect(made.headers.last?.payloadByteCount == 100)
        // A whole datagram begins with a packet and holds nothing else.
        let odd = made.headers.filter { $0.payloadByteCount % 188 != 0 }
        #expect(odd.count <= 5)
    }

    @Test func tinyInputsComeOutWhole() {
        for count in [0, 1, 187, 188, 189, 376, 1_315, 1_316, 1_317] {
            var stream = MadeStream(seed: 6)
            stream.constant(8, bitRate: 1_000_000, spacing: 3)
            let bytes = Array(stream.bytes[0..<count])
            var packetizer = TSPacketizer(TSPacketizer.Configuration())
            let made = PacketizerDrive().run(bytes, through: &packetizer)
            #expect(made.bytes == bytes)
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7])
    func fewerPacketsToADatagram(count: Int) {
        var stream = MadeStream(seed: 7)
        stream.constant(1_000, bitRate: 2_000_000, spacing: 30)
        var configuration = TSPacketizer.Configuration()
        configuration.packetsPerDatagram = count
        var packetizer = TSPacketizer(configuration)
        let made = PacketizerDrive().run(stream.bytes, through: &packetizer)
        #expect(made.bytes == stream.bytes)
        #expect(made.headers.dropLast().allSatisfy { $0.payloadByteCount == count * 188 })
    }

    @Test(arguments: [(4, 1, 1), (6, 2, 1), (16, 4, 3), (64, 60, 2), (200, 32, 64)])
    func aSmallPoolDelaysButLosesNothing(poolCount: Int, input: Int, output: Int) {
        var stream = MadeStream(seed: 8)
        // 570 datagrams from one reference to the next: 100 ms at 60 Mbit/s.
        stream.constant(12_000, bitRate: 60_000_000, spacing: 4_000)
        for cut in [1316, 1000] {
            var packetizer = TSPacketizer(TSPacketizer.Configuration())
            var drive = PacketizerDrive()
            drive.poolCount = poolCount
            drive.inputCapacity = input
            drive.outputCapacity = output
            drive.step = .milliseconds(1)
            drive.cut = { _ in cut }
            let made = drive.run(stream.bytes, through: &packetizer)
            #expect(made.bytes == stream.bytes)
            #expect(zip(made.infos, made.infos.dropFirst()).allSatisfy { $0.mediaTime <= $1.mediaTime })
        }
    }

    @Test func theHoldLimitHolds() {
        var stream = MadeStream(seed: 9)
        stream.constant(9_000, bitRate: 60_000_000, spacing: 4_500)
        var configuration = TSPacketizer.Configuration()
        configuration.holdLimit = 100
        var packetizer = TSPacketizer(configuration)
        let made = PacketizerDrive().run(stream.bytes, through: &packetizer)
        #expect(made.bytes == stream.bytes)
        #expect(packetizer.guessCount > 5)
    }

    @Test func liveInputIsNotHeldForAReferenceThatDoesNotCome() {
        var stream = MadeStream(seed: 10)
        stream.constant(141, bitRate: 2_000_000, spacing: 20)
        for _ in 0..<10 { stream.payload(pid: 256) }
        var packetizer = TSPacketizer(TSPacketizer.Configuration())
        let pool = PacketPool(slotCount: 64)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var output = PacketBatch(capacity: 64)
        var made = Packetized()
        let taken = stream.bytes.withUnsafeBytes {
            packetizer.take(RawSpan(_unsafeBytes: $0), arrival: context.now, context: &context)
        }
        #expect(taken == stream.bytes.count)
        packetizer.advance(into: &output, context: &context)
        while let packet = output.popFirst() { made.add(packet) }
        #expect(made.bytes.count == 21 * 1316)
        let deadline = packetizer.nextDeadline
        #expect(deadline == context.now + .milliseconds(250))
        context.now = context.now + .milliseconds(250)
        packetizer.advance(into: &output, context: &context)
        while let packet = output.popFirst() { made.add(packet) }
        #expect(made.bytes == stream.bytes)
        #expect(packetizer.nextDeadline == nil)
        for (info, position) in zip(made.infos, made.positions) {
            #expect(abs(info.mediaTime.ticks - MadeStream.ticks(position, at: 2_000_000)) <= 2)
        }
    }

    @Test func arrivalsAsTheClockHoldNothingAndKeepTheCut() {
        var stream = MadeStream(seed: 11)
        stream.constant(60, bitRate: 2_000_000, spacing: 20)
        var configuration = TSPacketizer.Configuration()
        configuration.clock = .arrival
        var packetizer = TSPacketizer(configuration)
        let pool = PacketPool(slotCount: 16)
        var context = StageContext(pool: pool, random: PRNG(seed: 1), now: Instant(nanoseconds: 5_000))
        var input = PacketBatch(capacity: 4)
        var output = PacketBatch(capacity: 4)
        var made = Packetized()
        let cuts = [188 * 7, 188 * 3, 188, 188 * 7, 188 * 7, 100]
        var offset = 0
        for cut in cuts {
            guard var packet = pool.allocate() else { break }
            stream.bytes.withUnsafeBytes {
                packet.append(
                    RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + cut])))
            }
            context.now = context.now + .milliseconds(3)
            packet.info.arrival = context.now
            input.append(packet)
            packetizer.process(&input, into: &output, context: &context)
            #expect(output.count == 1)
            while let packet = output.popFirst() { made.add(packet) }
            offset += cut
        }
        #expect(made.bytes == Array(stream.bytes[0..<offset]))
        #expect(made.headers.map(\.payloadByteCount) == cuts)
        #expect(made.infos.map(\.mediaTime.ticks) == (0..<6).map { Int64($0) * 81_000 })
    }

    @Test func packetsThatAreRTPAlreadyPassUntouched() {
        var packetizer = TSPacketizer(TSPacketizer.Configuration())
        let pool = PacketPool(slotCount: 16)
        var context = StageContext(pool: pool, random: PRNG(seed: 1))
        var input = PacketBatch(capacity: 4)
        var output = PacketBatch(capacity: 4)
        guard var packet = pool.allocate() else { return }
        packet.append(byteCount: 200) { $0.storeBytes(of: 0x80, as: UInt8.self) }
        packet.info.flags = [.hasSequence]
        packet.info.extendedSequence = 77
        input.append(packet)
        packetizer.process(&input, into: &output, context: &context)
        #expect(output.count == 1)
        #expect(output[0].byteCount == 200)
        #expect(output[0].info.extendedSequence == 77)
    }
}
