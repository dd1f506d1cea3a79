/// "These are known to be missing, and their repair is under way": an RTCP APP packet named "FRSH", subtype
/// 9, so that others need not ask. PGM's NAK confirmation (RFC 3208 §5.2) is the idea. Its layout is in the
/// WireProtocol page.
///
/// A promise: whoever gives it and does not keep it is not listened to for long.
public struct LossNotice: Equatable, Sendable {
    /// Who takes care of it.
    public var senderSSRC: UInt32
    /// The source whose packets are missing, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// How long others should wait for the repair, in tenths of a millisecond.
    public var lifetime: UInt16
    /// How many entries follow.
    public private(set) var entryCount = 0

    /// A notice of these values.
    public init(senderSSRC: UInt32, mediaSSRC: UInt32, lifetime: UInt16) {
        self.senderSSRC = senderSSRC
        self.mediaSSRC = mediaSSRC
        self.lifetime = lifetime
    }

    /// The APP subtype of a loss notice.
    public static let subtype = 9
    /// Bytes in front of the entries.
    public static let headerByteCount = 20
    /// The most entries in one notice.
    public static let entryLimit = 32

    /// The notice in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(LossNotice.subtype, byteCount: LossNotice.headerByteCount) else {
            return nil
        }
        let bytes = packet.bytes
        senderSSRC = bytes.uint32(at: 4)
        lifetime = bytes.uint16(at: 14)
        mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 16))
        entryCount = min((bytes.byteCount &- LossNotice.headerByteCount) / 4, LossNotice.entryLimit)
    }

    /// Two notices are the same when they say the same; their entries are not looked at.
    public static func == (a: LossNotice, b: LossNotice) -> Bool {
        a.senderSSRC == b.senderSSRC && a.mediaSSRC == b.mediaSSRC && a.lifetime == b.lifetime
    }
}

extension RTCPPacket {
    /// Entry `index` of a loss notice; `nil` past the last.
    public func noticeEntry(at index: Int) -> NACKEntry? {
        let place = LossNotice.headerByteCount &+ 4 &* index
        guard index >= 0, index < LossNotice.entryLimit, place &+ 4 <= bytes.byteCount else { return nil }
        return NACKEntry(packetID: bytes.uint16(at: place), lostMask: bytes.uint16(at: place &+ 2))
    }
}

extension CompoundWriter {
    /// Writes a loss notice of `entries`; nothing when there are none.
    @_lifetime(self: copy self)
    public mutating func write(_ notice: LossNotice, entries: Span<NACKEntry>) {
        if entries.isEmpty { return }
        let total = LossNotice.headerByteCount &+ 4 &* entries.count
        guard beginGroupMessage(LossNotice.subtype, ssrc: notice.senderSSRC, flags: 0, byteCount: total)
        else { return }
        writer.write(notice.lifetime)
        writer.write(notice.mediaSSRC)
        for index in entries.indices {
            writer.write(entries[index].packetID)
            writer.write(entries[index].lostMask)
        }
    }
}
