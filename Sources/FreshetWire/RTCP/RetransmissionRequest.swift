/// One entry of a generic NACK: a lost packet and a mask of the 16 after it (RFC 4585 §6.2.1).
public struct NACKEntry: Equatable, Sendable {
    /// The sequence number of a lost packet (PID).
    public var packetID: UInt16
    /// Bit i, from the lowest, set: packet `packetID` + i + 1 is lost too (BLP).
    public var lostMask: UInt16

    /// An entry of these values.
    public init(packetID: UInt16, lostMask: UInt16) {
        self.packetID = packetID
        self.lostMask = lostMask
    }
}

/// One entry of RIST's range request: a lost packet and how many right after it (VSF TR-06-1 §5.3.2.2).
public struct NACKRange: Equatable, Sendable {
    /// The sequence number of the first lost packet.
    public var first: UInt16
    /// How many packets after it are lost too.
    public var additionalCount: UInt16

    /// An entry of these values.
    public init(first: UInt16, additionalCount: UInt16) {
        self.first = first
        self.additionalCount = additionalCount
    }
}

/// A request to send packets again, in either of RIST's two forms: whom it asks, and how many entries follow.
public struct RetransmissionRequest: Equatable, Sendable {
    /// How the lost packets are named.
    public enum Form: Sendable {
        /// Generic NACK, RTPFB format 1 (RFC 4585 §6.2.1): ``NACKEntry``.
        case bitmask
        /// RTCP APP "RIST" subtype 0 (VSF TR-06-1 §5.3.2.2): ``NACKRange``.
        case range
    }

    /// How the lost packets are named.
    public let form: Form
    /// The source whose packets are missing, retransmission bit clear.
    public let mediaSSRC: UInt32
    /// Who asks; 0 in the range form, which does not say.
    public let senderSSRC: UInt32
    /// How many entries there are.
    public let entryCount: Int

    /// "RIST".
    public static let applicationName: UInt32 = 0x5249_5354
    static let entriesOffset = 12

    /// The request in `packet`; `nil` when it is something else or names no packet.
    public init?(_ packet: borrowing RTCPPacket) {
        let bytes = packet.bytes
        guard bytes.byteCount >= RetransmissionRequest.entriesOffset &+ 4 else { return nil }
        if packet.kind == RTCPPacket.Kind.transportFeedback, packet.count == 1 {
            form = .bitmask
            senderSSRC = bytes.uint32(at: 4)
            mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 8))
        } else if packet.applicationName == RetransmissionRequest.applicationName, packet.count == 0 {
            form = .range
            senderSSRC = 0
            mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 4))
        } else {
            return nil
        }
        entryCount = (bytes.byteCount &- RetransmissionRequest.entriesOffset) / 4
    }
}

extension RTCPPacket {
    private func entryBits(at index: Int) -> UInt32? {
        let last = (bytes.byteCount &- RetransmissionRequest.entriesOffset) / 4
        guard index >= 0, index < last else { return nil }
        return bytes.uint32(at: RetransmissionRequest.entriesOffset &+ 4 &* index)
    }

    /// Entry `index` of a request in bitmask form; `nil` past the last.
    public func nackEntry(at index: Int) -> NACKEntry? {
        guard let bits = entryBits(at: index) else { return nil }
        return NACKEntry(
            packetID: UInt16(truncatingIfNeeded: bits >> 16), lostMask: UInt16(truncatingIfNeeded: bits))
    }

    /// Entry `index` of a request in range form; `nil` past the last.
    public func nackRange(at index: Int) -> NACKRange? {
        guard let bits = entryBits(at: index) else { return nil }
        return NACKRange(
            first: UInt16(truncatingIfNeeded: bits >> 16), additionalCount: UInt16(truncatingIfNeeded: bits))
    }
}
