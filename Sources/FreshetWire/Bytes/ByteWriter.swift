/// Writes big-endian numbers into a span, front to back. What does not fit is not written, and ``hasOverflowed`` says so
/// from then on: a composer writes all it has and asks once at the end.
public struct ByteWriter: ~Copyable, ~Escapable {
    @usableFromInline var bytes: MutableRawSpan
    /// Bytes written so far.
    public private(set) var byteCount = 0
    /// True once something did not fit; what was written before it stands.
    public private(set) var hasOverflowed = false

    /// A writer at the start of `bytes`.
    @_lifetime(&bytes)
    public init(_ bytes: inout MutableRawSpan) {
        self.bytes = bytes._mutatingExtracting(...)
    }

    /// Bytes that can still be written.
    public var spareByteCount: Int { hasOverflowed ? 0 : bytes.byteCount &- byteCount }

    @_lifetime(self: copy self)
    private mutating func claim(_ count: Int) -> Int? {
        guard count <= spareByteCount else {
            hasOverflowed = true
            return nil
        }
        defer { byteCount &+= count }
        return byteCount
    }

    /// Writes one byte.
    @_lifetime(self: copy self)
    public mutating func write(_ value: UInt8) {
        if let place = claim(1) { bytes.write(value, at: place) }
    }

    /// Writes a 16-bit number.
    @_lifetime(self: copy self)
    public mutating func write(_ value: UInt16) {
        if let place = claim(2) { bytes.write(value, at: place) }
    }

    /// Writes a 32-bit number.
    @_lifetime(self: copy self)
    public mutating func write(_ value: UInt32) {
        if let place = claim(4) { bytes.write(value, at: place) }
    }

    /// Writes a 64-bit number.
    @_lifetime(self: copy self)
    public mutating func write(_ value: UInt64) {
        if let place = claim(8) { bytes.write(value, at: place) }
    }

    /// Writes all of `source`.
    @_lifetime(self: copy self)
    public mutating func write(_ source: RawSpan) {
        guard let place = claim(source.byteCount) else { return }
        for offset in 0..<source.byteCount { bytes.write(source.uint8(at: offset), at: place &+ offset) }
    }

    /// Writes zeros until the byte count is a multiple of `alignment`.
    @_lifetime(self: copy self)
    public mutating func align(to alignment: Int) {
        while byteCount % alignment != 0, !hasOverflowed { write(0 as UInt8) }
    }

    /// Writes over a 16-bit number written before; ignored when `place` was never written.
    @_lifetime(self: copy self)
    public mutating func rewrite(_ value: UInt16, at place: Int) {
        if place >= 0, place &+ 2 <= byteCount { bytes.write(value, at: place) }
    }
}
