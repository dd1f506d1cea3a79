/// "This datagram is for the segment": an RTCP APP packet named "FRSH", subtype 13, in front of a request
/// that members of the own segment are to answer. Its layout is in the WireProtocol page.
///
/// A hop limit keeps such a datagram near where it can; the mark says so where it cannot, and tells the
/// source, when it is near itself, that it is not the one asked.
public struct SegmentMark: Equatable, Sendable {
    /// Who asks.
    public var senderSSRC: UInt32

    /// How long the asker waits for an answer before it asks again, in hundredths of a millisecond; 0: it
    /// does not say. Who answers takes requests within most of that time for ones that the answer has not
    /// reached yet.
    public var patience: UInt16

    /// A mark by `senderSSRC`.
    public init(senderSSRC: UInt32, patience: UInt16 = 0) {
        self.senderSSRC = senderSSRC
        self.patience = patience
    }

    /// The APP subtype of a mark.
    public static let subtype = 13
    /// Bytes of a whole mark.
    public static let byteCount = 16

    /// The mark in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(SegmentMark.subtype, byteCount: SegmentMark.byteCount) else { return nil }
        senderSSRC = packet.bytes.uint32(at: 4)
        patience = packet.bytes.uint16(at: 14)
    }
}

extension CompoundWriter {
    /// Writes a mark.
    @_lifetime(self: copy self)
    public mutating func write(_ mark: SegmentMark) {
        let total = SegmentMark.byteCount
        guard beginGroupMessage(SegmentMark.subtype, ssrc: mark.senderSSRC, flags: 0, byteCount: total) else {
            return
        }
        writer.write(mark.patience)
    }
}
