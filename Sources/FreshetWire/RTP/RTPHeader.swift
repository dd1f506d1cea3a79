/// The header of an RTP packet (RFC 3550 §5.1), with where its payload lies.
public struct RTPHeader: Equatable, Sendable {
    /// Set by the sender at points that matter to the payload format (MPEG-TS: a clock discontinuity, RFC 2250 §2).
    public var marker: Bool
    /// What the payload is; 0 to 127. MPEG-TS is 33 (RFC 3551 §6).
    public var payloadType: UInt8
    /// Goes up by one a packet and wraps at 16 bits; compare only after extension.
    public var sequenceNumber: UInt16
    /// The media clock (90 kHz for MPEG-TS) at the payload's first byte, from a random start; wraps at 32 bits.
    public var timestamp: UInt32
    /// Who sends. RIST marks a retransmission in the lowest bit; see ``isRetransmission``.
    public var ssrc: UInt32
    /// How many contributing sources follow the fixed header, 0 to 15.
    public let contributorCount: UInt8
    /// True when the packet has a header extension (RFC 3550 §5.3.1).
    public let hasExtension: Bool
    /// Bytes before the payload: fixed header, contributing sources, extension.
    public let headerByteCount: Int
    /// Bytes of payload, padding taken off.
    public let payloadByteCount: Int
    /// Bytes of padding after the payload, its count byte included (RFC 3550 §5.1); mostly 0.
    public let paddingByteCount: Int

    /// Bytes of a header without contributing sources and extension.
    @inlinable public static var fixedByteCount: Int { 12 }
    /// The static payload type of MPEG-TS (RFC 3551 §6).
    @inlinable public static var transportStreamPayloadType: UInt8 { 33 }

    /// A plain header: no padding, extension or contributing sources.
    public init(
        payloadType: UInt8 = RTPHeader.transportStreamPayloadType, marker: Bool = false,
        sequenceNumber: UInt16,
        timestamp: UInt32, ssrc: UInt32
    ) {
        self.marker = marker
        self.payloadType = payloadType & 0x7F
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.ssrc = ssrc
        contributorCount = 0
        hasExtension = false
        headerByteCount = RTPHeader.fixedByteCount
        payloadByteCount = 0
        paddingByteCount = 0
    }

    /// The header of the packet `bytes`; `nil` unless its version is 2 and all it announces lies inside `bytes`.
    @inlinable public init?(parsing bytes: RawSpan) {
        let count = bytes.byteCount
        guard count >= RTPHeader.fixedByteCount else { return nil }
        let first = bytes.uint32(at: 0)
        guard first >> 30 == 2 else { return nil }
        marker = first & 0x80_0000 != 0
        payloadType = UInt8(truncatingIfNeeded: first >> 16) & 0x7F
        sequenceNumber = UInt16(truncatingIfNeeded: first)
        timestamp = bytes.uint32(at: 4)
        ssrc = bytes.uint32(at: 8)
        contributorCount = UInt8(truncatingIfNeeded: first >> 24) & 0x0F
        hasExtension = first & 0x1000_0000 != 0
        // Padding, extension, contributing sources: none of them in almost every packet.
        if first & 0x3F00_0000 == 0 {
            headerByteCount = RTPHeader.fixedByteCount
            paddingByteCount = 0
        } else {
            guard let layout = RTPHeader.layout(first, bytes) else { return nil }
            headerByteCount = layout.header
            paddingByteCount = layout.padding
        }
        payloadByteCount = count &- headerByteCount &- paddingByteCount
    }

    /// Bytes of header and of padding that the first word announces; `nil` when they do not fit.
    @usableFromInline static func layout(_ first: UInt32, _ bytes: RawSpan) -> (header: Int, padding: Int)? {
        var header = fixedByteCount &+ 4 &* Int(first >> 24 & 0x0F)
        if first & 0x1000_0000 != 0 {
            guard bytes.byteCount >= header &+ 4 else { return nil }
            header &+= 4 &+ 4 &* Int(bytes.uint16(at: header &+ 2))
        }
        guard bytes.byteCount >= header else { return nil }
        if first & 0x2000_0000 == 0 { return (header, 0) }
        // The last byte counts the padding, itself included, so zero is not a count.
        let padding = Int(bytes.uint8(at: bytes.byteCount &- 1))
        guard padding > 0, padding <= bytes.byteCount &- header else { return nil }
        return (header, padding)
    }

    /// Writes the fixed 12 bytes, announcing no padding, extension or contributing source, to the front of `bytes`.
    /// Traps when `bytes` is shorter than that.
    public func write(into bytes: inout MutableRawSpan) {
        RTPHeader.write(
            payloadType: payloadType, marker: marker, sequenceNumber: sequenceNumber, timestamp: timestamp,
            ssrc: ssrc, into: &bytes)
    }

    /// Writes a plain 12-byte header to the front of `bytes`; traps when `bytes` is shorter than that.
    public static func write(
        payloadType: UInt8 = transportStreamPayloadType, marker: Bool = false, sequenceNumber: UInt16,
        timestamp: UInt32, ssrc: UInt32, into bytes: inout MutableRawSpan
    ) {
        let kind = UInt32(payloadType & 0x7F) | (marker ? 0x80 : 0)
        bytes.write(0x8000_0000 | kind << 16 | UInt32(sequenceNumber), at: 0)
        bytes.write(timestamp, at: 4)
        bytes.write(ssrc, at: 8)
    }
}

/// RIST's mark of a retransmission: the lowest bit of the SSRC, 0 in the packet as first sent (VSF TR-06-1 §5.3.3).
extension RTPHeader {
    /// True when the packet is a retransmission.
    public var isRetransmission: Bool { ssrc & 1 != 0 }

    /// The SSRC of the source itself, the mark taken off.
    public var sourceSSRC: UInt32 { RTPHeader.originalSSRC(ssrc) }

    /// `ssrc` as a packet sent for the first time carries it.
    @inlinable public static func originalSSRC(_ ssrc: UInt32) -> UInt32 { ssrc & ~1 }

    /// `ssrc` as a retransmission carries it.
    @inlinable public static func retransmissionSSRC(_ ssrc: UInt32) -> UInt32 { ssrc | 1 }

    /// Sets or clears the mark in the RTP packet `packet`, in place; a packet shorter than a header is left alone.
    public static func markRetransmission(_ isRetransmission: Bool, in packet: inout MutableRawSpan) {
        guard packet.byteCount >= fixedByteCount else { return }
        let low = packet.uint8(at: 11)
        packet.write(isRetransmission ? low | 1 : low & ~1, at: 11)
    }
}
