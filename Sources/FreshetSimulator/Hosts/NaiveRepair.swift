import FreshetCore
import FreshetWire

/// The simplest repair there is: asks for every hole at once, and again after each round trip until it is
/// given up. It knows nothing of budgets, of deadlines' reach or of others, and is the measure for those that
/// do.
struct NaiveRepair {
    private struct Hole {
        var sequence: Int64
        var due: Instant
        var end: Instant
    }

    private var holes: [Hole] = []
    private var highest: Int64 = -1
    private let roundTrip: Nanoseconds
    private let latency: Nanoseconds
    private let ssrc: UInt32
    private(set) var nextDeadline: Instant?

    /// Asks for packets of `ssrc`.
    init(ssrc: UInt32, roundTrip: Nanoseconds, latency: Nanoseconds) {
        self.ssrc = ssrc
        self.roundTrip = max(roundTrip + roundTrip / 4, .milliseconds(2))
        self.latency = latency
    }

    var isQuiet: Bool { holes.isEmpty && highest >= 0 }

    /// Packet `sequence` came.
    mutating func note(_ sequence: Int64, now: Instant) {
        if sequence <= highest {
            if let index = holes.firstIndex(where: { $0.sequence == sequence }) { holes.remove(at: index) }
            return
        }
        noteHighest(sequence - 1, now: now)
        highest = sequence
    }

    /// Packets up to `sequence` were sent.
    mutating func noteHighest(_ sequence: Int64, now: Instant) {
        guard sequence > highest else { return }
        if highest >= 0 && sequence - highest < 4096 {
            for missing in highest + 1...sequence {
                holes.append(Hole(sequence: missing, due: now, end: now + latency))
            }
            nextDeadline = earliest(nextDeadline, now)
        }
        highest = sequence
    }

    /// Packets up to `last` came in order.
    mutating func passRun(through last: Int64) { highest = max(highest, last) }

    /// Writes a request for what is due; its length, 0 when nothing is.
    mutating func request(into bytes: inout MutableRawSpan, now: Instant) -> Int {
        holes.removeAll { $0.end <= now }
        var entries: [NACKEntry] = []
        nextDeadline = nil
        for index in holes.indices {
            if holes[index].due <= now && entries.count < 64 {
                holes[index].due = now + roundTrip
                let number = UInt16(truncatingIfNeeded: holes[index].sequence)
                if let last = entries.last, number &- last.packetID >= 1, number &- last.packetID <= 16 {
                    entries[entries.count - 1].lostMask |= 1 << (number &- last.packetID &- 1)
                } else {
                    entries.append(NACKEntry(packetID: number, lostMask: 0))
                }
            }
            nextDeadline = earliest(nextDeadline, min(holes[index].due, holes[index].end))
        }
        if entries.isEmpty { return 0 }
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: ssrc ^ 0x1234_5678)
        writer.writeRequest(senderSSRC: ssrc ^ 0x1234_5678, mediaSSRC: ssrc, entries: entries.span)
        return writer.byteCount
    }
}
