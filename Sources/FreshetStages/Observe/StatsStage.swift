public import FreshetCore
import FreshetWire

/// Measures the line it stands in and says so once per interval; passes everything untouched.
///
/// Rates count the media bytes, without the RTP header. Gaps are packets missing in the RTP sequence at this
/// point, continuity errors what is missing in the transport stream, and clock jitter is how far the earliest
/// and the latest clock reference of the interval lie apart, seen from this host's clock.
public struct StatsStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "stats", summary: "measures rate, gaps, continuity and clock jitter, and passes everything",
            takes: [.samples, .transportStream, .rtp, .bytes],
            gives: [.samples, .transportStream, .rtp, .bytes],
            parameters: [
                StageParameter("interval", .duration, default: "1s", "how often it reports"),
                StageParameter("label", .text, default: "", "what its lines begin with"),
            ],
            example: "multicast-receive group=239.77.1.1:5004 ! stats interval=5s ! depacketize ! stdout")
    }

    private let interval: Nanoseconds
    private let label: String
    private var deadline: Instant?
    private var begun = Instant.zero
    private var recent = LineTally()
    private var sequence = SequenceTally()
    private var continuity = ContinuityChecker()
    private var clock = ClockSpread()
    private var reported = (missing: 0, reordered: 0)

    /// A stage that reports every `interval`.
    public init(interval: Nanoseconds = .seconds(1), label: String = "") {
        self.interval = max(interval, .milliseconds(1))
        self.label = label
    }

    /// A stage with the parameters of ``descriptor``.
    public init(arguments: StageArguments) throws(StageError) {
        self.init(interval: arguments.duration("interval") ?? .seconds(1), label: arguments.text("label"))
    }

    /// Begins the first interval.
    public mutating func start(context: inout StageContext) throws(StageError) {
        begun = context.now
        deadline = context.now + interval
    }

    /// Passes what there is room for.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while !output.isFull, let packet = input.popFirst() {
            measure(packet, context: &context)
            output.append(packet)
        }
    }

    /// Reports when the interval is over.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        guard let due = deadline, due <= context.now else { return }
        closeInterval(context: &context)
        // The grid stays, however late a wake-up was.
        deadline = due + interval > context.now ? due + interval : context.now + interval
    }

    /// Reports what the last interval had.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        if recent.packetCount > 0 { closeInterval(context: &context) }
        return true
    }

    /// When the interval is over.
    public var nextDeadline: Instant? { deadline }

    private mutating func measure(_ packet: borrowing Packet, context: inout StageContext) {
        let info = packet.info
        let bytes = packet.bytes
        var offset = min(Int(info.headerByteCount), bytes.byteCount)
        recent.packetCount &+= 1
        recent.byteCount &+= bytes.byteCount &- offset
        if info.flags.contains(.hasSequence) { sequence.note(info.extendedSequence, epoch: info.epoch) }
        while let head = TSPacket(parsing: bytes, at: offset) {
            if head.flags.contains(.hasClockReference) {
                clock.note(head.clockReference, of: head.pid, at: context.now)
            }
            if case .gap = continuity.check(head) {
                recent.continuityErrorCount &+= 1
                context.counters.add(.continuityErrors)
            }
            offset &+= TSPacket.byteCount
        }
    }

    private mutating func closeInterval(context: inout StageContext) {
        context.report(.notice(line(over: context.now - begun)))
        reported = (sequence.missingCount, sequence.reorderedCount)
        recent = LineTally()
        clock = ClockSpread()
        begun = context.now
    }

    private func line(over elapsed: Nanoseconds) -> String {
        let span = Int128(max(1, elapsed.count))
        let bitRate = Int(Int128(recent.byteCount) * 8 * 1_000_000_000 / span)
        let packetRate = Int(Int128(recent.packetCount) * 1_000_000_000 / span)
        var line = label.isEmpty ? "" : label + ": "
        line += "\(StatsStage.thousandths(bitRate / 1000)) Mbit/s, \(packetRate) packets/s"
        if sequence.hasBegun {
            line += ", \(max(0, sequence.missingCount - reported.missing)) missing"
            line += ", \(sequence.reorderedCount - reported.reordered) out of order"
        }
        line += ", \(recent.continuityErrorCount) continuity errors"
        if let spread = clock.spread {
            line += ", clock jitter \(StatsStage.thousandths(Int(spread.count / 1000))) ms"
        }
        return line
    }

    /// `value` thousandths as a decimal number.
    static func thousandths(_ value: Int) -> String {
        let digits = String(value % 1000)
        return "\(value / 1000)." + String(repeating: "0", count: 3 - digits.utf8.count) + digits
    }
}

/// What went by in a span.
private struct LineTally {
    var packetCount = 0
    var byteCount = 0
    var continuityErrorCount = 0
}

/// What is missing in an RTP sequence: expected less received, as RFC 3550 §6.4.1 counts.
struct SequenceTally: Sendable {
    private var epoch: UInt32 = 0
    private var first: Int64 = 0
    private var highest: Int64 = -1
    private var receivedCount: Int64 = 0
    private var pastCount = 0
    /// True once there was a sequence number.
    private(set) var hasBegun = false
    /// Packets that came behind a later one.
    private(set) var reorderedCount = 0

    /// Takes in one packet's number.
    mutating func note(_ sequence: Int64, epoch: UInt32) {
        if !hasBegun || epoch != self.epoch {
            pastCount = missingCount
            self.epoch = epoch
            first = sequence
            highest = sequence
            receivedCount = 0
            hasBegun = true
        }
        receivedCount &+= 1
        if sequence > highest { highest = sequence } else if receivedCount > 1 { reorderedCount &+= 1 }
        first = min(first, sequence)
    }

    /// Packets missing so far; a late one takes its own off again.
    var missingCount: Int { hasBegun ? pastCount + Int(max(0, highest &- first &+ 1 &- receivedCount)) : 0 }
}

/// How far the clock references of one PID lie from an even clock, against this host's.
struct ClockSpread: Sendable {
    private var pid: UInt16?
    private var first: (value: Int64, instant: Instant)?
    private var lowest = Int64.max
    private var highest = Int64.min

    /// Takes in a PCR that passed at `now`.
    mutating func note(_ value: Int64, of pid: UInt16, at now: Instant) {
        if self.pid == nil { self.pid = pid }
        guard pid == self.pid else { return }
        let origin = first ?? (value, now)
        first = origin
        let media = MediaTime(ticks: ClockReference.step(from: origin.value, to: value))
        let offset = (now - origin.instant).count &- media.since(MediaTime(ticks: 0)).count
        guard offset.magnitude < 1_000_000_000 else {
            // The clock jumped: what was before says nothing about what follows.
            self = ClockSpread()
            return note(value, of: pid, at: now)
        }
        lowest = min(lowest, offset)
        highest = max(highest, offset)
    }

    /// From the earliest to the latest; `nil` with fewer than two.
    var spread: Nanoseconds? { highest > lowest ? Nanoseconds(highest &- lowest) : nil }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(StatsStage.self, in: $0) }
