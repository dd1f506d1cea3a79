import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

@Suite struct ParityRecovererTests {
    /// What comes back of `count` packets from `first` on, `lost` of them.
    private func recovered(
        _ media: Media, columns: Int, rows: Int, hasRows: Bool, first: Int64 = 0, count: Int64,
        lost: Set<Int64>
    ) -> (found: [Int64: [UInt8]], totals: ParityRecoverer.Totals) {
        var generator = ParityGenerator(
            columns: columns, rows: rows, hasRows: hasRows, packetByteCount: 1472, sequence: 0)
        var recoverer = ParityRecoverer(packetByteCount: 1472)
        var found: [Int64: [UInt8]] = [:]
        for sequence in first..<(first + count) {
            let packet = media.packet(sequence)
            generator.add(packet)
            if !lost.contains(sequence) { recoverer.addSource(packet) }
            for datagram in generator.take() { recoverer.add(datagram) }
            while recoverer.hasRecovered {
                var packet = media.empty()
                if let sequence = recoverer.nextRecovered(into: &packet) {
                    #expect(
                        packet.info.extendedSequence == sequence && packet.info.flags.contains(.isFromParity))
                    found[sequence] = packet.array
                }
            }
        }
        return (found, recoverer.totals)
    }

    @Test func aBurstOfARowComesBackByItsColumns() {
        let media = Media()
        let lost: Set<Int64> = [23, 24, 25, 26, 27]
        let (found, totals) = recovered(media, columns: 5, rows: 5, hasRows: false, count: 80, lost: lost)
        #expect(Set(found.keys) == lost && media.fits(found))
        #expect(totals.recovered == 5 && totals.malformed == 0)
    }

    @Test func rowsAndColumnsHelpEachOther() {
        let media = Media()
        // Two in a row and two in a column: neither row nor column alone mends the first.
        let lost: Set<Int64> = [30, 31, 35, 41, 42]
        let (found, _) = recovered(media, columns: 5, rows: 5, hasRows: true, count: 80, lost: lost)
        #expect(Set(found.keys) == lost && media.fits(found))
    }

    @Test func aRectangleStaysLost() {
        let media = Media()
        let lost: Set<Int64> = [30, 31, 35, 36]
        let (found, totals) = recovered(media, columns: 5, rows: 5, hasRows: true, count: 200, lost: lost)
        #expect(found.isEmpty && totals.recovered == 0)
    }

    @Test func packetsOfAnyLengthAndAcrossTheWrapComeBack() {
        let media = Media(length: { 200 + Int($0 % 7) * 188 })
        let lost: Set<Int64> = [65_533, 65_537, 65_541, 65_555]
        let (found, totals) = recovered(
            media, columns: 4, rows: 4, hasRows: true, first: 65_500, count: 96, lost: lost)
        #expect(Set(found.keys) == lost && media.fits(found), "\(totals)")
    }

    @Test func paritysLiesAreBoundedAndCounted() {
        let media = Media()
        var random = PRNG(seed: 4)
        var generator = ParityGenerator(
            columns: 5, rows: 5, hasRows: true, packetByteCount: 1472, sequence: 0)
        var recoverer = ParityRecoverer(packetByteCount: 1472)
        for sequence in Int64(0)..<2000 {
            let packet = media.packet(sequence)
            generator.add(packet)
            if sequence % 11 != 3 { recoverer.addSource(packet) }
            for datagram in generator.take() {
                var wire = datagram
                // Window, lengths, type: anything.
                for _ in 0..<3 { wire[12 + Int(random.below(16))] = UInt8(truncatingIfNeeded: random.next()) }
                recoverer.add(wire)
                recoverer.add(Array(wire.prefix(Int(random.below(UInt64(wire.count))))))
            }
            while recoverer.hasRecovered {
                var packet = media.empty()
                _ = recoverer.nextRecovered(into: &packet)
                #expect(packet.byteCount <= 1472)
            }
        }
        #expect(recoverer.totals.malformed > 100 && recoverer.totals.expired > 0)
    }
}

extension ParityRecoverer {
    /// Takes up a datagram of parity.
    mutating func add(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { addParity(RawSpan(_unsafeBytes: $0)) }
    }
}
