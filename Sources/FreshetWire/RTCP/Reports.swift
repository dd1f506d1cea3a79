/// The sender's part of an SR (RFC 3550 §6.4.1): ties the media clock to the wall clock.
public struct SenderReport: Equatable, Sendable {
    /// The sender.
    public var ssrc: UInt32
    /// When the report was made.
    public var ntpTime: NTPTime
    /// The media clock at the same moment, with the random start of RTP timestamps.
    public var rtpTimestamp: UInt32
    /// RTP packets sent since the start; wraps.
    public var packetCount: UInt32
    /// Payload bytes sent since the start, headers and padding not counted; wraps.
    public var octetCount: UInt32

    /// A report of these values.
    public init(
        ssrc: UInt32, ntpTime: NTPTime, rtpTimestamp: UInt32, packetCount: UInt32, octetCount: UInt32
    ) {
        self.ssrc = ssrc
        self.ntpTime = ntpTime
        self.rtpTimestamp = rtpTimestamp
        self.packetCount = packetCount
        self.octetCount = octetCount
    }

    static let byteCount = 28

    /// The sender's part of `packet`; `nil` when it is not an SR or is too short.
    public init?(_ packet: borrowing RTCPPacket) {
        let bytes = packet.bytes
        guard packet.kind == RTCPPacket.Kind.senderReport, bytes.byteCount >= SenderReport.byteCount else {
            return nil
        }
        ssrc = bytes.uint32(at: 4)
        ntpTime = NTPTime(bits: bytes.uint64(at: 8))
        rtpTimestamp = bytes.uint32(at: 16)
        packetCount = bytes.uint32(at: 20)
        octetCount = bytes.uint32(at: 24)
    }
}

/// What one receiver says about one source: a block of an SR or RR (RFC 3550 §6.4.1).
public struct ReportBlock: Equatable, Sendable {
    /// The source reported on.
    public var ssrc: UInt32
    /// Packets lost since the last report, in 1/256 of those expected.
    public var fractionLost: UInt8
    /// Packets lost since the start, late ones not among them; 24 bits, negative when duplicates came.
    public var cumulativeLost: Int32
    /// The highest sequence number received, its cycles in the high 16 bits.
    public var highestSequence: UInt32
    /// Interarrival jitter in ticks of the media clock (RFC 3550 §6.4.1, appendix A.8).
    public var jitter: UInt32
    /// The middle of the last SR's NTP time; 0 when none came.
    public var lastReport: UInt32
    /// From that SR's arrival to this report, in 2⁻¹⁶ s.
    public var delaySinceLastReport: UInt32

    /// A block of these values.
    public init(
        ssrc: UInt32, fractionLost: UInt8, cumulativeLost: Int32, highestSequence: UInt32, jitter: UInt32,
        lastReport: UInt32, delaySinceLastReport: UInt32
    ) {
        self.ssrc = ssrc
        self.fractionLost = fractionLost
        self.cumulativeLost = cumulativeLost
        self.highestSequence = highestSequence
        self.jitter = jitter
        self.lastReport = lastReport
        self.delaySinceLastReport = delaySinceLastReport
    }

    static let byteCount = 24

    fileprivate init(_ bytes: RawSpan, at offset: Int) {
        ssrc = bytes.uint32(at: offset)
        let loss = bytes.uint32(at: offset &+ 4)
        fractionLost = UInt8(truncatingIfNeeded: loss >> 24)
        cumulativeLost = Int32(truncatingIfNeeded: loss << 8) >> 8
        highestSequence = bytes.uint32(at: offset &+ 8)
        jitter = bytes.uint32(at: offset &+ 12)
        lastReport = bytes.uint32(at: offset &+ 16)
        delaySinceLastReport = bytes.uint32(at: offset &+ 20)
    }

    /// The 32 bits of loss: the fraction, then the total, held inside its 24 bits.
    var lossBits: UInt32 {
        let total = UInt32(truncatingIfNeeded: min(max(cumulativeLost, -0x80_0000), 0x7F_FFFF))
        return UInt32(fractionLost) << 24 | total & 0xFF_FFFF
    }
}

extension RTCPPacket {
    private var reportBlockOffset: Int {
        kind == Kind.senderReport ? SenderReport.byteCount : 8
    }

    /// How many report blocks an SR or RR holds, as far as its bytes reach; 0 in other kinds.
    public var reportBlockCount: Int {
        guard kind == Kind.senderReport || kind == Kind.receiverReport else { return 0 }
        return min(count, max(0, bytes.byteCount &- reportBlockOffset) / ReportBlock.byteCount)
    }

    /// Report block `index` of an SR or RR; `nil` when there is none.
    public func reportBlock(at index: Int) -> ReportBlock? {
        guard index >= 0, index < reportBlockCount else { return nil }
        return ReportBlock(bytes, at: reportBlockOffset &+ index &* ReportBlock.byteCount)
    }
}
