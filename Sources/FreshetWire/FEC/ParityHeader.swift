/// A datagram of row or column parity: an RTP packet whose payload begins with the FEC header of SMPTE ST
/// 2022-1 (Pro-MPEG CoP #3; RFC 2733 before it).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       SNBase low bits         |        length recovery        |
/// |E| PT recovery |                    mask                       |
/// |                          TS recovery                          |
/// |X|D|type |index|    offset     |      NA       |SNBase ext bits|
/// ```
///
/// "Recovery" is the exclusive or of that field of all packets protected, which are NA packets, each `offset`
/// after the one before. Padding, extension, contributors and marker are recovered by those of the RTP header
/// in front, so nothing follows from them about the datagram itself.
public struct ParityHeader: Equatable, Sendable {
    /// Which packets of the matrix a datagram protects.
    public enum Direction: UInt8, Sendable {
        /// Every L-th packet.
        case column = 0
        /// Packets in a row.
        case row = 1
    }

    /// Sequence number of the first packet protected.
    public var sequenceBase: UInt16
    /// Row or column.
    public var direction: Direction
    /// From one packet protected to the next.
    public var offset: UInt8
    /// How many packets are protected.
    public var count: UInt8
    /// Recovers what follows the first 12 bytes of a packet: its length.
    public var lengthRecovery: UInt16
    /// Recovers padding, extension and contributor count: the low six bits of a packet's first byte.
    public var flagRecovery: UInt8
    /// Recovers marker and payload type: a packet's second byte.
    public var typeRecovery: UInt8
    /// Recovers the timestamp.
    public var timestampRecovery: UInt32

    /// Bytes in front of the parity: RTP header and FEC header.
    @inlinable public static var byteCount: Int { 28 }
    /// The payload type that equipment sends parity with.
    @inlinable public static var payloadType: UInt8 { 96 }

    /// A header without any recovery yet.
    public init(sequenceBase: UInt16, direction: Direction, offset: UInt8, count: UInt8) {
        self.sequenceBase = sequenceBase
        self.direction = direction
        self.offset = offset
        self.count = count
        lengthRecovery = 0
        flagRecovery = 0
        typeRecovery = 0
        timestampRecovery = 0
    }

    /// The header of the datagram `bytes`; `nil` when it is too short, not exclusive-or parity, or protects
    /// no packet. The parity is all behind ``byteCount``.
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount >= ParityHeader.byteCount, bytes.uint8(at: 0) >> 6 == 2 else { return nil }
        // X is reserved; type 0 is exclusive or.
        let kind = bytes.uint8(at: 24)
        guard kind & 0xB8 == 0, let direction = Direction(rawValue: kind >> 6 & 1) else { return nil }
        self.direction = direction
        sequenceBase = bytes.uint16(at: 12)
        lengthRecovery = bytes.uint16(at: 14)
        flagRecovery = bytes.uint8(at: 0) & 0x3F
        typeRecovery = bytes.uint8(at: 1) & 0x80 | bytes.uint8(at: 16) & 0x7F
        timestampRecovery = bytes.uint32(at: 20)
        offset = bytes.uint8(at: 25)
        count = bytes.uint8(at: 26)
        guard offset > 0, count > 0 else { return nil }
    }

    /// Writes RTP header and FEC header to the front of `bytes`; traps when they are fewer than
    /// ``byteCount``.
    public func write(sequenceNumber: UInt16, timestamp: UInt32, into bytes: inout MutableRawSpan) {
        RTPHeader.write(
            payloadType: ParityHeader.payloadType, marker: typeRecovery & 0x80 != 0,
            sequenceNumber: sequenceNumber, timestamp: timestamp, ssrc: 0, into: &bytes)
        bytes.write(0x80 | flagRecovery & 0x3F, at: 0)
        bytes.write(sequenceBase, at: 12)
        bytes.write(lengthRecovery, at: 14)
        bytes.write(0x80 | typeRecovery & 0x7F, at: 16)
        bytes.write(0 as UInt8, at: 17)
        bytes.write(0 as UInt16, at: 18)
        bytes.write(timestampRecovery, at: 20)
        bytes.write(direction.rawValue << 6, at: 24)
        bytes.write(offset, at: 25)
        bytes.write(count, at: 26)
        bytes.write(0 as UInt8, at: 27)
    }
}
