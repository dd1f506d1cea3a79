import FreshetCore
import FreshetWire

/// Lets a transport stream be played again without a jump: moves the clock references and the times of each
/// later round by the length of the first, and lets the continuity counters go on.
///
/// The first round is only looked at; it passes bit for bit. Its length is what its streams are shown for,
/// from the earliest presentation time to the end of the last frame, over all of them, so the rhythm of
/// frames goes on across the seam; where nothing has a presentation time, it is what the clock counts. Times
/// in tables and in private data (splice points) are left alone. A first round whose own clock jumps has no
/// length: then later rounds pass as they are, and the seam is a jump.
struct StreamRestamper: ~Copyable {
    /// A step of more than ten seconds is no rhythm.
    private static let stepLimit = 10 * MediaTime.ticksPerSecond

    /// What is known of one PID's times.
    private struct Times {
        var clock = CounterUnwrapper(bitCount: ClockReference.timestampBitCount)
        var first = Int64.max
        var last = Int64.min
        var count: Int64 = 0
    }

    private var times: [UInt16: Times] = [:]
    private var clockPID = TSPacket.nullPID
    private var firstReference: Int64?
    private var lastReference: Int64 = 0
    private var clockSpan: Int64 = 0
    private var clockCount: Int64 = 0
    private var hasJump = false
    /// First and last continuity counter of each PID's payload; 0xFF for none yet.
    private var firstCounter = [UInt8](repeating: 0xFF, count: 8192)
    private var lastCounter = [UInt8](repeating: 0, count: 8192)
    /// Rounds finished.
    private var round: Int64 = 0
    /// Length of a round in ticks of 27 MHz, whole 90 kHz ticks; 0 where it has none.
    private var length: Int64 = 0

    /// A restamper at the beginning of the first round.
    init() {}

    /// True when the next round will follow without a jump.
    var isSteady: Bool { length > 0 }

    /// The round has ended.
    mutating func beginNextRound() {
        if round == 0 { length = measure() }
        round += 1
    }

    /// Looks at (first round) or restamps (later rounds) the whole packets in `bytes`.
    mutating func pass(_ bytes: UnsafeMutableRawBufferPointer) {
        var place = 0
        while let packet = TSPacket(parsing: UnsafeRawBufferPointer(bytes).bytes, at: place) {
            if packet.pid != TSPacket.nullPID && !packet.flags.contains(.hasTransportError) {
                if round == 0 {
                    look(packet, bytes, at: place)
                } else if isSteady {
                    restamp(packet, bytes, at: place)
                }
            }
            place += TSPacket.byteCount
        }
    }

    // MARK: The first round

    private mutating func look(_ packet: TSPacket, _ bytes: UnsafeMutableRawBufferPointer, at place: Int) {
        if packet.flags.contains(.hasPayload) {
            let pid = Int(packet.pid)
            if firstCounter[pid] == 0xFF { firstCounter[pid] = packet.continuityCounter }
            lastCounter[pid] = packet.continuityCounter
        }
        if packet.flags.contains(.hasClockReference) { noteReference(packet) }
        guard let header = header(of: packet, bytes, at: place), let shown = header.presentationTime else {
            return
        }
        var known = times[packet.pid] ?? Times()
        let time = known.clock.unwrap(UInt64(shown))
        known.first = min(known.first, time)
        known.last = max(known.last, time)
        known.count += 1
        times[packet.pid] = known
    }

    private mutating func noteReference(_ packet: TSPacket) {
        if clockPID == TSPacket.nullPID { clockPID = packet.pid }
        guard packet.pid == clockPID else { return }
        if firstReference != nil {
            let step = ClockReference.step(from: lastReference, to: packet.clockReference)
            if step < 0 || step > StreamRestamper.stepLimit { hasJump = true }
            clockSpan += step
            clockCount += 1
        }
        if firstReference == nil { firstReference = packet.clockReference }
        lastReference = packet.clockReference
    }

    private func header(
        of packet: TSPacket, _ bytes: UnsafeMutableRawBufferPointer, at place: Int
    ) -> PESHeader? {
        guard packet.flags.contains(.startsUnit), packet.scrambling == 0, packet.payloadByteCount > 0 else {
            return nil
        }
        let payload = UnsafeRawBufferPointer(bytes).bytes.extracting(
            place + packet.payloadOffset..<place + TSPacket.byteCount)
        return PESHeader(parsing: payload)
    }

    private func measure() -> Int64 {
        if hasJump { return 0 }
        let modulus = Int64(1) << ClockReference.timestampBitCount
        // Every PID counts from its own first time; the first of all brings them onto one line.
        guard let anchor = times.values.first?.first else {
            return clockCount > 0 ? (clockSpan + clockSpan / clockCount) / 300 * 300 : 0
        }
        var start = Int64.max
        var end = Int64.min
        for known in times.values where known.count > 1 {
            var shift = (anchor - known.first) % modulus
            if shift > modulus / 2 { shift -= modulus }
            if shift < -modulus / 2 { shift += modulus }
            let first = anchor - shift
            start = min(start, first)
            // The last frame lasts as long as the others do on average.
            end = max(end, first + (known.last - known.first) * known.count / (known.count - 1))
        }
        guard start < end else { return 0 }
        // The clock itself must not go back.
        return max((end - start) * 300, clockCount > 0 ? clockSpan / 300 * 300 + 300 : 0)
    }

    // MARK: Later rounds

    private func restamp(_ packet: TSPacket, _ bytes: UnsafeMutableRawBufferPointer, at place: Int) {
        let pid = Int(packet.pid)
        if firstCounter[pid] != 0xFF {
            let step = Int64(lastCounter[pid]) - Int64(firstCounter[pid]) + 1
            let counter = (Int64(packet.continuityCounter) + step * round) & 0x0F
            bytes[place + 3] = bytes[place + 3] & 0xF0 | UInt8(counter)
        }
        let header = header(of: packet, bytes, at: place)
        var span = bytes.mutableBytes
        if packet.flags.contains(.hasClockReference) {
            ClockReference.write(packet.clockReference + round * length, into: &span, at: place + 6)
        }
        guard let header, let shown = header.presentationTime else { return }
        let shift = round * length / 300
        let payload = place + packet.payloadOffset
        PESHeader.writeTime(
            shown + shift, mark: header.decodingTime == nil ? 2 : 3, into: &span, at: payload + 9)
        if let decoded = header.decodingTime {
            PESHeader.writeTime(decoded + shift, mark: 1, into: &span, at: payload + 14)
        }
    }
}
