/// Reads big-endian numbers from a span, front to back. Reading past the end gives `nil` and moves nothing, so bytes from
/// outside may be fed to it as they are.
public struct ByteReader: ~Escapable {
    @usableFromInline let bytes: RawSpan
    /// Bytes read so far.
    public private(set) var position = 0

    /// A reader at the start of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Bytes not read yet.
    public var remainingByteCount: Int { bytes.byteCount &- position }

    /// True when all is read.
    public var isAtEnd: Bool { remainingByteCount == 0 }

    /// The next byte.
    @_lifetime(self: copy self)
    public mutating func uint8() -> UInt8? {
        guard remainingByteCount >= 1 else { return nil }
        defer { position &+= 1 }
        return bytes.uint8(at: position)
    }

    /// The next 16-bit number.
    @_lifetime(self: copy self)
    public mutating func uint16() -> UInt16? {
        guard remainingByteCount >= 2 else { return nil }
        defer { position &+= 2 }
        return bytes.uint16(at: position)
    }

    /// The next 32-bit number.
    @_lifetime(self: copy self)
    public mutating func uint32() -> UInt32? {
        guard remainingByteCount >= 4 else { return nil }
        defer { position &+= 4 }
        return bytes.uint32(at: position)
    }

    /// The next 64-bit number.
    @_lifetime(self: copy self)
    public mutating func uint64() -> UInt64? {
        guard remainingByteCount >= 8 else { return nil }
        defer { position &+= 8 }
        return bytes.uint64(at: position)
    }

    /// The next `byteCount` bytes; `nil` when there are not that many, or `byteCount` is negative.
    @_lifetime(copy self)
    public mutating func take(_ byteCount: Int) -> RawSpan? {
        guard byteCount >= 0, byteCount <= remainingByteCount else { return nil }
        let end = position &+ byteCount
        defer { position = end }
        return bytes.extracting(position..<end)
    }

    /// Passes over `byteCount` bytes; false, and nothing moved, when there are not that many.
    @_lifetime(self: copy self)
    public mutating func skip(_ byteCount: Int) -> Bool {
        guard byteCount >= 0, byteCount <= remainingByteCount else { return false }
        position &+= byteCount
        return true
    }
}
