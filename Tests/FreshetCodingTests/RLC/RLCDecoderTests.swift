import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

@Suite struct RLCDecoderTests {
    /// A sender and a receiver with what both know.
    private func pair(_ media: Media, _ sent: Range<Int64>, lost: Set<Int64>) -> Pair {
        var pair = Pair(
            encoder: RLCEncoder(maximumWindow: 256, symbolByteCount: 1500),
            decoder: RLCDecoder(window: 256, symbolByteCount: 1500))
        for sequence in sent {
            let packet = media.packet(sequence)
            pair.encoder.add(packet)
            if !lost.contains(sequence) { pair.decoder.addSource(packet) }
        }
        return pair
    }

    private struct Pair: ~Copyable {
        var encoder: RLCEncoder
        var decoder: RLCDecoder

        mutating func repair(first: Int64, count: Int, key: UInt16, density: UInt8 = 15) {
            decoder.addRepair(encoder.repair(first: first, count: count, key: key, density: density))
        }
    }

    @Test func asManyRepairsAsLossesGiveAllBack() {
        let media = Media()
        let lost: Set<Int64> = [40, 41, 42, 43, 50, 57, 58, 63]
        var pair = pair(media, 0..<64, lost: lost)
        for key in UInt16(0)..<8 { pair.repair(first: 0, count: 64, key: key) }
        let found = pair.decoder.takeRecovered(media.pool)
        #expect(Set(found.keys) == lost)
        #expect(media.fits(found))
        #expect(pair.decoder.totals.recovered == 8 && pair.decoder.totals.used == 8)
        #expect(pair.decoder.equationCount == 0)
    }

    @Test func whatIsGivenBackSaysWhatItsHeaderSays() {
        let media = Media()
        var pair = pair(media, 70_000..<70_010, lost: [70_004])
        pair.repair(first: 70_000, count: 10, key: 3)
        var packet = media.empty()
        #expect(pair.decoder.nextRecovered(into: &packet) == 70_004)
        let info = packet.info
        #expect(info.extendedSequence == 70_004 && info.ssrc == media.ssrc && info.headerByteCount == 12)
        #expect(info.rtpTimestamp == UInt32(70_004 * 117))
        #expect(info.flags == [.hasSequence, .isRetransmission, .isFromParity])
        var empty = media.empty()
        #expect(pair.decoder.nextRecovered(into: &empty) == nil)
    }

    @Test func packetsOfAnyLengthComeBack() {
        let media = Media(length: { 200 + Int($0 % 7) * 188 })
        let lost: Set<Int64> = [3, 4, 20, 27]
        var pair = pair(media, 0..<32, lost: lost)
        for key in UInt16(100)..<104 { pair.repair(first: 0, count: 32, key: key) }
        let found = pair.decoder.takeRecovered(media.pool)
        #expect(media.fits(found))
    }

    @Test func windowsThatOverlapHelpEachOther() {
        let media = Media()
        let lost: Set<Int64> = [10, 20, 30, 40]
        var pair = pair(media, 0..<64, lost: lost)
        // Each window misses something that another knows.
        pair.repair(first: 8, count: 14, key: 1)
        pair.repair(first: 18, count: 14, key: 2)
        pair.repair(first: 28, count: 14, key: 3)
        #expect(pair.decoder.takeRecovered(media.pool).isEmpty)
        pair.repair(first: 38, count: 14, key: 4)
        #expect(Set(pair.decoder.takeRecovered(media.pool).keys) == lost)
    }

    @Test func packetsThatComeAfterTheirRepairCount() {
        let media = Media()
        var pair = pair(media, 0..<32, lost: [5, 9, 31])
        pair.repair(first: 0, count: 32, key: 1)
        #expect(pair.decoder.takeRecovered(media.pool).isEmpty)
        pair.decoder.addSource(media.packet(31))
        #expect(pair.decoder.takeRecovered(media.pool).isEmpty)
        pair.decoder.addSource(media.packet(5))
        let found = pair.decoder.takeRecovered(media.pool)
        #expect(Set(found.keys) == [9] && media.fits(found))
    }

    @Test func anyOrderOfArrivalGivesTheSame() {
        let media = Media()
        var random = PRNG(seed: 11)
        for round in 0..<40 {
            var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1500)
            var decoder = RLCDecoder(window: 64, symbolByteCount: 1500)
            for sequence in Int64(0)..<48 { encoder.add(media.packet(sequence)) }
            let lost = Set((0..<6).map { _ in Int64(21 + random.below(27)) })
            var order = Array(Int64(0)..<48).filter { !lost.contains($0) && $0 != 20 }
            var repairs = (0..<lost.count).map {
                encoder.repair(first: 0, count: 48, key: UInt16(round * 100 + $0))
            }
            decoder.addSource(media.packet(20))
            while !order.isEmpty || !repairs.isEmpty {
                let index = Int(random.below(UInt64(order.count + repairs.count)))
                if index < order.count {
                    decoder.addSource(media.packet(order.remove(at: index)))
                } else {
                    decoder.addRepair(repairs.remove(at: index - order.count))
                }
            }
            // What is still to come may be known before it comes.
            let found = decoder.takeRecovered(media.pool)
            #expect(lost.isSubset(of: found.keys), "round \(round)")
            #expect(media.fits(found))
        }
    }

    @Test func sparseRepairsServeTheirPackets() {
        let media = Media()
        let lost: Set<Int64> = [12, 13, 14]
        var pair = pair(media, 0..<64, lost: lost)
        var key: UInt16 = 0
        while pair.decoder.totals.recovered < 3 && key < 40 {
            pair.repair(first: 0, count: 64, key: key, density: 5)
            key += 1
        }
        let found = pair.decoder.takeRecovered(media.pool)
        #expect(media.fits(found))
    }

    @Test func repairsWithoutALossAreUnneeded() {
        let media = Media()
        var pair = pair(media, 0..<64, lost: [])
        pair.repair(first: 0, count: 64, key: 1)
        #expect(pair.decoder.totals.unneeded == 1 && pair.decoder.equationCount == 0)
    }

    @Test func anotherMultipleOfTheWrapIsTheSameWindow() {
        let media = Media()
        var encoder = RLCEncoder(maximumWindow: 64, symbolByteCount: 1500)
        var decoder = RLCDecoder(window: 64, symbolByteCount: 1500)
        for sequence in Int64(65_520)..<65_560 {
            // The sender is on its fifth round, the receiver on its first.
            encoder.add(media.packet(sequence + 4 * 65_536))
            if sequence != 65_530 {
                let packet = media.packet(sequence + 4 * 65_536)
                packet.info.extendedSequence = sequence
                decoder.addSource(packet)
            }
        }
        decoder.addRepair(encoder.repair(first: 65_520 + 4 * 65_536, count: 40, key: 5))
        let isWhole = decoder.takeRecovered(media.pool)[65_530] == media.bytes(65_530 + 4 * 65_536)
        #expect(isWhole)
    }

    @Test func aRetransmissionIsTheSameSymbol() {
        let media = Media()
        var pair = pair(media, 0..<20, lost: [7, 8])
        pair.repair(first: 0, count: 20, key: 1)
        var packet = media.packet(7)
        packet.modify { RTPHeader.markRetransmission(true, in: &$0) }
        packet.info.flags.insert(.isRetransmission)
        pair.decoder.addSource(packet)
        let found = pair.decoder.takeRecovered(media.pool)
        #expect(Set(found.keys) == [8] && media.fits(found))
    }

    @Test func aLongStreamWithLossesLosesNothingItCanKnow() {
        let media = Media()
        var random = PRNG(seed: 5)
        var encoder = RLCEncoder(maximumWindow: 128, symbolByteCount: 1500)
        var decoder = RLCDecoder(window: 128, symbolByteCount: 1500)
        var lostCount = 0
        var wrong = 0
        for sequence in Int64(60_000)..<75_000 {
            let packet = media.packet(sequence)
            encoder.add(packet)
            if random.chance(2, in: 100) && sequence > 60_000 {
                lostCount += 1
            } else {
                decoder.addSource(packet)
            }
            if sequence % 10 == 9 {
                let count = encoder.run(endingAt: sequence, limit: 100)
                decoder.addRepair(
                    encoder.repair(
                        first: sequence - Int64(count) + 1, count: count,
                        key: UInt16(truncatingIfNeeded: sequence)))
            }
            for (found, bytes) in decoder.takeRecovered(media.pool) where bytes != media.bytes(found) {
                wrong += 1
            }
        }
        #expect(wrong == 0)
        #expect(decoder.totals.recovered >= lostCount - 3, "of \(lostCount)")
        #expect(decoder.totals.malformed == 0)
    }
}
