import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct SenderReportsTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    /// Tells `reports` of an RTP packet with `payload` bytes behind a header of 12.
    private func note(
        _ sequence: Int64, ssrc: UInt32 = 2, timestamp: UInt32 = 0, payload: Int = 1316, at now: Instant,
        _ reports: inout SenderReports
    ) throws {
        let pool = PacketPool(slotCount: 1)
        guard var packet = pool.allocate() else { throw NotInTime() }
        packet.setByteCount(12 + payload)
        packet.info.flags = .hasSequence
        packet.info.headerByteCount = 12
        packet.info.ssrc = ssrc
        packet.info.extendedSequence = sequence
        packet.info.rtpTimestamp = timestamp
        reports.note(packet, now: now)
        _ = consume packet
        #expect(pool.usedCount == 0)
    }

    private func write(_ reports: inout SenderReports, at now: Instant, isEnding: Bool = false) throws -> Told
    {
        var bytes = [UInt8](repeating: 0, count: CompoundWriter.sufficientByteCount)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let count = reports.write(
            into: &raw, now: now, wallTime: WallTime(nanoseconds: now.nanoseconds), isEnding: isEnding)
        return try #require(Told(Array(bytes[..<count])))
    }

    @Test func `the first packet makes a report due at once, then one each half second`() throws {
        var reports = SenderReports(name: CanonicalName("x"), ssrc: 8)
        #expect(reports.deadline == nil && !reports.hasGoodbyesLeft)
        try note(100, at: start, &reports)
        #expect(reports.deadline == start)
        _ = try write(&reports, at: start)
        #expect(reports.deadline == start + SenderReports.interval)
        try note(101, at: start + .milliseconds(1), &reports)
        #expect(reports.deadline == start + SenderReports.interval)
    }

    @Test func `a report tells the stream's clock, counts and highest number`() throws {
        var reports = SenderReports(name: CanonicalName("who"), ssrc: 8)
        try note(70_000, timestamp: 900, at: start, &reports)
        try note(70_002, timestamp: 1_800, payload: 188, at: start + .milliseconds(10), &reports)
        try note(70_001, timestamp: 1_700, at: start + .milliseconds(20), &reports)
        let told = try write(&reports, at: start + .milliseconds(30))
        #expect(told.report.ssrc == 2 && told.heartbeat.ssrc == 2)
        #expect(told.report.packetCount == 3 && told.report.octetCount == 1316 * 2 + 188)
        // Ten milliseconds after the last packet, in ticks of 90 kHz.
        #expect(told.report.rtpTimestamp == 1_700 + 900)
        #expect(told.heartbeat.highestSequence == 70_002 && told.heartbeat.packetCount == 3)
        #expect(told.heartbeat.flags == [] && !told.isGoodbye && told.name == "who")
    }

    @Test func `bare packets are numbered from zero under a name of the sender's own`() throws {
        var reports = SenderReports(name: CanonicalName("x"), ssrc: 8)
        let pool = PacketPool(slotCount: 1)
        for _ in 0..<5 {
            guard var packet = pool.allocate() else { throw NotInTime() }
            packet.setByteCount(188)
            reports.note(packet, now: start)
        }
        let told = try write(&reports, at: start)
        #expect(told.report.ssrc == 8 && told.heartbeat.packetCount == 5)
        #expect(told.heartbeat.highestSequence == 4 && told.report.octetCount == 940)
        #expect(pool.usedCount == 0)
    }

    @Test func `another source's packets are counted anew and told of at once`() throws {
        var reports = SenderReports(name: CanonicalName("x"), ssrc: 8)
        try note(5_000, ssrc: 2, at: start, &reports)
        _ = try write(&reports, at: start)
        let later = start + .milliseconds(100)
        try note(7, ssrc: 4, at: later, &reports)
        #expect(reports.deadline == later)
        let told = try write(&reports, at: later)
        #expect(told.heartbeat.ssrc == 4 && told.heartbeat.highestSequence == 7)
        #expect(told.heartbeat.packetCount == 1)
    }

    @Test(arguments: [false, true])
    func `a sender that answers requests says so often at the start, and where a stream begins anew`(
        isSecond: Bool
    ) throws {
        var reports = SenderReports(name: CanonicalName("x"), ssrc: 8, answersRequests: true)
        if isSecond {
            try note(900, ssrc: 4, at: start - .seconds(9), &reports)
            for _ in 0..<20 { _ = try write(&reports, at: start - .seconds(1)) }
        }
        try note(1, at: start, &reports)
        var now = start
        for index in 1...SenderReports.openingCount + 1 {
            #expect(reports.deadline == now)
            let told = try write(&reports, at: now)
            #expect(told.heartbeat.flags == .answersRequests)
            now =
                now
                + (index < SenderReports.openingCount
                    ? SenderReports.openingInterval : SenderReports.interval)
        }
    }

    @Test func `goodbye is said three times, and not by a sender that sent nothing`() throws {
        var reports = SenderReports(name: CanonicalName("x"), ssrc: 8)
        try note(1, at: start, &reports)
        var now = start
        for left in [true, true, false] {
            let told = try write(&reports, at: now, isEnding: true)
            #expect(told.isGoodbye && told.heartbeat.flags == .isEnding)
            #expect(reports.hasGoodbyesLeft == left)
            // Who stays to answer for the end says goodbye more slowly then.
            now = now + (left ? SenderReports.goodbyeInterval : SenderReports.lingeringInterval)
            #expect(reports.deadline == now)
        }
    }
}
