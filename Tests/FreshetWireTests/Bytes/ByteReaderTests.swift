import FreshetCore
import FreshetWire
import Testing

@Suite struct ByteReaderTests {
    @Test func readsFrontToBack() {
        Wire(hex: "01 0203 04050607 08090A0B0C0D0E0F AABB").read { bytes in
            var reader = ByteReader(bytes)
            let (a, b, c, d) = (reader.uint8(), reader.uint16(), reader.uint32(), reader.uint64())
            #expect(a == 1 && b == 0x0203 && c == 0x0405_0607 && d == 0x0809_0A0B_0C0D_0E0F)
            let rest = reader.take(2)?.array
            #expect(rest == [0xAA, 0xBB])
            let (isAtEnd, position) = (reader.isAtEnd, reader.position)
            #expect(isAtEnd && position == 17)
        }
    }

    @Test func pastTheEndNothingIsReadOrMoved() {
        Wire(hex: "01 02 03").read { bytes in
            var reader = ByteReader(bytes)
            let none = (
                reader.uint32(), reader.uint64(), reader.take(4)?.byteCount, reader.take(-1)?.byteCount
            )
            #expect(none.0 == nil && none.1 == nil && none.2 == nil && none.3 == nil)
            let (skipped, backwards, count) = (reader.skip(4), reader.skip(-1), reader.remainingByteCount)
            #expect(!skipped && !backwards && count == 3)
            let (skippedAll, byte, number) = (reader.skip(3), reader.uint8(), reader.uint16())
            #expect(skippedAll && byte == nil && number == nil)
        }
    }

    @Test func anyOrderOfReadsStaysInside() {
        var random = PRNG(seed: 11)
        for _ in 0..<5_000 {
            let wire = Wire(Array(repeating: 7, count: Int(random.below(40))))
            wire.read { bytes in
                var reader = ByteReader(bytes)
                for _ in 0..<20 {
                    switch random.below(6) {
                    case 0: _ = reader.uint8()
                    case 1: _ = reader.uint16()
                    case 2: _ = reader.uint32()
                    case 3: _ = reader.uint64()
                    case 4: _ = reader.take(Int(truncatingIfNeeded: random.next()))
                    default: _ = reader.skip(Int(random.below(50)) - 5)
                    }
                    let (position, rest) = (reader.position, reader.remainingByteCount)
                    #expect(position >= 0 && rest >= 0 && position + rest == wire.bytes.count)
                }
            }
        }
    }
}
