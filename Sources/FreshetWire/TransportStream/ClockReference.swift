/// The program clock reference (PCR, ISO/IEC 13818-1 §2.4.3.5): 33 bits of 90 kHz and 9 bits that count the 300 ticks of
/// 27 MHz within each. Here always one number of 27 MHz ticks, which wraps after 26.5 hours.
public enum ClockReference {
    /// The first value that is not a PCR: 2³³ · 300.
    public static let modulus: Int64 = (1 << 33) * 300
    /// Bytes of the field.
    public static let byteCount = 6
    /// How many bits a wrapped PTS or DTS has.
    public static let timestampBitCount = 33

    /// The PCR in the six bytes at `offset`, in ticks of 27 MHz; traps outside `bytes`. The 9-bit part may be as much as
    /// 511 on a damaged wire; it is taken as it is.
    @inlinable public static func read(_ bytes: RawSpan, at offset: Int) -> Int64 {
        let low = bytes.uint16(at: offset &+ 4)
        let base = Int64(bytes.uint32(at: offset)) << 1 | Int64(low >> 15)
        return base &* 300 &+ Int64(low & 0x1FF)
    }

    /// Writes `ticks` of 27 MHz as a PCR to the six bytes at `offset`; traps outside `bytes`. Any 64-bit time may be given:
    /// it is wrapped here.
    @inlinable public static func write(_ ticks: Int64, into bytes: inout MutableRawSpan, at offset: Int) {
        var wrapped = ticks % modulus
        if wrapped < 0 { wrapped &+= modulus }
        let base = wrapped / 300
        bytes.write(UInt32(truncatingIfNeeded: base >> 1), at: offset)
        // The base's last bit, six reserved ones, the 9-bit part.
        let low =
            UInt16(truncatingIfNeeded: base & 1) << 15 | 0x7E00 | UInt16(truncatingIfNeeded: wrapped % 300)
        bytes.write(low, at: offset &+ 4)
    }

    /// From `earlier` to `later`, both wrapped: the shorter way round, so it may be negative.
    @inlinable public static func step(from earlier: Int64, to later: Int64) -> Int64 {
        var step = (later &- earlier) % modulus
        if step < 0 { step &+= modulus }
        return step > modulus / 2 ? step &- modulus : step
    }

    /// Writes a whole packet that carries nothing but a PCR to the 188 bytes at `offset`; traps outside `bytes`.
    ///
    /// A packet without payload repeats the counter of the last packet of its PID that had one (§2.4.3.3), so
    /// `continuityCounter` is that packet's.
    public static func writePacket(
        pid: UInt16, continuityCounter: UInt8, ticks: Int64, isDiscontinuity: Bool = false,
        into bytes: inout MutableRawSpan, at offset: Int = 0
    ) {
        let head = UInt32(TSPacket.syncByte) << 24 | UInt32(pid & 0x1FFF) << 8 | 0x20
        bytes.write(head | UInt32(continuityCounter & 0x0F), at: offset)
        bytes.write(0xB710 as UInt16 | (isDiscontinuity ? 0x80 : 0), at: offset &+ 4)
        write(ticks, into: &bytes, at: offset &+ 6)
        for place in 12..<TSPacket.byteCount { bytes.write(0xFF as UInt8, at: offset &+ place) }
    }

    /// Writes a null packet (PID 0x1FFF), which receivers throw away, to the 188 bytes at `offset`; traps outside `bytes`.
    public static func writeNullPacket(into bytes: inout MutableRawSpan, at offset: Int = 0) {
        bytes.write(0x471F_FF10 as UInt32, at: offset)
        for place in 4..<TSPacket.byteCount { bytes.write(0xFF as UInt8, at: offset &+ place) }
    }
}
