/// What the first bytes of a transport stream packet say (ISO/IEC 13818-1 §2.4.3): its header and adaptation field.
///
/// A value, not a view: the offsets in it count from the packet's sync byte.
public struct TSPacket: Equatable, Sendable {
    /// Bytes of a packet.
    public static let byteCount = 188
    /// What every packet begins with.
    public static let syncByte: UInt8 = 0x47
    /// The PID of stuffing (null packets).
    public static let nullPID: UInt16 = 0x1FFF
    /// The PID of the program association table.
    public static let programAssociationPID: UInt16 = 0

    /// What the packet says of itself.
    public struct Flags: OptionSet, Sendable {
        /// The flags as bits.
        public let rawValue: UInt16
        /// The flags whose bits are set in `rawValue`.
        @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Damaged on its way (transport_error_indicator): nothing else in it can be relied on.
        @inlinable public static var hasTransportError: Flags { Flags(rawValue: 1 << 15) }
        /// A PES packet or a section starts in the payload (payload_unit_start_indicator).
        @inlinable public static var startsUnit: Flags { Flags(rawValue: 1 << 14) }
        /// Sent before others of its PID (transport_priority).
        @inlinable public static var hasPriority: Flags { Flags(rawValue: 1 << 13) }
        /// There is an adaptation field, if only its length byte.
        @inlinable public static var hasAdaptation: Flags { Flags(rawValue: 1 << 9) }
        /// There is a payload.
        @inlinable public static var hasPayload: Flags { Flags(rawValue: 1 << 8) }
        /// The clock (in a PCR PID) or the continuity counter jumps here on purpose (discontinuity_indicator).
        @inlinable public static var isDiscontinuity: Flags { Flags(rawValue: 1 << 7) }
        /// A decoder can start here (random_access_indicator).
        @inlinable public static var isRandomAccess: Flags { Flags(rawValue: 1 << 6) }
        /// There is a PCR: ``TSPacket/clockReference``.
        @inlinable public static var hasClockReference: Flags { Flags(rawValue: 1 << 4) }
    }

    /// What the packet says of itself.
    public let flags: Flags
    /// Which elementary stream or table it belongs to, 0 to 8191.
    public let pid: UInt16
    /// transport_scrambling_control: 0 clear, 2 and 3 scrambled with the even and odd key.
    public let scrambling: UInt8
    /// Goes up by one with each packet of the PID that has a payload; 4 bits.
    public let continuityCounter: UInt8
    /// Where the payload starts; 188 when there is none.
    public let payloadOffset: Int
    /// The PCR in ticks of 27 MHz, wrapped (see ``ClockReference``); 0 unless `flags` has `hasClockReference`.
    public let clockReference: Int64

    /// Bytes of payload.
    @inlinable public var payloadByteCount: Int { TSPacket.byteCount &- payloadOffset }

    /// The packet that starts at `offset` of `bytes`.
    ///
    /// `nil` when fewer than 188 bytes are left or the sync byte is missing. A packet whose adaptation field contradicts
    /// itself is read as one without: no payload, no flags of the field, no PCR.
    public init?(parsing bytes: RawSpan, at offset: Int = 0) {
        guard offset >= 0, offset <= bytes.byteCount &- TSPacket.byteCount else { return nil }
        let header = bytes.uint32(at: offset)
        guard header >> 24 == UInt32(TSPacket.syncByte) else { return nil }
        pid = UInt16(truncatingIfNeeded: header >> 8) & 0x1FFF
        scrambling = UInt8(truncatingIfNeeded: header >> 6) & 3
        continuityCounter = UInt8(truncatingIfNeeded: header) & 0x0F
        // The three bits beside the PID go to 15...13, adaptation and payload to 9 and 8, the field's own below.
        var marks =
            UInt16(truncatingIfNeeded: header >> 8) & 0xE000 | UInt16(truncatingIfNeeded: header << 4)
            & 0x0300
        var start = 4
        var reference: Int64 = 0
        if marks & Flags.hasAdaptation.rawValue != 0 {
            let length = Int(bytes.uint8(at: offset &+ 4))
            // 183 fills the packet; with a payload behind it the field leaves at least one byte (§2.4.3.5).
            let limit = marks & Flags.hasPayload.rawValue != 0 ? 182 : 183
            if length > limit {
                marks &= ~(Flags.hasAdaptation.rawValue | Flags.hasPayload.rawValue)
            } else if length > 0 {
                marks |= UInt16(bytes.uint8(at: offset &+ 5))
                if marks & Flags.hasClockReference.rawValue != 0 {
                    if length >= 7 {
                        reference = ClockReference.read(bytes, at: offset &+ 6)
                    } else {
                        marks &= ~Flags.hasClockReference.rawValue
                    }
                }
            }
            start = 5 &+ length
        }
        flags = Flags(rawValue: marks)
        payloadOffset = flags.contains(.hasPayload) ? start : TSPacket.byteCount
        clockReference = reference
    }

    /// The PID of the packet at `offset`, without looking at anything else; traps outside `bytes`.
    @inlinable public static func pid(of bytes: RawSpan, at offset: Int = 0) -> UInt16 {
        bytes.uint16(at: offset &+ 1) & 0x1FFF
    }
}
