import Foundation

/// Just enough of MPEG-TS to judge a recording: clock references and continuity.
public struct TransportStream: Sendable {
    /// The stream's clock references (27 MHz) and the byte position of the last byte of each base (ISO 13818-1, 2.4.3.5).
    public private(set) var clocks: [(position: Int, ticks: Int)] = []
    /// Packets whose continuity counter does not follow.
    public private(set) var continuityErrors = 0
    /// Packets in all.
    public private(set) var packetCount = 0

    /// Reads a file of whole packets.
    public init(_ path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else { throw TimedOut(path) }
        var counters: [Int: UInt8] = [:]
        var clockPID: Int?
        for start in stride(from: 0, to: data.count - 187, by: 188) {
            let packet = data[start..<start + 188]
            func byte(_ offset: Int) -> Int { Int(packet[start + offset]) }
            guard byte(0) == 0x47 else { throw TimedOut("a sync byte at \(start) of \(path)") }
            packetCount += 1
            let pid = (byte(1) & 31) << 8 | byte(2)
            let hasPayload = byte(3) & 0x10 != 0
            let hasField = byte(3) & 0x20 != 0 && byte(4) > 0
            let counter = packet[start + 3] & 15
            if pid != 0x1FFF, hasPayload {
                let isFlagged = hasField && byte(5) & 0x80 != 0
                if let last = counters[pid], !isFlagged, counter != (last + 1) & 15 { continuityErrors += 1 }
                counters[pid] = counter
            }
            if hasField, byte(4) >= 7, byte(5) & 0x10 != 0, clockPID ?? pid == pid {
                clockPID = pid
                let base = byte(6) << 25 | byte(7) << 17 | byte(8) << 9 | byte(9) << 1 | byte(10) >> 7
                clocks.append((start + 10, base * 300 + ((byte(10) & 1) << 8 | byte(11))))
            }
        }
    }

    /// How far the worst clock reference is from where a constant rate puts it, and the longest step between two, in
    /// seconds.
    public func clockDeviation(bitsPerSecond: Int) -> (deviation: Double, interval: Double) {
        guard let first = clocks.first else { return (.infinity, .infinity) }
        var deviation = 0.0
        var interval = 0.0
        var last = first
        for clock in clocks.dropFirst() {
            let ideal = Double(clock.position - first.position) * 8 / Double(bitsPerSecond)
            deviation = max(deviation, abs(Double(clock.ticks - first.ticks) / 27e6 - ideal))
            interval = max(interval, Double(clock.ticks - last.ticks) / 27e6)
            last = clock
        }
        return (deviation, interval)
    }
}
