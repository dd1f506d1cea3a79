import FreshetCore
import FreshetWire

/// An RTCP datagram as a sender might make it.
struct ControlDatagram {
    var bytes: [UInt8]

    /// A report of `ssrc`; with a heartbeat when `highest` is given, with a goodbye when asked.
    init(ssrc: UInt32, highest: Int64? = nil, count: UInt64 = 0, isGoodbye: Bool = false) {
        bytes = [UInt8](repeating: 0, count: CompoundWriter.sufficientByteCount)
        var length = 0
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            var writer = CompoundWriter(&raw)
            writer.write(
                SenderReport(
                    ssrc: ssrc, ntpTime: NTPTime(bits: 0), rtpTimestamp: 0, packetCount: 0, octetCount: 0))
            writer.writeDescription(ssrc: ssrc, name: CanonicalName("test"))
            if let highest {
                writer.write(
                    Heartbeat(
                        ssrc: ssrc, flags: isGoodbye ? .isEnding : [], highestSequence: highest,
                        packetCount: count))
            }
            if isGoodbye { writer.writeGoodbye(ssrc: ssrc) }
            length = writer.byteCount
        }
        bytes.removeLast(bytes.count - length)
    }
}

/// What a sender's datagram says.
struct Told {
    var report: SenderReport
    var heartbeat: Heartbeat
    var name: String
    var isGoodbye = false

    /// `nil` unless it is a whole report with name and heartbeat.
    init?(_ bytes: [UInt8]) {
        let span = bytes.span.bytes
        guard var compound = CompoundPacket(parsing: span) else { return nil }
        var report: SenderReport?
        var heartbeat: Heartbeat?
        var name: String?
        var isGoodbye = false
        while let packet = compound.next() {
            report = report ?? SenderReport(packet)
            heartbeat = heartbeat ?? Heartbeat(packet)
            if let ssrc = packet.kind == RTCPPacket.Kind.sourceDescription ? packet.ssrc : nil,
                let found = packet.canonicalName(of: ssrc)
            {
                name = CanonicalName(copying: found).description
            }
            if packet.goodbyeCount > 0 {
                isGoodbye = report.map { packet.saysGoodbye(for: $0.ssrc) } ?? false
            }
        }
        guard let report, let heartbeat, let name else { return nil }
        self.report = report
        self.heartbeat = heartbeat
        self.name = name
        self.isGoodbye = isGoodbye
    }
}
