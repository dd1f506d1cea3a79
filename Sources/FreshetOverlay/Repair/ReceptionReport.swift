internal import FreshetCore
internal import FreshetWire

/// What a receiver report says about the source (RFC 3550 §6.4.1, appendix A.3).
struct ReceptionReport: Sendable {
    var received = 0
    private var first: Int64 = 0
    private var lastExpected = 0
    private var lastReceived = 0
    private var lastReport: UInt32 = 0
    private var lastReportArrival = Instant.zero

    /// The first packet of a stream came.
    mutating func start(at sequence: Int64) {
        first = sequence
        received = 1
    }

    /// A sender report came.
    mutating func note(_ report: SenderReport, now: Instant) {
        lastReport = report.ntpTime.middle
        lastReportArrival = now
    }

    /// The report block that is due now; each packet's number is `stride` above that of the one before.
    mutating func block(ssrc: UInt32, highest: Int64, stride: Int64, now: Instant) -> ReportBlock {
        let expected = Int((highest &- first) / stride) + 1
        let newExpected = expected - lastExpected
        let newLost = newExpected - (received - lastReceived)
        lastExpected = expected
        lastReceived = received
        let fraction = newExpected <= 0 || newLost <= 0 ? 0 : min(255, newLost * 256 / newExpected)
        return ReportBlock(
            ssrc: ssrc, fractionLost: UInt8(fraction), cumulativeLost: Int32(clamping: expected - received),
            highestSequence: UInt32(truncatingIfNeeded: highest), jitter: 0, lastReport: lastReport,
            delaySinceLastReport: lastReport == 0 ? 0 : NTPTime.middle(of: now - lastReportArrival))
    }
}
