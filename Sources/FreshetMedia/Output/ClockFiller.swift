import FreshetCore
import FreshetWire

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
    /// Longer gaps are no gaps but jumps.
    private static let longest = 60 * MediaTime.ticksPerSecond

    /// Ticks of 27 MHz between two references, at most.
    private let interval: Int64
    private let delay: Int64
    private var clockPID = TSPacket.nullPID
    private var counter: UInt8 = 0
    private var last: Int64?

    /// A filler for a muxer whose references run `delayMicroseconds` ahead of decoding.
    init(intervalMicroseconds: Int64, delayMicroseconds: Int64) {
        interval = intervalMicroseconds * 27
        delay = delayMicroseconds * 27
    }

    /// Copies whole packets from `bytes` to `output`, references put in; 0 or an error code of `output`.
    mutating func pass(_ bytes: UnsafeRawBufferPointer, to output: MuxedBytes) -> Int32 {
        var copied = 0
        var place = 0
        while let packet = TSPacket(parsing: bytes.bytes, at: place) {
            if let last, let leaving = departure(of: packet, in: bytes, at: place),
                needsReference(from: last, to: leaving)
            {
                var code = output.write(UnsafeRawBufferPointer(rebasing: bytes[copied..<place]))
                copied = place
                if code >= 0 { code = writeReferences(after: last, until: leaving, to: output) }
                if code < 0 { return code }
            }
            note(packet)
            place += TSPacket.byteCount
        }
        return output.write(UnsafeRawBufferPointer(rebasing: bytes[copied...]))
    }

    private func needsReference(from last: Int64, to leaving: Int64) -> Bool {
        let span = ClockReference.step(from: last, to: leaving)
        return span > interval && span < ClockFiller.longest
    }

    private mutating func writeReferences(
        after last: Int64, until leaving: Int64, to output: MuxedBytes
    ) -> Int32 {
        let span = ClockReference.step(from: last, to: leaving)
        let count = (span + interval - 1) / interval - 1
        guard count > 0 else { return 0 }
        for index in 1...count {
            let next = (last + span * index / (count + 1)) % ClockReference.modulus
            let code = withUnsafeTemporaryAllocation(byteCount: TSPacket.byteCount, alignment: 8) { packet in
                packet.initializeMemory(as: UInt8.self, repeating: 0)
                var bytes = packet.mutableBytes
                ClockReference.writePacket(
                    pid: clockPID, continuityCounter: counter, ticks: next, into: &bytes)
                return output.write(UnsafeRawBufferPointer(packet))
            }
            if code < 0 { return code }
            self.last = next
        }
        return 0
    }

    /// Remembers the clock's PID, its counter and its last reference.
    private mutating func note(_ packet: TSPacket) {
        if packet.flags.contains(.hasClockReference) {
            if clockPID == TSPacket.nullPID { clockPID = packet.pid }
            if packet.pid == clockPID { last = packet.clockReference }
        }
        if packet.pid == clockPID { counter = packet.continuityCounter }
    }

    /// When `packet` is to leave, where it says so: by its reference, or by the PES header that it begins with.
    private func departure(of packet: TSPacket, in bytes: UnsafeRawBufferPointer, at place: Int) -> Int64? {
        if packet.flags.contains(.hasClockReference) { return packet.clockReference }
        guard packet.flags.contains(.startsUnit), packet.payloadByteCount > 0,
            let header = PESHeader(
                parsing: bytes.bytes.extracting(place + packet.payloadOffset..<place + TSPacket.byteCount)),
            let time = header.decodingTime ?? header.presentationTime
        else { return nil }
        return (time * 300 - delay + ClockReference.modulus) % ClockReference.modulus
    }
}
