import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

@Suite struct RLCDecoderHostileTests {
    private func header(
        first: Int64, count: Int, key: UInt16 = 1, ssrc: UInt32 = 0x1234_5678, byteCount: Int = 1346
    )
        -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0xA5, count: byteCount)
        bytes.withUnsafeMutableBytes { raw in
            var span = MutableRawSpan(_unsafeBytes: raw)
            RLCRepairHeader(key: key, density: 15, first: first, count: count, ssrc: ssrc).write(into: &span)
        }
        return bytes
    }

    private func decoder(_ media: Media, lost: Set<Int64> = []) -> RLCDecoder {
        var decoder = RLCDecoder(window: 64, symbolByteCount: 1474)
        for sequence in Int64(1000)..<1100 where !lost.contains(sequence) {
            decoder.addSource(media.packet(sequence))
        }
        return decoder
    }

    @Test func windowsThatAreTooLongPassedOrAheadAreRefused() {
        let media = Media()
        var decoder = decoder(media, lost: [1090])
        decoder.addRepair(header(first: 1050, count: 4095))
        decoder.addRepair(header(first: 1050, count: 65))
        #expect(decoder.totals.malformed == 2)
        decoder.addRepair(header(first: 900, count: 20))
        decoder.addRepair(header(first: 1130, count: 20))
        decoder.addRepair(header(first: 1100 + 30_000, count: 20))
        #expect(decoder.totals.expired == 3)
        decoder.addRepair(header(first: 1085, count: 10, ssrc: 7))
        decoder.addRepair(header(first: 1085, count: 10, byteCount: 18))
        decoder.addRepair(header(first: 1085, count: 10, byteCount: 1800))
        decoder.addRepair([])
        #expect(decoder.totals.malformed == 6 && decoder.equationCount == 0)
    }

    @Test func aSymbolShorterThanItsPacketsIsRefused() {
        let media = Media()
        var decoder = decoder(media, lost: [1090])
        decoder.addRepair(header(first: 1085, count: 10, byteCount: 600))
        #expect(decoder.totals.malformed == 1 && !decoder.hasRecovered)
    }

    @Test func aSymbolOfNonsenseGivesNoPacket() {
        let media = Media()
        var decoder = decoder(media, lost: [1090])
        decoder.addRepair(header(first: 1085, count: 10))
        #expect(decoder.totals.malformed == 1 && !decoder.hasRecovered)
        // And the true one still does.
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1474)
        for sequence in Int64(1080)..<1100 { encoder.add(media.packet(sequence)) }
        decoder.addRepair(encoder.repair(first: 1085, count: 10, key: 9))
        let found = decoder.takeRecovered(media.pool)
        #expect(Set(found.keys) == [1090] && media.fits(found))
    }

    @Test func aFloodOfEquationsIsBounded() {
        let media = Media()
        var decoder = decoder(media, lost: Set(1060..<1090))
        for key in UInt16(0)..<2000 {
            decoder.addRepair(header(first: 1059 + Int64(key % 8), count: 30, key: key))
            #expect(decoder.equationCount <= 64)
        }
        _ = decoder.takeRecovered(media.pool)
        for sequence in Int64(1100)..<1300 { decoder.addSource(media.packet(sequence)) }
        #expect(decoder.equationCount == 0)
    }

    @Test func anyBytesAtAllAreSurvived() {
        let media = Media()
        var random = PRNG(seed: 12)
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1474)
        var decoder = RLCDecoder(window: 64, symbolByteCount: 1474)
        for sequence in Int64(0)..<3000 {
            let packet = media.packet(sequence)
            encoder.add(packet)
            if !random.chance(1, in: 10) { decoder.addSource(packet) }
            guard sequence > 40 else { continue }
            var repair = encoder.repair(
                first: sequence - 30, count: 31, key: UInt16(truncatingIfNeeded: sequence))
            for _ in 0...random.below(3) {
                repair[Int(random.below(20))] = UInt8(truncatingIfNeeded: random.next())
            }
            decoder.addRepair(Array(repair.prefix(Int(random.below(UInt64(repair.count + 1))))))
            decoder.addRepair(repair)
            for bytes in decoder.takeRecovered(media.pool).values { #expect(bytes.count <= 1472) }
        }
        #expect(decoder.totals.malformed > 500)
    }
}
