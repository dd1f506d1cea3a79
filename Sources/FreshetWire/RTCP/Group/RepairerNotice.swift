/// "I answer for this segment": an RTCP APP packet named "FRSH", subtype 10, which the elected local
/// repairer sends to its segment about once a second. Its layout is in the WireProtocol page.
public struct RepairerNotice: Equatable, Sendable {
    /// Marks; bits not named here are sent as zero and ignored.
    public struct Flags: OptionSet, Sendable {
        /// The marks as on the wire.
        public let rawValue: UInt8
        /// The marks whose bits are set in `rawValue`.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The sender gives the office up.
        public static let isLeaving = Flags(rawValue: 1 << 0)
    }

    /// Who answers.
    public var senderSSRC: UInt32
    /// The source whose packets it holds, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// Marks.
    public var flags: Flags
    /// How well placed it is, less is better: the share of packets it misses in 1/256 in the high byte, its
    /// distance from the source in the low one.
    public var rank: UInt16

    /// A notice of these values.
    public init(senderSSRC: UInt32, mediaSSRC: UInt32, flags: Flags = [], rank: UInt16) {
        self.senderSSRC = senderSSRC
        self.mediaSSRC = mediaSSRC
        self.flags = flags
        self.rank = rank
    }

    /// The APP subtype of a repairer's notice.
    public static let subtype = 10
    /// Bytes of a whole notice.
    public static let byteCount = 20

    /// The notice in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(RepairerNotice.subtype, byteCount: RepairerNotice.byteCount) else {
            return nil
        }
        let bytes = packet.bytes
        senderSSRC = bytes.uint32(at: 4)
        flags = Flags(rawValue: bytes.uint8(at: 13)).intersection(.isLeaving)
        rank = bytes.uint16(at: 14)
        mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 16))
    }
}

extension CompoundWriter {
    /// Writes a repairer's notice.
    @_lifetime(self: copy self)
    public mutating func write(_ notice: RepairerNotice) {
        let total = RepairerNotice.byteCount
        let flags = notice.flags.rawValue
        guard
            beginGroupMessage(
                RepairerNotice.subtype, ssrc: notice.senderSSRC, flags: flags, byteCount: total)
        else { return }
        writer.write(notice.rank)
        writer.write(notice.mediaSSRC)
    }
}
