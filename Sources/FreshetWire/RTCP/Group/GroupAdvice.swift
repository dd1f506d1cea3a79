/// What the source of a group tells all members about the group: an RTCP APP packet named "FRSH", subtype 8,
/// sent with its heartbeats. Its layout is in the WireProtocol page.
///
/// Members cannot know how far apart they are or how many, and both decide how long to wait before asking
/// (RFC 5401 §3.2.2 has the sender advertise them too).
public struct GroupAdvice: Equatable, Sendable {
    /// Marks; bits not named here are sent as zero and ignored.
    public struct Flags: OptionSet, Sendable {
        /// The marks as on the wire.
        public let rawValue: UInt8
        /// The marks whose bits are set in `rawValue`.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Members do not hear each other on this group (source-specific multicast): they ask the source by
        /// unicast.
        public static let isSourceSpecific = Flags(rawValue: 1 << 0)
        /// The caller that is named asks the group: it answers for its segment, or has asked the group before.
        public static let hasGroupCaller = Flags(rawValue: 1 << 1)
    }

    /// The source, retransmission bit clear.
    public var ssrc: UInt32
    /// Marks.
    public var flags: Flags
    /// The largest round trip between the source and a member, in microseconds (GRTT).
    public var groupRoundTrip: UInt32
    /// About how many members there are.
    public var groupSize: UInt32
    /// How far apart one member's reports are to be, in milliseconds.
    public var reportInterval: UInt32
    /// The source's clock in microseconds, for members' reports to give back; wraps.
    public var stamp: UInt32
    /// The member that is to ask at once when it misses a packet, by its SSRC; 0 when none is named.
    public var caller: UInt32

    /// Advice of these values.
    public init(
        ssrc: UInt32, flags: Flags = [], groupRoundTrip: UInt32, groupSize: UInt32, reportInterval: UInt32,
        stamp: UInt32, caller: UInt32
    ) {
        self.ssrc = ssrc
        self.flags = flags
        self.groupRoundTrip = groupRoundTrip
        self.groupSize = groupSize
        self.reportInterval = reportInterval
        self.stamp = stamp
        self.caller = caller
    }

    /// The APP subtype of group advice.
    public static let subtype = 8
    /// Bytes of a whole advice packet.
    public static let byteCount = 36

    /// The advice in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(GroupAdvice.subtype, byteCount: GroupAdvice.byteCount) else { return nil }
        let bytes = packet.bytes
        ssrc = RTPHeader.originalSSRC(bytes.uint32(at: 4))
        flags = Flags(rawValue: bytes.uint8(at: 13)).intersection([.isSourceSpecific, .hasGroupCaller])
        groupRoundTrip = bytes.uint32(at: 16)
        groupSize = bytes.uint32(at: 20)
        reportInterval = bytes.uint32(at: 24)
        stamp = bytes.uint32(at: 28)
        caller = bytes.uint32(at: 32)
    }
}

extension RTCPPacket {
    /// True for a FRSH message of `subtype` and the known version with at least `byteCount` bytes.
    func isGroupMessage(_ subtype: Int, byteCount: Int) -> Bool {
        guard applicationName == Heartbeat.name, applicationSubtype == subtype else { return false }
        return bytes.byteCount >= byteCount && bytes.uint8(at: 12) == Heartbeat.protocolVersion
    }
}

extension CompoundWriter {
    /// Starts a FRSH message of the known version: everything up to byte 14.
    @_lifetime(self: copy self)
    mutating func beginGroupMessage(_ subtype: Int, ssrc: UInt32, flags: UInt8, byteCount: Int) -> Bool {
        guard begin(RTCPPacket.Kind.application, count: subtype, byteCount: byteCount) else { return false }
        writer.write(ssrc)
        writer.write(Heartbeat.name)
        writer.write(Heartbeat.protocolVersion)
        writer.write(flags)
        return true
    }

    /// Writes advice to a group.
    @_lifetime(self: copy self)
    public mutating func write(_ advice: GroupAdvice) {
        let total = GroupAdvice.byteCount
        let flags = advice.flags.rawValue
        guard beginGroupMessage(GroupAdvice.subtype, ssrc: advice.ssrc, flags: flags, byteCount: total) else {
            return
        }
        writer.write(0 as UInt16)
        writer.write(advice.groupRoundTrip)
        writer.write(advice.groupSize)
        writer.write(advice.reportInterval)
        writer.write(advice.stamp)
        writer.write(advice.caller)
    }
}
