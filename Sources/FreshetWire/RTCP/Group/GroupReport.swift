/// One member's report to the source of a group: an RTCP APP packet named "FRSH", subtype 11. Its layout is in the
/// WireProtocol page.
///
/// It says how often its sender reports, so that the source can tell the size of the group from the few
/// reports of one moment: each stands for as many members as would have reported in its interval.
public struct GroupReport: Equatable, Sendable {
    /// Marks; bits not named here are sent as zero and ignored.
    public struct Flags: OptionSet, Sendable {
        /// The marks as on the wire.
        public let rawValue: UInt8
        /// The marks whose bits are set in `rawValue`.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The sender answers for its segment and would ask for the whole group. Such a report comes out of turn and
        /// stands for nobody else.
        public static let isOffer = Flags(rawValue: 1 << 0)
    }

    /// Who reports.
    public var senderSSRC: UInt32
    /// The source reported to, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// Packets that were missing, repaired or not, since the last report, in 1/256 of those expected.
    public var fractionLost: UInt8
    /// Marks.
    public var flags: Flags
    /// The time between this member's reports, in milliseconds.
    public var interval: UInt32
    /// The stamp of the last ``GroupAdvice`` heard; 0 when none was.
    public var stamp: UInt32
    /// Microseconds from that advice to this report.
    public var delay: UInt32

    /// A report of these values.
    public init(
        senderSSRC: UInt32, mediaSSRC: UInt32, fractionLost: UInt8, flags: Flags = [], interval: UInt32,
        stamp: UInt32, delay: UInt32
    ) {
        self.senderSSRC = senderSSRC
        self.mediaSSRC = mediaSSRC
        self.fractionLost = fractionLost
        self.flags = flags
        self.interval = interval
        self.stamp = stamp
        self.delay = delay
    }

    /// The APP subtype of a group report.
    public static let subtype = 11
    /// Bytes of a whole report.
    public static let byteCount = 32

    /// The report in `packet`; `nil` when it is something else, too short, or of a version that is not understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(GroupReport.subtype, byteCount: GroupReport.byteCount) else { return nil }
        let bytes = packet.bytes
        senderSSRC = bytes.uint32(at: 4)
        fractionLost = bytes.uint8(at: 13)
        flags = Flags(rawValue: bytes.uint8(at: 14)).intersection(.isOffer)
        mediaSSRC = RTPHeader.originalSSRC(bytes.uint32(at: 16))
        interval = bytes.uint32(at: 20)
        stamp = bytes.uint32(at: 24)
        delay = bytes.uint32(at: 28)
    }
}

extension CompoundWriter {
    /// Writes a member's report.
    @_lifetime(self: copy self)
    public mutating func write(_ report: GroupReport) {
        let total = GroupReport.byteCount
        guard
            beginGroupMessage(
                GroupReport.subtype, ssrc: report.senderSSRC, flags: report.fractionLost, byteCount: total)
        else { return }
        writer.write(report.flags.rawValue)
        writer.write(0 as UInt8)
        writer.write(report.mediaSSRC)
        writer.write(report.interval)
        writer.write(report.stamp)
        writer.write(report.delay)
    }
}
