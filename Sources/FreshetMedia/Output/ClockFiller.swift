/// Puts clock references into a variable-rate transport stream from libavformat, which writes one only where
/// a picture (or, without video, an audio frame) begins: too few below 25 pictures a second.
///
/// Every PES packet's decoding time says when it is to leave: the muxer's delay before. So where a PES packet
/// begins that leaves more than `interval` after the last reference, packets that carry nothing but a
/// reference go in front of it, evenly, one each interval at least. A picture then leaves within one interval
/// of its time, however long the next one takes to come, and nothing is held back.
///
/// A packet without payload repeats its PID's continuity counter (ISO/IEC 13818-1 §2.4.3.3).
struct ClockFiller {
    private static let size = TransportStreamProbe.packetByteCount
    /// References are 33 bits of 90 kHz times 300.
    private static let modulus = (Int64(1) << 33) * 300
    /// Longer gaps are no gaps but jumps.
    private static let longest: Int64 = 60 * 27_000_000

    /// Ticks of 27 MHz between two references.
    private let interval: Int64
    private let delay: Int64
    private var clockPID = -1
    private var counter: UInt8 = 0
    private var last: Int64?

    /// A filler for a muxer whose references run `delayMicroseconds` ahead of decoding.
    init(intervalMicroseconds: Int64, delayMicroseconds: Int64) {
        interval = intervalMicroseconds * 27
        delay = delayMicroseconds * 27
    }

    /// Copies whole packets from `bytes` to `output`, references put in.
    mutating func pass(_ bytes: UnsafeRawBufferPointer, to output: MuxedBytes) -> Int32 {
        var copied = 0
        var place = 0
        while place + ClockFiller.size <= bytes.count {
            let packet = UnsafeRawBufferPointer(rebasing: bytes[place..<place + ClockFiller.size])
            if let leaving = departure(of: packet) {
                if let last, needsReference(from: last, to: leaving) {
                    let code = output.write(UnsafeRawBufferPointer(rebasing: bytes[copied..<place]))
                    if code < 0 { return code }
                    copied = place
                    let fill = writeReferences(after: last, until: leaving, to: output)
                    if fill < 0 { return fill }
                }
            }
            note(packet)
            place += ClockFiller.size
        }
        return output.write(UnsafeRawBufferPointer(rebasing: bytes[copied...]))
    }

    private func needsReference(from last: Int64, to leaving: Int64) -> Bool {
        let span = ClockFiller.distance(from: last, to: leaving)
        return span > interval && span < ClockFiller.longest
    }

    private mutating func writeReferences(
        after last: Int64, until leaving: Int64, to output: MuxedBytes
    ) -> Int32 {
        let span = ClockFiller.distance(from: last, to: leaving)
        let count = (span + interval - 1) / interval - 1
        guard count > 0 else { return 0 }
        for index in 1...count {
            let next = (last + span * index / (count + 1)) % ClockFiller.modulus
            let code = withUnsafeTemporaryAllocation(byteCount: ClockFiller.size, alignment: 8) { packet in
                write(next, to: packet)
                return output.write(UnsafeRawBufferPointer(packet))
            }
            if code < 0 { return code }
            self.last = next
        }
        return 0
    }

    private func write(_ reference: Int64, to packet: UnsafeMutableRawBufferPointer) {
        for index in packet.indices { packet[index] = 0xFF }
        let base = reference / 300
        let rest = reference % 300
        packet[0] = 0x47
        packet[1] = UInt8(clockPID >> 8)
        packet[2] = UInt8(clockPID & 0xFF)
        packet[3] = 0x20 | counter
        packet[4] = 183
        packet[5] = 0x10
        for index in 0..<4 { packet[6 + index] = UInt8(truncatingIfNeeded: base >> Int64(25 - 8 * index)) }
        packet[10] = UInt8(base & 1) << 7 | 0x7E | UInt8(rest >> 8)
        packet[11] = UInt8(rest & 0xFF)
    }

    /// Remembers the clock's PID, its counter and its last reference.
    private mutating func note(_ packet: UnsafeRawBufferPointer) {
        let pid = Int(packet[1] & 0x1F) << 8 | Int(packet[2])
        if let reference = ClockFiller.reference(of: packet) {
            if clockPID < 0 { clockPID = pid }
            if pid == clockPID { last = reference }
        }
        if pid == clockPID { counter = packet[3] & 0x0F }
    }

    /// When `packet` is to leave, where it says so: by its reference, or by the PES header that it begins
    /// with.
    private func departure(of packet: UnsafeRawBufferPointer) -> Int64? {
        if let reference = ClockFiller.reference(of: packet) { return reference }
        guard packet[1] & 0x40 != 0, packet[3] & 0x10 != 0 else { return nil }
        let start = packet[3] & 0x20 != 0 ? 5 + Int(packet[4]) : 4
        guard start + 19 <= packet.count, packet[start] == 0, packet[start + 1] == 0, packet[start + 2] == 1,
            packet[start + 6] & 0xC0 == 0x80
        else { return nil }
        let flags = packet[start + 7] >> 6
        guard flags >= 2 else { return nil }
        let time = ClockFiller.timestamp(packet, at: start + (flags == 3 ? 14 : 9))
        return (time * 300 - delay + ClockFiller.modulus) % ClockFiller.modulus
    }

    private static func reference(of packet: UnsafeRawBufferPointer) -> Int64? {
        guard packet[3] & 0x20 != 0, packet[4] >= 7, packet[5] & 0x10 != 0 else { return nil }
        var base: Int64 = 0
        for index in 6..<10 { base = base << 8 | Int64(packet[index]) }
        base = base << 1 | Int64(packet[10] >> 7)
        return base * 300 + (Int64(packet[10] & 1) << 8 | Int64(packet[11]))
    }

    private static func timestamp(_ packet: UnsafeRawBufferPointer, at place: Int) -> Int64 {
        let high = Int64(packet[place] >> 1 & 7)
        let middle = Int64(packet[place + 1]) << 7 | Int64(packet[place + 2] >> 1)
        let low = Int64(packet[place + 3]) << 7 | Int64(packet[place + 4] >> 1)
        return high << 30 | middle << 15 | low
    }

    private static func distance(from earlier: Int64, to later: Int64) -> Int64 {
        var span = (later - earlier) % modulus
        if span > modulus / 2 { span -= modulus }
        if span < -modulus / 2 { span += modulus }
        return span
    }
}
