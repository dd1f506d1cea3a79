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
