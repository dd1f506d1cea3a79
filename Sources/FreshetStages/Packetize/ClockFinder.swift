import FreshetCore
import FreshetWire

/// Finds the clock of a transport stream: which PID's references say how time goes by, and what they say.
///
/// The first PID that carries a PCR is the clock, until the program tables name the first program's PCR
/// PID and that one carries some. When the clock falls silent while another PID's references go on for a
/// second of stream, the other takes over. Without any PCR the decoding times of the video (else of the first
/// elementary stream that has any) serve as the clock; a PCR that comes later outranks them.
struct ClockFinder: Sendable {
    /// What a packet has to say.
    enum Finding: Sendable, Equatable {
        /// Nothing about the clock.
        case none
        /// A reference of the clock.
        case reference(value: Int64, isDiscontinuity: Bool)
        /// Another clock takes over, beginning with `first`; `last` is this packet's, when it is not the
        /// same.
        case changed(first: Sample, last: Sample?)
    }

    /// One reference: where its packet starts, and its value in ticks of 27 MHz, wrapped.
    struct Sample: Sendable, Equatable {
        var position: Int64
        var value: Int64
    }

    private enum Kind: Sendable { case none, decodingTime, clockReference }

    /// A clock that may take over.
    private struct Candidate: Sendable {
        var pid: UInt16
        var isVideo: Bool
        var first: Sample
        var last: Sample
    }

    private var kind = Kind.none
    private var clockPID = TSPacket.nullPID
    private var isClockVideo = false
    private var lastValue: Int64 = -1
    private var isDiscontinuous = false
    private var otherReference: Candidate?
    private var decodingTimes: Candidate?
    private var tables = ProgramClock()
    private var hasVideo = false

    /// True when the packet examined last begins a picture (or, without video, a frame) that decoding can
    /// start at.
    private(set) var isRandomAccess = false

    /// A silent clock is replaced after this many ticks of another.
    static let silenceLimit = MediaTime.ticksPerSecond

    init() {}

    /// True when the packet with the header `head` has nothing to say: no adaptation field, no start of a unit.
    @inline(__always)
    static func isSilent(_ head: UInt32) -> Bool { head & 0x0040_0020 == 0 }

    /// Looks at the 188-byte packet that starts at `position`.
    @inline(__always)
    mutating func examine(_ packet: RawSpan, at position: Int64) -> Finding {
        isRandomAccess = false
        let marks = packet.uint8(at: 1)
        let control = packet.uint8(at: 3)
        // Nearly every packet: no adaptation field, no start of a unit.
        if control & 0x20 == 0, marks & 0x40 == 0 { return .none }
        if marks & 0x80 != 0 { return .none }
        return examineHead(packet, at: position, marks: marks, control: control)
    }

    private mutating func examineHead(
        _ packet: RawSpan, at position: Int64, marks: UInt8, control: UInt8
    ) -> Finding {
        let pid = UInt16(marks & 0x1F) << 8 | UInt16(packet.uint8(at: 2))
        if pid == TSPacket.nullPID { return .none }
        var payload = 4
        var hasRandomAccessMark = false
        var finding = Finding.none
        if control & 0x20 != 0 {
            let length = Int(packet.uint8(at: 4))
            if length > 183 { return .none }
            payload &+= 1 &+ length
            if length > 0 {
                let flags = packet.uint8(at: 5)
                hasRandomAccessMark = flags & 0x40 != 0
                if flags & 0x80 != 0, pid == clockPID { isDiscontinuous = true }
                if flags & 0x10 != 0, length >= 7 {
                    finding = clockReference(ClockReference.read(packet, at: 6), of: pid, at: position)
                }
            }
        }
        guard control & 0x10 != 0, control & 0xC0 == 0, marks & 0x40 != 0, payload < TSPacket.byteCount else {
            isRandomAccess = hasRandomAccessMark && pid == clockPID
            return finding
        }
        if tables.take(packet, pid: pid, payload: payload) { return finding }
        let unit = PESHeader(parsing: packet.extracting(payload..<TSPacket.byteCount))
        if let unit, unit.isVideo { hasVideo = true }
        isRandomAccess = hasRandomAccessMark && (unit.map { $0.isVideo || !hasVideo } ?? (pid == clockPID))
        if let time = unit?.decodingTime ?? unit?.presentationTime,
            kind != .clockReference || finding == .none
        {
            let isVideo = unit?.isVideo ?? false
            let other = decodingTime(
                Sample(position: position, value: time &* 300), of: pid, isVideo: isVideo)
            if finding == .none { finding = other }
        }
        return finding
    }

    /// No reference came where one had to: the decoding times gathered so far, from now on the clock. `nil`
    /// when there is a clock already, or nothing to take.
    mutating func fallBack() -> (first: Sample, last: Sample)? {
        guard kind == .none, let candidate = otherReference ?? decodingTimes,
            candidate.last.position > candidate.first.position
        else { return nil }
        adopt(candidate, kind: otherReference != nil ? .clockReference : .decodingTime)
        return (candidate.first, candidate.last)
    }

    private mutating func adopt(_ candidate: Candidate, kind: Kind) {
        self.kind = kind
        clockPID = candidate.pid
        isClockVideo = candidate.isVideo
        lastValue = candidate.last.value
        isDiscontinuous = false
        otherReference = nil
        decodingTimes = nil
    }

    private mutating func clockReference(_ value: Int64, of pid: UInt16, at position: Int64) -> Finding {
        let sample = Sample(position: position, value: value)
        if kind == .clockReference, pid == clockPID {
            // A frozen clock is a silent one.
            guard value != lastValue else { return .none }
            lastValue = value
            otherReference = nil
            decodingTimes = nil
            defer { isDiscontinuous = false }
            return .reference(value: value, isDiscontinuity: isDiscontinuous)
        }
        let isWanted = tables.isClockNew && pid == tables.clockPID
        var candidate = Candidate(pid: pid, isVideo: false, first: sample, last: sample)
        if kind != .clockReference || isWanted {
            if isWanted { tables.isClockNew = false }
            adopt(candidate, kind: .clockReference)
            return .changed(first: sample, last: nil)
        }
        if let other = otherReference, other.pid == pid { candidate.first = other.first }
        // Of several others the one seen first is watched; it must not fall silent itself.
        if let other = otherReference, other.pid != pid,
            ClockReference.step(from: other.last.value, to: value).magnitude
                < UInt64(ClockFinder.silenceLimit)
        {
            return .none
        }
        otherReference = candidate
        return takeOver(candidate, kind: .clockReference)
    }

    private mutating func decodingTime(_ sample: Sample, of pid: UInt16, isVideo: Bool) -> Finding {
        if kind == .decodingTime, pid == clockPID {
            guard sample.value != lastValue else { return .none }
            lastValue = sample.value
            return .reference(value: sample.value, isDiscontinuity: false)
        }
        if kind == .decodingTime, isClockVideo || !isVideo { return .none }
        var candidate = Candidate(pid: pid, isVideo: isVideo, first: sample, last: sample)
        if let other = decodingTimes {
            if other.pid == pid {
                candidate.first = other.first
            } else if other.isVideo || !isVideo {
                return .none
            }
        }
        decodingTimes = candidate
        return takeOver(candidate, kind: .decodingTime)
    }

    private mutating func takeOver(_ candidate: Candidate, kind: Kind) -> Finding {
        let span = ClockReference.step(from: candidate.first.value, to: candidate.last.value)
        if span < 0 {
            // It jumped itself: watch it anew.
            var fresh = candidate
            fresh.first = candidate.last
            if kind == .clockReference { otherReference = fresh } else { decodingTimes = fresh }
            return .none
        }
        guard span >= ClockFinder.silenceLimit else { return .none }
        adopt(candidate, kind: kind)
        return .changed(first: candidate.first, last: candidate.last)
    }
}
