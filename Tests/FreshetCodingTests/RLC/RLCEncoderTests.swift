import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

@Suite struct RLCEncoderTests {
    @Test func aRepairOfOnePacketIsThatPacketTimesItsCoefficient() {
        let media = Media()
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1500)
        encoder.add(media.packet(100))
        let repair = encoder.repair(first: 100, count: 1, key: 1)
        #expect(repair.count == 16 + 2 + 1328)
        let symbol = [UInt8(1328 >> 8), UInt8(1328 & 0xFF)] + media.bytes(100)
        // RFC 8681 §3.5: the first number of seed 1 is 37.
        let isProduct = Array(repair[16...]) == symbol.map { GF256.multiply(37, $0) }
        #expect(isProduct)
    }

    @Test func theHeaderSaysWhatTheWindowIs() throws {
        let media = Media()
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1500)
        let start: Int64 = 0x1_2345_FFF0
        for sequence in start..<(start + 40) { encoder.add(media.packet(sequence)) }
        let repair = encoder.repair(first: start + 4, count: 30, key: 0xBEEF, density: 9)
        let header = try #require(
            repair.withUnsafeBytes { RLCRepairHeader(parsing: RawSpan(_unsafeBytes: $0)) })
        #expect(
            header
                == RLCRepairHeader(key: 0xBEEF, density: 9, first: start + 4, count: 30, ssrc: media.ssrc))
    }

    @Test func aWindowThatIsNotKeptGivesNothing() {
        let media = Media()
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1500)
        #expect(encoder.repair(first: 0, count: 1, key: 0).isEmpty)
        for sequence in Int64(0)..<200 where sequence != 170 { encoder.add(media.packet(sequence)) }
        #expect(encoder.repair(first: 165, count: 10, key: 0).isEmpty)
        #expect(encoder.repair(first: 100, count: 30, key: 0).isEmpty)
        #expect(encoder.repair(first: 190, count: 20, key: 0).isEmpty)
        #expect(encoder.repair(first: 150, count: 65, key: 0).isEmpty)
        #expect(!encoder.repair(first: 171, count: 29, key: 0).isEmpty)
        #expect(encoder.run(endingAt: 199, limit: 60) == 29)
        #expect(encoder.run(endingAt: 199, limit: 8) == 8)
        #expect(encoder.run(endingAt: 170, limit: 8) == 0)
    }

    @Test func anotherStreamStartsAnew() {
        let media = Media()
        let other = Media(ssrc: 0x2222_2222)
        var encoder = RLCEncoder(maximumWindow: 16, symbolByteCount: 1500)
        for sequence in Int64(0)..<8 { encoder.add(media.packet(sequence)) }
        encoder.add(other.packet(8))
        #expect(encoder.run(endingAt: 8, limit: 16) == 1)
        #expect(encoder.highest == 8)
    }

    @Test func packetsThatAreTooLongAreCounted() {
        let media = Media()
        var encoder = RLCEncoder(maximumWindow: 16, symbolByteCount: 1000)
        encoder.add(media.packet(1))
        #expect(encoder.oversizedCount == 1 && encoder.highest == nil)
    }
}
