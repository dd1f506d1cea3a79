extension RTCPPacket {
    /// The four characters of an APP's name as a number, first character in the high byte (RFC 3550 §6.7);
    /// `nil` in other kinds.
    public var applicationName: UInt32? {
        kind == Kind.application && bytes.byteCount >= 12 ? bytes.uint32(at: 8) : nil
    }

    /// An APP's subtype, 0 to 31.
    public var applicationSubtype: Int { count }

    /// An APP's data, after the name; empty in other kinds.
    public var applicationData: RawSpan {
        @_lifetime(copy self)
        get {
            let start = kind == Kind.application ? min(12, bytes.byteCount) : bytes.byteCount
            return bytes.extracting(start..<bytes.byteCount)
        }
    }
}

/// Freshet's heartbeat: an RTCP APP packet named "FRSH", subtype 15, 32 bytes in all, sent with every sender report.
///
/// It tells receivers the 64-bit sequence numbers they see only 16 bits of, and how far the stream has come, so that
/// losses at the very end are noticed and the end is known. Its layout is in the WireProtocol page.
public struct Heartbeat: Equatable, Sendable {
    /// Marks of a heartbeat; bits not named here are sent as zero and ignored.
    public struct Flags: OptionSet, Sendable {
        /// The marks as on the wire.
        public let rawValue: UInt8
        /// The marks whose bits are set in `rawValue`.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The stream is over: `highestSequence` is its last packet.
        public static let isEnding = Flags(rawValue: 1 << 0)
        /// The source keeps what it sent for a while and sends it again when asked.
        public static let answersRequests = Flags(rawValue: 1 << 1)
        static let known: Flags = [.isEnding, .answersRequests]
    }

    /// The source, retransmission bit clear.
    public var ssrc: UInt32
    /// Marks.
    public var flags: Flags
    /// The extended sequence number of the last packet sent. Meaningless while `packetCount` is 0.
    public var highestSequence: Int64
    /// Packets sent in this epoch, retransmissions not counted.
    public var packetCount: UInt64

    /// A heartbeat of these values.
    public init(ssrc: UInt32, flags: Flags = [], highestSequence: Int64, packetCount: UInt64) {
        self.ssrc = ssrc
        self.flags = flags
        self.highestSequence = highestSequence
        self.packetCount = packetCount
    }

    /// "FRSH".
    public static let name: UInt32 = 0x4652_5348
    /// The APP subtype of a heartbeat. Not one of RIST's (0 to 3): librist goes by the subtype without a look
    /// at the name.
    public static let subtype = 15
    /// The version of the FRSH messages described here.
    public static let protocolVersion: UInt8 = 1
    /// Bytes of a whole heartbeat packet.
    public static let byteCount = 32

    /// The heartbeat in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    /// Data after the known fields is left for later versions to use.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.applicationName == Heartbeat.name, packet.applicationSubtype == Heartbeat.subtype else {
            return nil
        }
        let bytes = packet.bytes
        guard bytes.byteCount >= Heartbeat.byteCount, bytes.uint8(at: 12) == Heartbeat.protocolVersion else {
            return nil
        }
        ssrc = bytes.uint32(at: 4)
        flags = Flags(rawValue: bytes.uint8(at: 13)).intersection(.known)
        highestSequence = Int64(bitPattern: bytes.uint64(at: 16))
        packetCount = bytes.uint64(at: 24)
    }
}
