import FreshetCore
import FreshetWire

/// Sends the stream: packets at a constant rate on all its paths, a heartbeat, and answers to requests.
struct StreamSource: ~Copyable {
    private let blueprint: HostBlueprint
    private let pathCount: Int
    private let start: Instant
    private var sentCount: Int64 = 0
    private var nextBeat: Instant
    private var history: FixedSlots<Packet>
    private let mask: Int64

    /// A source that begins at `now`.
    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant) {
        self.blueprint = blueprint
        pathCount = blueprint.pathCounts[Int(host)]
        start = now
        nextBeat = now
        history = FixedSlots(capacity: 4096)
        mask = 4095
    }

    private var total: Int64 {
        blueprint.scenario.duration.count / max(1, blueprint.scenario.stream.interval.count)
    }

    private var nextSend: Instant? {
        sentCount < total ? start + blueprint.scenario.stream.interval * sentCount : nil
    }

    var nextDeadline: Instant? { earliest(nextSend, nextBeat) }

    /// Sends what is due.
    mutating func advance(_ line: inout HostLine) {
        while let due = nextSend, due <= line.now { sendNext(&line) }
        if nextBeat <= line.now {
            nextBeat = nextBeat + blueprint.scenario.stream.heartbeat
            sendHeartbeat(&line, isEnding: false)
        }
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
        history.put(packet.share(), at: Int(number & mask))
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
                writer.writeReceiverReport(ssrc: blueprint.ssrc)
                writer.write(heartbeat)
                byteCount = writer.byteCount
            }
            packet.removeLast(128 - byteCount)
            line.send(packet, .control, to: .group(path: path))
        }
    }

    /// Answers requests.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine) {
        var requested = RequestedNumbers(near: blueprint.firstNumber + sentCount)
        requested.read(packet.bytes, ssrc: blueprint.ssrc)
        for number in requested.numbers { answer(number, peer, &line) }
    }

    private mutating func answer(_ number: Int64, _ peer: Int32, _ line: inout HostLine) {
        guard number >= blueprint.firstNumber, number < blueprint.firstNumber + sentCount,
            sentCount - (number - blueprint.firstNumber) <= mask
        else { return }
        var copy = line.allocateMedia()
        let isWhole: Void? = history.withElement(Int(number & mask)) { copy.append($0.bytes) }
        if isWhole == nil { return }
        copy.modify { RTPHeader.markRetransmission(true, in: &$0) }
        line.send(copy, .media, to: .peer(peer))
    }

    mutating func finish(_ line: inout HostLine) { sendHeartbeat(&line, isEnding: true) }
}
