/// The CRC at the end of a section (ISO/IEC 13818-1 annex A): polynomial 0x04C11DB7, first all ones, most significant bit
/// first, not inverted. Over a whole section, its CRC included, it is zero.
public enum SectionChecksum {
    /// The checksum of `bytes`.
    public static func of(_ bytes: RawSpan) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        for offset in 0..<bytes.byteCount {
            sum ^= UInt32(bytes.uint8(at: offset)) << 24
            // Bit by bit: tables come some tens of times a second, and no lookup table needs a place in the cache.
            for _ in 0..<8 { sum = sum << 1 ^ (sum >> 31 != 0 ? 0x04C1_1DB7 : 0) }
        }
        return sum
    }
}
