extension RawSpan {
    /// The byte at `offset`; traps outside the span.
    @inline(__always) func uint8(at offset: Int) -> UInt8 { Span<UInt8>(_bytes: self)[offset] }

    /// The 16-bit number at `offset`, most significant byte first; traps outside the span.
    @inline(__always) func uint16(at offset: Int) -> UInt16 {
        UInt16(uint8(at: offset)) << 8 | UInt16(uint8(at: offset &+ 1))
    }

    /// The 32-bit number at `offset`, most significant byte first; traps outside the span.
    @inline(__always) func uint32(at offset: Int) -> UInt32 {
        UInt32(uint16(at: offset)) << 16 | UInt32(uint16(at: offset &+ 2))
    }
}

/// The 12 bytes of a plain RTP header for MPEG-TS (RFC 3550 §5.1, payload type 33).
enum RTPHeader {
    static let fixedByteCount = 12

    static func write(
        marker: Bool, sequenceNumber: UInt16, timestamp: UInt32, ssrc: UInt32,
        into bytes: inout MutableRawSpan
    ) {
        let first = 0x8000_0000 | UInt32(marker ? 0x80 | 33 : 33) << 16 | UInt32(sequenceNumber)
        bytes.storeBytes(of: first.bigEndian, toByteOffset: 0, as: UInt32.self)
        bytes.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
        bytes.storeBytes(of: ssrc.bigEndian, toByteOffset: 8, as: UInt32.self)
    }
}
