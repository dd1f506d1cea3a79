import FreshetCoding
import FreshetCore
import FreshetWire
import Testing

extension ParityGenerator {
    /// All that is due.
    mutating func take() -> [[UInt8]] {
        var found: [[UInt8]] = []
        var storage = [UInt8](repeating: 0, count: 2048)
        while true {
            var length: Int?
            storage.withUnsafeMutableBytes { raw in
                var span = MutableRawSpan(_unsafeBytes: raw)
                length = next(into: &span)?.byteCount
            }
            guard let length else { return found }
            found.append(Array(storage[..<length]))
        }
    }
}

@Suite struct ParityGeneratorTests {
    private func header(_ datagram: [UInt8]) throws -> ParityHeader {
        try #require(datagram.withUnsafeBytes { ParityHeader(parsing: RawSpan(_unsafeBytes: $0)) })
    }

    @Test func aRowIsTheSumOfItsPackets() throws {
        let media = Media()
        var generator = ParityGenerator(
            columns: 5, rows: 4, hasRows: true, packetByteCount: 1472, sequence: 10)
        var rows: [[UInt8]] = []
        for sequence in Int64(100)..<105 {
            generator.add(media.packet(sequence))
            rows += generator.take()
        }
        #expect(rows.count == 1)
        let header = try header(rows[0])
        #expect(
            header.sequenceBase == 100 && header.direction == .row && header.offset == 1 && header.count == 5)
        var sum = [UInt8](repeating: 0, count: 1316)
        var timestamp: UInt32 = 0
        for sequence in Int64(100)..<105 {
            for (place, byte) in media.bytes(sequence)[12...].enumerated() { sum[place] ^= byte }
            timestamp ^= UInt32(sequence * 117)
        }
        let isSum = Array(rows[0][28...]) == sum
        #expect(isSum && header.timestampRecovery == timestamp)
        // Five equal lengths and types leave one.
        #expect(header.lengthRecovery == 1316 && header.typeRecovery == 33)
    }

    @Test func columnsGoOutEvenlyInTheNextMatrix() throws {
        let media = Media()
        var generator = ParityGenerator(
            columns: 5, rows: 4, hasRows: false, packetByteCount: 1472, sequence: 0)
        var columns: [(after: Int64, base: UInt16)] = []
        for sequence in Int64(0)..<40 {
            generator.add(media.packet(sequence))
            for datagram in generator.take() {
                let header = try header(datagram)
                #expect(header.direction == .column && header.offset == 5 && header.count == 4)
                columns.append((sequence, header.sequenceBase))
            }
        }
        #expect(columns.map(\.base) == [0, 1, 2, 3, 4])
        #expect(columns.map(\.after) == [20, 24, 28, 32, 36])
    }

    @Test func afterAHoleAMatrixBeginsAnew() throws {
        let media = Media()
        var generator = ParityGenerator(
            columns: 5, rows: 4, hasRows: true, packetByteCount: 1472, sequence: 0)
        var bases: [UInt16] = []
        for sequence in Array(Int64(0)..<7) + Array(Int64(8)..<18) {
            generator.add(media.packet(sequence))
            for datagram in generator.take() { bases.append(try header(datagram).sequenceBase) }
        }
        #expect(bases == [0, 8, 13])
    }

    @Test func copiesAndLatecomersChangeNothing() throws {
        let media = Media()
        var generator = ParityGenerator(
            columns: 4, rows: 4, hasRows: true, packetByteCount: 1472, sequence: 0)
        var bases: [UInt16] = []
        for sequence: Int64 in [0, 1, 1, 0, 2, 3, 4] {
            generator.add(media.packet(sequence))
            for datagram in generator.take() { bases.append(try header(datagram).sequenceBase) }
        }
        #expect(bases == [0])
    }

    @Test func theStandardsBoundsHold() {
        #expect(
            ParityGenerator.isAllowed(columns: 20, rows: 5) && ParityGenerator.isAllowed(columns: 1, rows: 20)
        )
        #expect(
            !ParityGenerator.isAllowed(columns: 21, rows: 4)
                && !ParityGenerator.isAllowed(columns: 5, rows: 3))
        #expect(!ParityGenerator.isAllowed(columns: 11, rows: 10))
    }
}
