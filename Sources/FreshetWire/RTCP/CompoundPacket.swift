/// One RTCP packet inside a datagram (RFC 3550 §6.1): a view, valid while the datagram's bytes are.
public struct RTCPPacket: ~Escapable {
    /// Kinds of RTCP packet by their type number.
    public enum Kind {
        /// SR (RFC 3550 §6.4.1).
        public static let senderReport: UInt8 = 200
        /// RR (RFC 3550 §6.4.2).
        public static let receiverReport: UInt8 = 201
        /// SDES (RFC 3550 §6.5).
        public static let sourceDescription: UInt8 = 202
        /// BYE (RFC 3550 §6.6).
        public static let goodbye: UInt8 = 203
        /// APP (RFC 3550 §6.7).
        public static let application: UInt8 = 204
        /// RTPFB, transport layer feedback (RFC 4585 §6.1).
        public static let transportFeedback: UInt8 = 205
    }

    /// The type number; see ``Kind``.
    public let kind: UInt8
    /// The five bits beside the version: a count of blocks or sources, a subtype or a feedback format, by kind.
    public let count: Int
    /// The packet from its first header byte, padding taken off: 4 bytes at least.
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(kind: UInt8, count: Int, bytes: RawSpan) {
        self.kind = kind
        self.count = count
        self.bytes = bytes
    }

    /// The number behind the header, the sender's SSRC in every kind but SDES and an empty BYE; `nil` when
    /// there is none.
    public var ssrc: UInt32? { bytes.byteCount >= 8 ? bytes.uint32(at: 4) : nil }
}

/// Walks the RTCP packets of one datagram, in order.
///
/// The whole datagram is checked before the first packet is handed out (RFC 3550 appendix A.2): version 2
/// throughout, lengths that add up to the datagram exactly, padding in the last packet only, a report first.
/// What passes is handed out without further doubt; a datagram with one wrong length is refused as a whole,
/// since nothing after it can be trusted.
public struct CompoundPacket: ~Escapable {
    private let bytes: RawSpan
    private var position = 0

    /// The packets of `datagram`; `nil` when it is not RTCP.
    ///
    /// `allowsReducedSize` takes datagrams that start with something other than a report (RFC 5506 §3.4.2).
    @_lifetime(copy datagram)
    public init?(parsing datagram: RawSpan, allowsReducedSize: Bool = false) {
        guard CompoundPacket.isWellFormed(datagram, allowsReducedSize) else { return nil }
        bytes = datagram
    }

    private static func isWellFormed(_ datagram: RawSpan, _ allowsReducedSize: Bool) -> Bool {
        var position = 0
        var mayContinue = true
        while position < datagram.byteCount {
            guard mayContinue, datagram.byteCount &- position >= 4 else { return false }
            let first = datagram.uint32(at: position)
            let kind = UInt8(truncatingIfNeeded: first >> 16)
            guard first >> 30 == 2, kind >= 192, kind <= 223 else { return false }
            let isReport = kind == RTCPPacket.Kind.senderReport || kind == RTCPPacket.Kind.receiverReport
            let hasPadding = first & 0x2000_0000 != 0
            if position == 0, !isReport, !allowsReducedSize { return false }
            let byteCount = 4 &+ 4 &* Int(first & 0xFFFF)
            let end = position &+ byteCount
            guard end <= datagram.byteCount else { return false }
            if hasPadding {
                let padding = Int(datagram.uint8(at: end &- 1))
                guard padding > 0, padding % 4 == 0, padding <= byteCount &- 4 else { return false }
                mayContinue = false
            }
            position = end
        }
        return position > 0
    }

    /// The next packet; `nil` after the last.
    @_lifetime(copy self)
    public mutating func next() -> RTCPPacket? {
        guard bytes.byteCount &- position >= 4 else { return nil }
        let first = bytes.uint32(at: position)
        var end = position &+ 4 &+ 4 &* Int(first & 0xFFFF)
        let start = position
        position = end
        if first & 0x2000_0000 != 0 { end &-= Int(bytes.uint8(at: end &- 1)) }
        return RTCPPacket(
            kind: UInt8(truncatingIfNeeded: first >> 16), count: Int(first >> 24 & 0x1F),
            bytes: bytes.extracting(start..<end))
    }
}
