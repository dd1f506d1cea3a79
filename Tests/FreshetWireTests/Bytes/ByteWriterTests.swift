import FreshetCore
import FreshetWire
import Testing

@Suite struct ByteWriterTests {
    @Test func writesFrontToBack() {
        let wire = Wire(byteCount: 20) { span in
            var writer = ByteWriter(&span)
            writer.write(1 as UInt8)
            writer.write(0x0203 as UInt16)
            writer.write(0x0405_0607 as UInt32)
            writer.write(0x0809_0A0B_0C0D_0E0F as UInt64)
            writer.align(to: 4)
            writer.rewrite(0xFFFE, at: 1)
            writer.rewrite(0xFFFE, at: 15)
            let (count, spare) = (writer.byteCount, writer.spareByteCount)
            #expect(count == 16 && spare == 4)
        }
        #expect(wire == Wire(hex: "01FFFE0405060708090A0B0C0D0E0F00 00000000"))
    }

    @Test func whatDoesNotFitIsLeftOut() {
        let wire = Wire(byteCount: 4) { span in
            var writer = ByteWriter(&span)
            writer.write(0x0102 as UInt16)
            writer.write(0x0304_0506 as UInt32)
            // Once too long, nothing follows that would fit.
            writer.write(9 as UInt8)
            writer.rewrite(7, at: 1)
            writer.rewrite(7, at: -1)
            let (count, hasOverflowed) = (writer.byteCount, writer.hasOverflowed)
            #expect(count == 2 && hasOverflowed)
        }
        #expect(wire == Wire(hex: "01020000"))
    }
}
