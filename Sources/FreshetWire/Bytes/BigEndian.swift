// Network byte order over spans, byte by byte: the optimiser folds each of these into one load or store and a byte swap,
// and no pointer or `unsafe` is needed. Offsets are the caller's own arithmetic, so one past the end traps; whatever comes
// from outside is measured first, or read with ``ByteReader``.

extension RawSpan {
    /// The byte at `offset`; traps outside the span.
    @inlinable public func uint8(at offset: Int) -> UInt8 {
        Span<UInt8>(_bytes: self)[offset]
    }

    /// The 16-bit number at `offset`, most significant byte first; traps outside the span.
    @inlinable public func uint16(at offset: Int) -> UInt16 {
        precondition(offset >= 0 && offset <= byteCount &- 2)
        let bytes = Span<UInt8>(_bytes: self)
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset &+ 1])
    }

    /// The 32-bit number at `offset`, most significant byte first; traps outside the span.
    @inlinable public func uint32(at offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset <= byteCount &- 4)
        let bytes = Span<UInt8>(_bytes: self)
        let high = UInt32(bytes[offset]) << 24 | UInt32(bytes[offset &+ 1]) << 16
        return high | UInt32(bytes[offset &+ 2]) << 8 | UInt32(bytes[offset &+ 3])
    }

    /// The 64-bit number at `offset`, most significant byte first; traps outside the span.
    @inlinable public func uint64(at offset: Int) -> UInt64 {
        UInt64(uint32(at: offset)) << 32 | UInt64(uint32(at: offset &+ 4))
    }
}

extension MutableRawSpan {
    /// The byte at `offset`; traps outside the span.
    @inlinable public func uint8(at offset: Int) -> UInt8 { bytes.uint8(at: offset) }

    /// Writes `value` at `offset`; traps outside the span.
    @inlinable public mutating func write(_ value: UInt8, at offset: Int) {
        storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
    }

    /// Writes `value` at `offset`, most significant byte first; traps outside the span.
    @inlinable public mutating func write(_ value: UInt16, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    /// Writes `value` at `offset`, most significant byte first; traps outside the span.
    @inlinable public mutating func write(_ value: UInt32, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Writes `value` at `offset`, most significant byte first; traps outside the span.
    @inlinable public mutating func write(_ value: UInt64, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }
}
