public import FreshetCore

/// One entry of a Freshet repair request: which packets are missing, in which round of asking, and what would help.
public struct RepairEntry: Equatable, Sendable {
    /// The first missing packet, counted from the request's base.
    public var offset: UInt16
    /// Bit i, from the lowest, set: the packet `offset` + i + 1 is missing too.
    public var lostMask: UInt16
    /// How often these packets were asked for before, 0 to 127. An entry that comes again with the same round
    /// is the same request, sent again because the first may have been lost; it is answered once.
    public var round: UInt8
    /// Parity over the missing packets is as welcome as copies.
    public var allowsParity: Bool
    /// How many copies of each are wanted, in quarters; less than one whole copy is one.
    public var quarterCopies: UInt8
    /// How long after the request's arrival a copy may still leave and come in time, in tenths of a millisecond.
    public var window: UInt16

    /// An entry of these values.
    public init(
        offset: UInt16, lostMask: UInt16 = 0, round: UInt8, allowsParity: Bool = false,
        quarterCopies: UInt8 = 4, window: UInt16
    ) {
        self.offset = offset
        self.lostMask = lostMask
        self.round = round & 0x7F
        self.allowsParity = allowsParity
        self.quarterCopies = quarterCopies
        self.window = window
    }

    static let byteCount = 8
}

/// Freshet's own request for repair: an RTCP APP packet named "FRSH", subtype 1. Its layout is in the
/// WireProtocol page.
///
/// Beyond RIST's requests it tells the round, so that a request may be sent several times and is answered
/// once; how many copies are wanted, and how far apart; and how long a copy is of use. Sent only to sources
/// that showed a heartbeat.
public struct RepairRequest: Equatable, Sendable {
    /// Who asks.
    public var senderSSRC: UInt32
    /// The source whose packets are missing, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// Time that should pass between two copies of one packet, in tenths of a millisecond: more than a burst
    /// of loss lasts.
    public var spacing: UInt16
    /// The round trip as the asker measured it, in tenths of a millisecond; 0: not known.
    public var roundTrip: UInt16
    /// The 64-bit extended sequence number that entries count from.
    public var base: Int64

    /// A request of these values.
    public init(
        senderSSRC: UInt32, mediaSSRC: UInt32, spacing: UInt16, roundTrip: UInt16, base: Int64
    ) {
        self.senderSSRC = senderSSRC
        self.mediaSSRC = mediaSSRC
        self.spacing = spacing
        self.roundTrip = roundTrip
        self.base = base
    }

    /// The APP subtype of a repair request.
    public static let subtype = 1
    /// Bytes in front of the entries.
    public static let headerByteCount = 32
    /// The most entries in one request: it fits every Ethernet path with a report in front.
    public static let entryLimit = 140

    /// The request in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.applicationName == Heartbeat.name, packet.applicationSubtype == RepairRequest.subtype
        else {
            return nil
        }
        let bytes = packet.bytes
        guard bytes.byteCount >= RepairRequest.headerByteCount,
            bytes.uint8(at: 12) == Heartbeat.protocolVersion
        else { return nil }
        senderSSRC = bytes.uint32(at: 4)
        spacing = bytes.uint16(at: 14)
        mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 16))
        roundTrip = bytes.uint16(at: 20)
        base = Int64(bitPattern: bytes.uint64(at: 24))
    }

    /// `span` in tenths of a millisecond, held inside 16 bits.
    public static func tenths(_ span: Nanoseconds) -> UInt16 { UInt16(clamping: span.count / 100_000) }

    /// The span of `tenths` of a millisecond.
    public static func span(tenths: UInt16) -> Nanoseconds { .microseconds(Int64(tenths) * 100) }
}

extension RTCPPacket {
    /// How many entries a Freshet repair request has; 0 in what is none.
    public var repairEntryCount: Int {
        guard applicationName == Heartbeat.name, applicationSubtype == RepairRequest.subtype else { return 0 }
        return max(0, bytes.byteCount &- RepairRequest.headerByteCount) / RepairEntry.byteCount
    }

    /// Entry `index` of a Freshet repair request; `nil` past the last.
    public func repairEntry(at index: Int) -> RepairEntry? {
        guard index >= 0, index < repairEntryCount else { return nil }
        let place = RepairRequest.headerByteCount &+ RepairEntry.byteCount &* index
        let round = bytes.uint8(at: place &+ 4)
        return RepairEntry(
            offset: bytes.uint16(at: place), lostMask: bytes.uint16(at: place &+ 2), round: round & 0x7F,
            allowsParity: round & 0x80 != 0, quarterCopies: bytes.uint8(at: place &+ 5),
            window: bytes.uint16(at: place &+ 6))
    }
}
