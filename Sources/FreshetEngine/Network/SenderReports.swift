internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// What a sender tells beside a stream: RTCP sender reports with a name and a heartbeat, and a goodbye at the
/// end (RFC 3550 §6.4.1, §6.5, §6.6; the heartbeat is on the WireProtocol page).
///
/// Knows no socket: it is told of packets and asked for datagrams when they are due.
struct SenderReports {
    /// Between two reports; receivers learn of a lost tail within it.
    static let interval = Nanoseconds.milliseconds(500)
    /// Between the first reports of a sender that answers requests: nobody can ask before one of them came.
    static let openingInterval = Nanoseconds.milliseconds(20)
    /// How many of those: with one datagram in three lost, all are once in ten thousand starts.
    static let openingCount = 8
    /// Between two goodbyes.
    static let goodbyeInterval = Nanoseconds.milliseconds(15)
    /// Between two goodbyes while the sender stays to answer for the end of the stream.
    static let lingeringInterval = Nanoseconds.milliseconds(100)
    /// How many goodbyes, since each may be lost.
    static let goodbyeCount = 3

    private let name: CanonicalName
    private let answersRequests: Bool
    private var ssrc: UInt32
    private var hasSource = false
    private var packetCount: UInt64 = 0
    private var octetCount: UInt64 = 0
    private var highestSequence: Int64 = 0
    private var lastTimestamp: UInt32 = 0
    /// The schedule instant that belongs to `lastTimestamp`.
    private var lastDeparture = Instant.zero
    private(set) var deadline: Instant?
    private var openingsLeft: Int
    /// Time to the next report while the media waits for an answer.
    private var greetingInterval: Nanoseconds?
    private var goodbyesLeft = SenderReports.goodbyeCount

    /// Reports of the sender called `name`; `ssrc` stands for a stream that has none of its own (bare
    /// transport stream).
    ///
    /// `answersRequests`: what is lost may be asked for.
    init(name: CanonicalName, ssrc: UInt32, answersRequests: Bool = false) {
        self.answersRequests = answersRequests
        openingsLeft = answersRequests ? SenderReports.openingCount : 0
        self.name = name
        self.ssrc = ssrc
    }

    /// A packet departs at `now`. The first one makes a report due at once.
    @inline(__always)
    mutating func note(_ packet: borrowing Packet, now: Instant) {
        let info = packet.info
        if info.flags.contains(.hasSequence) {
            if info.ssrc != ssrc && hasSource { restart() }
            ssrc = info.ssrc
            lastTimestamp = info.rtpTimestamp
            highestSequence =
                packetCount == 0 ? info.extendedSequence : max(highestSequence, info.extendedSequence)
        } else {
            highestSequence = Int64(packetCount)
        }
        lastDeparture = now
        hasSource = true
        packetCount &+= 1
        octetCount &+= UInt64(packet.byteCount &- Int(info.headerByteCount))
        if deadline == nil { deadline = now }
    }

    /// A stream will begin with the packet `first`, once its receivers have answered: a report is due every `interval`
    /// until then.
    mutating func greet(_ first: PacketInfo, every interval: Nanoseconds, now: Instant) {
        if interval == greetingInterval { return }
        greetingInterval = interval
        hasSource = true
        ssrc = first.ssrc
        lastTimestamp = first.rtpTimestamp
        highestSequence = first.extendedSequence &- 1
        lastDeparture = now
        deadline = now
    }

    /// The first packet goes: its report is due with it.
    mutating func begin() {
        greetingInterval = nil
        openingsLeft = answersRequests ? SenderReports.openingCount : 0
        deadline = nil
    }

    /// Another source's packets come: a new epoch, counted anew.
    private mutating func restart() {
        packetCount = 0
        octetCount = 0
        openingsLeft = answersRequests ? SenderReports.openingCount : 0
        deadline = nil
    }

    private func interval(_ isEnding: Bool) -> Nanoseconds {
        if !isEnding {
            if let greetingInterval { return greetingInterval }
            return openingsLeft > 0 ? SenderReports.openingInterval : SenderReports.interval
        }
        return goodbyesLeft > 0 ? SenderReports.goodbyeInterval : SenderReports.lingeringInterval
    }

    /// Sends nothing; asks again at `deadline`.
    mutating func silence(until deadline: Instant) { self.deadline = deadline }

    /// True when there is somebody to say goodbye for.
    var hasSaidAnything: Bool { hasSource }

    /// True while goodbyes are still to be sent. A sender that sent nothing says none.
    var hasGoodbyesLeft: Bool { hasSource && goodbyesLeft > 0 }

    /// Writes the report that is due into `bytes` and sets the next deadline; gives its length. `wallTime` is
    /// the wall clock at `now`.
    mutating func write(
        into bytes: inout MutableRawSpan, now: Instant, wallTime: WallTime, isEnding: Bool
    ) -> Int {
        if isEnding { goodbyesLeft = max(0, goodbyesLeft - 1) }
        openingsLeft = max(0, openingsLeft - 1)
        deadline = now + interval(isEnding)
        let elapsed = (now - lastDeparture).count
        let ticks = greetingInterval != nil ? 0 : UInt32(truncatingIfNeeded: elapsed / 1_000 * 9 / 100)
        var flags: Heartbeat.Flags = isEnding ? .isEnding : []
        if answersRequests { flags.insert(.answersRequests) }
        var writer = CompoundWriter(&bytes)
        writer.write(
            SenderReport(
                ssrc: ssrc, ntpTime: NTPTime(unixNanoseconds: wallTime.nanoseconds),
                rtpTimestamp: lastTimestamp &+ ticks, packetCount: UInt32(truncatingIfNeeded: packetCount),
                octetCount: UInt32(truncatingIfNeeded: octetCount)))
        writer.writeDescription(ssrc: ssrc, name: name)
        writer.write(
            Heartbeat(
                ssrc: ssrc, flags: flags, highestSequence: highestSequence,
                packetCount: packetCount))
        if isEnding { writer.writeGoodbye(ssrc: ssrc) }
        return writer.byteCount
    }
}
