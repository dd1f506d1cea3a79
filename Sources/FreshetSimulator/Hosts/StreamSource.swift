import FreshetCore
import FreshetWire

/// Sends the stream: packets at a constant rate on all its paths, a heartbeat, and answers to requests.
struct StreamSource: ~Copyable {
    private let blueprint: HostBlueprint
    private let pathCount: Int
    private let start: Instant
    private var sentCount: Int64 = 0
    private var nextBeat: Instant
    private var repair: SourceRepair

    /// A source that begins at `now`.
    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant) {
        self.blueprint = blueprint
        pathCount = blueprint.pathCounts[Int(host)]
        start = now
        nextBeat = now
        repair = SourceRepair(blueprint, host: host, life: life)
    }

    private var total: Int64 {
        blueprint.scenario.duration.count / max(1, blueprint.scenario.stream.interval.count)
    }

    private var nextSend: Instant? {
        sentCount < total ? start + blueprint.scenario.stream.interval * sentCount : nil
    }

    var nextDeadline: Instant? {
        mutating get { earliest(earliest(nextSend, nextBeat), repair.nextDeadline) }
    }

    /// Sends what is due.
    mutating func advance(_ line: inout HostLine) {
        while let due = nextSend, due <= line.now { sendNext(&line) }
        if nextBeat <= line.now {
            nextBeat = nextBeat + blueprint.scenario.stream.heartbeat
            sendHeartbeat(&line, isEnding: false)
        }
        repair.advance(to: line.now)
        repair.drain(&line)
    }

    private mutating func sendNext(_ line: inout HostLine) {
        let number = blueprint.firstNumber + sentCount
        sentCount += 1
        var packet = line.allocateMedia()
        let timestamp = UInt32(
            truncatingIfNeeded: sentCount * blueprint.scenario.stream.interval.count * 9 / 100_000)
        MediaPacket.write(
            number, ssrc: blueprint.ssrc, timestamp: timestamp,
            carriedByteCount: blueprint.scenario.stream.carriedByteCount, into: &packet)
        packet.info.arrival = line.now
        packet.info.extendedSequence = number
        packet.info.ssrc = blueprint.ssrc
        packet.info.rtpTimestamp = timestamp
        packet.info.headerByteCount = UInt16(RTPHeader.fixedByteCount)
        packet.info.flags = [.hasSequence]
        repair.note(packet, now: line.now)
        for path in 0..<pathCount { line.send(packet.share(), .media, to: .group(path: path)) }
    }

    private mutating func sendHeartbeat(_ line: inout HostLine, isEnding: Bool) {
        guard sentCount > 0 else { return }
        let heartbeat = Heartbeat(
            ssrc: blueprint.ssrc, flags: isEnding ? .isEnding : [],
            highestSequence: blueprint.firstNumber + sentCount - 1, packetCount: UInt64(sentCount))
        for path in 0..<pathCount {
            var packet = line.allocateControl()
            var byteCount = 0
            packet.append(byteCount: 128) { bytes in
                var writer = CompoundWriter(&bytes)
                writer.write(
                    SenderReport(
                        ssrc: blueprint.ssrc, ntpTime: NTPTime(bits: 0), rtpTimestamp: 0,
                        packetCount: UInt32(truncatingIfNeeded: sentCount), octetCount: 0))
                writer.write(heartbeat)
                byteCount = writer.byteCount
            }
            packet.removeLast(128 - byteCount)
            line.send(packet, .control, to: .group(path: path))
        }
    }

    /// Answers requests.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        repair.read(packet, from: peer, &line)
        repair.drain(&line)
    }

    mutating func finish(_ line: inout HostLine) { sendHeartbeat(&line, isEnding: true) }
}
