import FreshetCore
import FreshetWire
import Testing

@Suite struct ParityHeaderTests {
    /// A column of 5 from packet 0x1234 on, as FFmpeg's prompeg lays it out: E set, offset L, NA D.
    private let column = Wire(
        hex: "80E0 0007 11223344 00000000 1234 0524 A1 000000 55667788 00 0A 05 00 AA")

    @Test func theFieldsLieWhereTheStandardHasThem() throws {
        let header = try #require(column.read { ParityHeader(parsing: $0) })
        #expect(header.sequenceBase == 0x1234 && header.lengthRecovery == 0x0524)
        #expect(header.direction == .column && header.offset == 10 && header.count == 5)
        // The marker is recovered by that of the RTP header.
        #expect(header.typeRecovery == 0xA1 && header.flagRecovery == 0)
        #expect(header.timestampRecovery == 0x5566_7788)
    }

    @Test func whatIsWrittenIsTheSame() throws {
        let header = try #require(column.read { ParityHeader(parsing: $0) })
        let again = Wire(byteCount: 29) { span in
            header.write(sequenceNumber: 7, timestamp: 0x1122_3344, into: &span)
            span.write(0xAA as UInt8, at: 28)
        }
        #expect(again == column)
    }

    @Test func aRowSaysSo() throws {
        var header = ParityHeader(sequenceBase: 9, direction: .row, offset: 1, count: 10)
        header.flagRecovery = 0x2A
        let wire = Wire(byteCount: 28) { header.write(sequenceNumber: 1, timestamp: 2, into: &$0) }
        #expect(wire.bytes[24] == 0x40 && wire.bytes[0] == 0xAA)
        #expect(wire.read { ParityHeader(parsing: $0) } == header)
    }

    @Test func whatIsNotExclusiveOrParityIsNone() {
        func isNone(_ change: (inout [UInt8]) -> Void) -> Bool {
            var wire = column
            change(&wire.bytes)
            return wire.read { ParityHeader(parsing: $0) } == nil
        }
        #expect(isNone { $0[0] = 0x40 })
        #expect(isNone { $0[24] = 0x80 })
        #expect(isNone { $0[24] = 0x08 })
        #expect(isNone { $0[25] = 0 })
        #expect(isNone { $0[26] = 0 })
        #expect(isNone { $0.removeLast(2) })
        #expect(!isNone { $0[24] = 0x07 })
    }
}
