/// Composes an RTCP datagram, packet by packet, in storage that the caller has; nothing is allocated.
///
/// RFC 3550 §6.1 wants a report first and a CNAME in every datagram, a BYE last. A packet that does not fit is left out
/// whole and ``hasOverflowed`` is set; what was written before it stands.
public struct CompoundWriter: ~Copyable, ~Escapable {
    var writer: ByteWriter
    /// Bytes of whole packets written so far: the length of the datagram.
    public private(set) var byteCount = 0

    /// A writer at the start of `bytes`.
    @_lifetime(&bytes)
    public init(_ bytes: inout MutableRawSpan) { writer = ByteWriter(&bytes) }

    /// True once a packet did not fit.
    public private(set) var hasOverflowed = false

    /// Room for SR, SDES with the longest ``CanonicalName``, heartbeat and BYE with a short reason.
    public static let sufficientByteCount = 256

    /// Starts a packet of `byteCount` bytes (a multiple of 4); false when it does not fit.
    @_lifetime(self: copy self)
    mutating func begin(_ kind: UInt8, count: Int, byteCount total: Int) -> Bool {
        guard !hasOverflowed, total <= writer.spareByteCount, total / 4 <= 65_536 else {
            hasOverflowed = true
            return false
        }
        writer.write(0x80 | UInt8(truncatingIfNeeded: count & 0x1F))
        writer.write(kind)
        writer.write(UInt16(truncatingIfNeeded: total / 4 &- 1))
        byteCount &+= total
        return true
    }

    /// Writes a sender report without report blocks.
    @_lifetime(self: copy self)
    public mutating func write(_ report: SenderReport) {
        guard begin(RTCPPacket.Kind.senderReport, count: 0, byteCount: SenderReport.byteCount) else { return }
        writer.write(report.ssrc)
        writer.write(report.ntpTime.bits)
        writer.write(report.rtpTimestamp)
        writer.write(report.packetCount)
        writer.write(report.octetCount)
    }

    /// Writes a receiver report from `ssrc` without report blocks.
    @_lifetime(self: copy self)
    public mutating func writeReceiverReport(ssrc: UInt32) {
        if begin(RTCPPacket.Kind.receiverReport, count: 0, byteCount: 8) { writer.write(ssrc) }
    }

    /// Writes a receiver report from `ssrc` about one source.
    @_lifetime(self: copy self)
    public mutating func writeReceiverReport(ssrc: UInt32, block: ReportBlock) {
        let total = 8 &+ ReportBlock.byteCount
        guard begin(RTCPPacket.Kind.receiverReport, count: 1, byteCount: total) else { return }
        writer.write(ssrc)
        writer.write(block.ssrc)
        writer.write(block.lossBits)
        writer.write(block.highestSequence)
        writer.write(block.jitter)
        writer.write(block.lastReport)
        writer.write(block.delaySinceLastReport)
    }

    /// Writes an SDES that names `ssrc`.
    @_lifetime(self: copy self)
    public mutating func writeDescription(ssrc: UInt32, name: CanonicalName) {
        // Type, length and name, then at least one zero up to a multiple of 4.
        let total = 8 &+ (2 &+ name.byteCount) / 4 &* 4 &+ 4
        guard begin(RTCPPacket.Kind.sourceDescription, count: 1, byteCount: total) else { return }
        writer.write(ssrc)
        writer.write(1 as UInt8)
        writer.write(UInt8(truncatingIfNeeded: name.byteCount))
        for index in 0..<name.byteCount { writer.write(name[index]) }
        writer.write(0 as UInt8)
        writer.align(to: 4)
    }

    /// Writes Freshet's heartbeat.
    @_lifetime(self: copy self)
    public mutating func write(_ heartbeat: Heartbeat) {
        let total = Heartbeat.byteCount
        guard begin(RTCPPacket.Kind.application, count: Heartbeat.subtype, byteCount: total) else { return }
        writer.write(heartbeat.ssrc)
        writer.write(Heartbeat.name)
        writer.write(Heartbeat.protocolVersion)
        writer.write(heartbeat.flags.rawValue)
        writer.write(0 as UInt16)
        writer.write(UInt64(bitPattern: heartbeat.highestSequence))
        writer.write(heartbeat.packetCount)
    }

    /// Writes an APP packet; `data` is filled up with zeros to a multiple of 4.
    @_lifetime(self: copy self)
    public mutating func writeApplication(ssrc: UInt32, name: UInt32, subtype: Int, data: RawSpan) {
        let total = 12 &+ (data.byteCount &+ 3) / 4 &* 4
        guard begin(RTCPPacket.Kind.application, count: subtype, byteCount: total) else { return }
        writer.write(ssrc)
        writer.write(name)
        writer.write(data)
        writer.align(to: 4)
    }

    /// Writes a BYE for `ssrc` that gives no reason.
    @_lifetime(self: copy self)
    public mutating func writeGoodbye(ssrc: UInt32) {
        if begin(RTCPPacket.Kind.goodbye, count: 1, byteCount: 8) { writer.write(ssrc) }
    }

    /// Writes a BYE for `ssrc`. The reason, UTF-8, is cut at 255 bytes; none is written when it is empty.
    @_lifetime(self: copy self)
    public mutating func writeGoodbye(ssrc: UInt32, reason: RawSpan) {
        let length = min(reason.byteCount, 255)
        let total = length == 0 ? 8 : 8 &+ (1 &+ length &+ 3) / 4 &* 4
        guard begin(RTCPPacket.Kind.goodbye, count: 1, byteCount: total) else { return }
        writer.write(ssrc)
        if length == 0 { return }
        writer.write(UInt8(truncatingIfNeeded: length))
        writer.write(reason.extracting(first: length))
        writer.align(to: 4)
    }

    /// Writes a generic NACK (RFC 4585 §6.2.1) of `entries`; nothing when there are none.
    @_lifetime(self: copy self)
    public mutating func writeRequest(senderSSRC: UInt32, mediaSSRC: UInt32, entries: Span<NACKEntry>) {
        if entries.isEmpty { return }
        let total = RetransmissionRequest.entriesOffset &+ 4 &* entries.count
        guard begin(RTCPPacket.Kind.transportFeedback, count: 1, byteCount: total) else { return }
        writer.write(senderSSRC)
        writer.write(mediaSSRC)
        for index in entries.indices {
            writer.write(entries[index].packetID)
            writer.write(entries[index].lostMask)
        }
    }

    /// Writes RIST's range request (VSF TR-06-1 §5.3.2.2) for `ranges`; nothing when there are none.
    @_lifetime(self: copy self)
    public mutating func writeRequest(mediaSSRC: UInt32, ranges: Span<NACKRange>) {
        if ranges.isEmpty { return }
        let total = RetransmissionRequest.entriesOffset &+ 4 &* ranges.count
        guard begin(RTCPPacket.Kind.application, count: 0, byteCount: total) else { return }
        writer.write(mediaSSRC)
        writer.write(RetransmissionRequest.applicationName)
        for index in ranges.indices {
            writer.write(ranges[index].first)
            writer.write(ranges[index].additionalCount)
        }
    }

    /// Writes RIST's round trip request or response (VSF TR-06-1 §5.2.6).
    @_lifetime(self: copy self)
    public mutating func write(_ echo: RoundTripEcho) {
        let subtype = echo.isResponse ? RoundTripEcho.responseSubtype : RoundTripEcho.requestSubtype
        let total = RoundTripEcho.byteCount
        guard begin(RTCPPacket.Kind.application, count: subtype, byteCount: total) else { return }
        writer.write(echo.mediaSSRC)
        writer.write(RetransmissionRequest.applicationName)
        writer.write(echo.stamp)
        writer.write(echo.delayMicroseconds)
    }

    /// Writes Freshet's repair request for `entries`; nothing when there are none.
    @_lifetime(self: copy self)
    public mutating func write(_ request: RepairRequest, entries: Span<RepairEntry>) {
        if entries.isEmpty { return }
        let total = RepairRequest.headerByteCount &+ RepairEntry.byteCount &* entries.count
        guard begin(RTCPPacket.Kind.application, count: RepairRequest.subtype, byteCount: total) else {
            return
        }
        writer.write(request.senderSSRC)
        writer.write(Heartbeat.name)
        writer.write(Heartbeat.protocolVersion)
        writer.write(0 as UInt8)
        writer.write(request.spacing)
        writer.write(request.mediaSSRC)
        writer.write(request.roundTrip)
        writer.write(0 as UInt16)
        writer.write(UInt64(bitPattern: request.base))
        for index in entries.indices {
            let entry = entries[index]
            writer.write(entry.offset)
            writer.write(entry.lostMask)
            writer.write(entry.round & 0x7F | (entry.allowsParity ? 0x80 : 0))
            writer.write(entry.quarterCopies)
            writer.write(entry.window)
        }
    }
}
