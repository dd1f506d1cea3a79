/// What stands in front of a repair symbol: the repair FEC payload identifier of RFC 8681 §4.1.3, and what
/// binds it to one stream for all its length.
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          repair key           |  DT   |   packets in window   |
/// |          first sequence number of the window, low 32          |
/// |         first sequence number of the window, high 32          |
/// |                 SSRC of the protected stream                  |
/// ```
public struct RLCRepairHeader: Equatable, Sendable {
    /// Seed of the coefficients.
    public var key: UInt16
    /// Density threshold, 0 to 15: of each 16 coefficients this many and one more are not 0.
    public var density: UInt8
    /// Packets in the window, 1 to 4095.
    public var count: Int
    /// Extended sequence number of the window's first packet, as the sender counts.
    public var first: Int64
    /// The stream that is protected.
    public var ssrc: UInt32

    /// Bytes of the header.
    @inlinable public static var byteCount: Int { 16 }
    /// The most packets in a window: 12 bits.
    @inlinable public static var countLimit: Int { 4095 }
    /// The payload type of repair packets.
    @inlinable public static var payloadType: UInt8 { 97 }

    /// A header of these values; `density` and `count` must be within their bounds.
    public init(key: UInt16, density: UInt8, first: Int64, count: Int, ssrc: UInt32) {
        precondition(density <= 15 && count >= 1 && count <= RLCRepairHeader.countLimit)
        self.key = key
        self.density = density
        self.first = first
        self.count = count
        self.ssrc = ssrc
    }

    /// The header at the start of `bytes`; `nil` when there is none, or no symbol behind it, or no packet in
    /// its window.
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount > RLCRepairHeader.byteCount else { return nil }
        let window = bytes.uint16(at: 2)
        count = Int(window & 0x0FFF)
        guard count > 0 else { return nil }
        key = bytes.uint16(at: 0)
        density = UInt8(truncatingIfNeeded: window >> 12)
        let low = UInt64(bytes.uint32(at: 4))
        first = Int64(bitPattern: UInt64(bytes.uint32(at: 8)) << 32 | low)
        ssrc = bytes.uint32(at: 12)
    }

    /// Writes the header to the front of `bytes`; traps when they are fewer than ``byteCount``.
    public func write(into bytes: inout MutableRawSpan) {
        let number = UInt64(bitPattern: first)
        bytes.write(key, at: 0)
        bytes.write(UInt16(density) << 12 | UInt16(count), at: 2)
        bytes.write(UInt32(truncatingIfNeeded: number), at: 4)
        bytes.write(UInt32(truncatingIfNeeded: number >> 32), at: 8)
        bytes.write(ssrc, at: 12)
    }
}
