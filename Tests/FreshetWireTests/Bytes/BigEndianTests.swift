import FreshetCore
import FreshetWire
import Testing

@Suite struct BigEndianTests {
    @Test func readsTheMostSignificantByteFirst() {
        Wire(hex: "01 02 03 04 05 06 07 08 09").read { bytes in
            let numbers = (bytes.uint8(at: 1), bytes.uint16(at: 1), bytes.uint32(at: 1), bytes.uint64(at: 1))
            #expect(numbers == (0x02, 0x0203, 0x0203_0405, 0x0203_0405_0607_0809))
        }
    }

    @Test func whatIsWrittenIsRead() {
        var random = PRNG(seed: 10)
        for offset in 0..<1000 {
            let value = random.next()
            let place = offset % 9
            let wire = Wire(byteCount: 16 + 8) { span in
                span.write(value, at: place)
                span.write(UInt32(truncatingIfNeeded: value), at: 8 + place)
                span.write(UInt16(truncatingIfNeeded: value), at: 12 + place)
                span.write(UInt8(truncatingIfNeeded: value), at: 14 + place)
            }
            wire.read { bytes in
                let numbers = (bytes.uint64(at: place), bytes.uint32(at: 8 + place))
                let small = (bytes.uint16(at: 12 + place), bytes.uint8(at: 14 + place))
                #expect(numbers == (value, UInt32(truncatingIfNeeded: value)))
                #expect(small == (UInt16(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value)))
            }
        }
    }
}
