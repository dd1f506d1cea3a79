import FreshetCore
import FreshetWire
import Testing

@Suite struct ProgramTablesTests {
    /// The PAT that FFmpeg's muxer writes by default: program 1 on PID 0x1000.
    static let association = Wire(hex: "00 B00D 0001 C1 00 00 0001 F000 2AB104B2")

    /// A section of `body`, its length and checksum filled in.
    static func section(tableID: UInt8, number: UInt16, _ body: [UInt8]) -> Wire {
        let length = 5 + body.count + 4
        var bytes: [UInt8] = [
            tableID, 0xB0 | UInt8(length >> 8), UInt8(length & 0xFF), UInt8(number >> 8),
            UInt8(number & 0xFF), 0xC3,
            0, 0,
        ]
        bytes += body
        let sum = Wire(bytes).read { SectionChecksum.of($0) }
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: sum >> shift)) }
        return Wire(bytes)
    }

    /// A PMT: PCR on 0x100, a program descriptor; H.264 on 0x100, AAC on 0x101 with a language.
    static let map = section(
        tableID: 2, number: 1,
        Wire(hex: "E100 F004 05024142 1B E100 F000 0F E101 F006 0A04 656E6700").bytes)

    @Test func readsAnAssociationTable() {
        ProgramTablesTests.association.read { bytes in
            guard let table = TableSection(parsing: bytes) else {
                Issue.record("refused")
                return
            }
            let (tableID, count, stream) = (table.tableID, table.programCount, table.tableIDExtension)
            let first = table.firstProgram
            #expect(tableID == 0 && count == 1 && stream == 1)
            #expect(first == table.program(at: 0) && first?.programNumber == 1 && first?.mapPID == 0x1000)
            #expect(table.isCurrent && table.version == 0 && table.program(at: 1) == nil)
        }
    }

    @Test func readsAProgramMap() {
        ProgramTablesTests.map.read { bytes in
            guard let table = TableSection(parsing: bytes) else {
                Issue.record("refused")
                return
            }
            let (clock, count, version) = (table.clockPID, table.programCount, table.version)
            #expect(clock == 0x100 && count == 0 && version == 1)
            var found: [[Int]] = []
            var streams = table.streams
            while let stream = streams.next() {
                found.append([Int(stream.streamType), Int(stream.pid), stream.descriptors.byteCount])
            }
            #expect(found == [[0x1B, 0x100, 0], [0x0F, 0x101, 6]])
        }
    }

    @Test func findsASectionBehindThePointer() {
        var payload = Wire(hex: "02 AAAA")
        payload.bytes += ProgramTablesTests.association.bytes + [0xFF, 0xFF]
        let pid = payload.read { TableSection.first(inPayload: $0)?.firstProgram?.mapPID }
        #expect(pid == 0x1000)
        #expect(Wire(hex: "09 00").read { TableSection.first(inPayload: $0)?.tableID } == nil)
        #expect(Wire(hex: "").read { TableSection.first(inPayload: $0)?.tableID } == nil)
    }

    @Test func refusesEveryFlippedBit() {
        for bit in 0..<(ProgramTablesTests.map.bytes.count * 8) {
            var wire = ProgramTablesTests.map
            wire.bytes[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            let isRead = wire.read { TableSection(parsing: $0) != nil }
            #expect(!isRead, "bit \(bit)")
        }
    }

    @Test func streamsEndWhereLengthsStopMakingSense() {
        var random = PRNG(seed: 43)
        for _ in 0..<20_000 {
            let body = (0..<Int(random.below(40))).map { _ in
                random.chance(1, in: 2) ? 0 : UInt8(truncatingIfNeeded: random.next())
            }
            let count = ProgramTablesTests.section(tableID: 2, number: 1, body).read { bytes -> Int in
                guard let table = TableSection(parsing: bytes) else { return -1 }
                var count = 0
                var streams = table.streams
                while streams.next() != nil { count += 1 }
                return count
            }
            #expect(count >= 0 && count * 5 <= body.count)
        }
    }
}
