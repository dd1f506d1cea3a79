/// What is known about a packet beside its bytes. 48 bytes, kept in the packet's slot and shared by all its
/// tickets.
public struct PacketInfo: Sendable {
    /// When the packet's last byte reached this host (kernel receive time where there is one), or was made
    /// here.
    public var arrival: Instant
    /// Where the packet stands on the stream's own continuous timeline (the schedule it was, or must be, sent
    /// by). Wraps and jumps of the wire's clocks are already taken out. Valid when `flags` has
    /// `hasMediaTime`.
    public var mediaTime: MediaTime
    /// RTP sequence number extended to 64 bits within its epoch. Valid when `flags` has `hasSequence`.
    public var extendedSequence: Int64
    /// RTP SSRC of the source, repair bit (lowest) cleared.
    public var ssrc: UInt32
    /// Counts the sources seen on one input: a new SSRC is a new epoch.
    public var epoch: UInt32
    /// The RTP timestamp as on the wire.
    public var rtpTimestamp: UInt32
    /// Marks; see ``PacketFlags``.
    public var flags: PacketFlags
    /// Bytes of transport header in front of the payload (the RTP header with its CSRCs and extension; else
    /// 0).
    public var headerByteCount: UInt16
    /// How long the stages behind are to wait for what is missing, in milliseconds; 0: as they were told.
    public var latencyMilliseconds: UInt16

    /// Info that says nothing.
    @inlinable public init() {
        arrival = .zero
        mediaTime = MediaTime(ticks: 0)
        extendedSequence = 0
        ssrc = 0
        epoch = 0
        rtpTimestamp = 0
        flags = []
        headerByteCount = 0
        latencyMilliseconds = 0
    }
}

/// Marks on a packet.
public struct PacketFlags: OptionSet, Sendable {
    /// The marks as bits.
    public let rawValue: UInt16
    /// The marks whose bits are set in `rawValue`.
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `extendedSequence`, `ssrc`, `epoch` and `rtpTimestamp` are filled in.
    @inlinable public static var hasSequence: PacketFlags { PacketFlags(rawValue: 1 << 0) }
    /// `mediaTime` is filled in.
    @inlinable public static var hasMediaTime: PacketFlags { PacketFlags(rawValue: 1 << 1) }
    /// A decoder can start here (a random access point begins in this packet).
    @inlinable public static var isKeyframe: PacketFlags { PacketFlags(rawValue: 1 << 2) }
    /// The RTP marker bit.
    @inlinable public static var hasMarker: PacketFlags { PacketFlags(rawValue: 1 << 3) }
    /// The stream's clock or content jumps here, on purpose or by loss.
    @inlinable public static var isDiscontinuity: PacketFlags { PacketFlags(rawValue: 1 << 4) }
    /// The packet is a repair of one sent before.
    @inlinable public static var isRetransmission: PacketFlags { PacketFlags(rawValue: 1 << 5) }
    /// Not media but a description of the media that follows (`samples` lines only).
    @inlinable public static var isFormat: PacketFlags { PacketFlags(rawValue: 1 << 6) }
    /// The packet carries a PCR at or before its last byte.
    @inlinable public static var hasClockReference: PacketFlags { PacketFlags(rawValue: 1 << 7) }
    /// The packet was computed from parity (FEC); `isRetransmission` is set too.
    @inlinable public static var isFromParity: PacketFlags { PacketFlags(rawValue: 1 << 8) }
    /// Another receiver sent the packet again, not its source; `isRetransmission` is set too.
    @inlinable public static var isFromNeighbour: PacketFlags { PacketFlags(rawValue: 1 << 9) }
    /// The packet came by another path than the first (SMPTE ST 2022-7).
    @inlinable public static var isFromSecondPath: PacketFlags { PacketFlags(rawValue: 1 << 10) }
}
