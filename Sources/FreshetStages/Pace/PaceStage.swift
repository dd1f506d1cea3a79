public import FreshetCore

/// Lets each packet go when its media time says; see ``Pacer``.
///
/// Packets leave in the order they came. One without a media time (a format, a packet of a source that has
/// none) goes with its predecessor. At most `hold` packets wait here; the rest waits in the input.
public struct PaceStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "pace", summary: "lets packets go at the speed of the stream's own clock",
            takes: [.samples, .rtp, .transportStream], gives: [.samples, .rtp, .transportStream],
            parameters: [
                StageParameter(
                    "mode", .choice(["pcr", "dts", "off"]), default: "pcr",
                    "whose clock: pcr for a transport stream or RTP, dts for samples, off for none"),
                StageParameter("speed", .text, default: "1", "stream time per real time, such as 2 or 0.5"),
                StageParameter(
                    "batch", .duration, default: "0",
                    "how far from its time a packet may go, to go with others: fewer wake-ups, less even"),
                StageParameter(
                    "burst-limit", .duration, default: "5ms", "packets late by no more than this go at once"),
                StageParameter(
                    "catch-up", .integer(1...1000), default: "4",
                    "how many times faster than the stream a longer backlog goes out"),
                StageParameter(
                    "late-limit", .duration, default: "500ms",
                    "a packet later than this starts the schedule anew"),
                StageParameter("delay", .duration, default: "0", "how long the first packet waits"),
                StageParameter(
                    "lead", .duration, default: "0",
                    "how much of the stream goes out ahead of its time at the start, to fill receivers"),
                StageParameter(
                    "follow", .flag, default: "false",
                    "keeps in step with a live source, whose clock is not this host's"),
                StageParameter(
                    "hold", .integer(1...65_536), default: "512", "packets waiting here at most"),
            ],
            example: "demux input=media/clip.ts ! packetize ! pace speed=2 ! udp-send to=rtp://127.0.0.1:5004"
        )
    }

    private var pacer: Pacer
    private let isOff: Bool
    private let follows: Bool
    private let batch: Nanoseconds
    private var held: PacketBatch
    private var deadline: Instant?
    /// All that departs up to here goes in one batch; kept while the output has no room for all of it.
    private var batchEnd = Instant.zero
    private var isBlocked = false
    private var seenRestartCount = 0
    /// Whether the stage behind has taken the first packet.
    private var beginning = Beginning.none

    private enum Beginning { case none, offered, taken }

    /// How soon it is looked again whether the first packet was taken.
    private static let offerInterval = Nanoseconds.milliseconds(1)

    /// A stage that paces as `configuration` says and lets packets go together that are due within `batch` of now, on
    /// either side.
    public init(_ configuration: Pacer.Configuration = .init(), batch: Nanoseconds = .zero, hold: Int = 512) {
        pacer = Pacer(configuration)
        isOff = false
        follows = configuration.followsSource
        self.batch = batch
        held = PacketBatch(capacity: hold)
    }

    /// Unless it is off.
    public static func keepsTime(arguments: StageArguments) -> Bool { arguments.text("mode") != "off" }

    /// A stage with the parameters of ``descriptor``.
    public init(arguments: StageArguments) throws(StageError) {
        var configuration = Pacer.Configuration()
        configuration.speedPartsPerMillion = try PaceStage.speed(arguments.text("speed"))
        configuration.delay = arguments.duration("delay") ?? .zero
        configuration.lead = arguments.duration("lead") ?? .zero
        configuration.burstLimit = arguments.duration("burst-limit") ?? configuration.burstLimit
        configuration.catchUpFactor = Int64(arguments.integer("catch-up") ?? 4)
        configuration.lateLimit = arguments.duration("late-limit") ?? configuration.lateLimit
        configuration.followsSource = arguments.flag("follow")
        follows = configuration.followsSource
        pacer = Pacer(configuration)
        isOff = arguments.text("mode") == "off"
        batch = arguments.duration("batch") ?? .zero
        held = PacketBatch(capacity: arguments.integer("hold") ?? 512)
    }

    /// Parts per million of a number such as `2`, `0.5` or `1.25`.
    private static func speed(_ text: String) throws(StageError) -> Int64 {
        let isNumber = text.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2E }
        // A bare number of milliseconds is read to the nanosecond, which is the number in parts per million.
        guard isNumber, let span = ParameterReader.duration(text), span.count >= 1_000,
            span.count <= 1_000_000_000
        else { throw .usage("pace: speed must be a number from 0.001 to 1000, not '\(text)'") }
        return span.count
    }

    /// Takes what it may hold and gives what is due.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        if context.isStopping { input.removeAll() }
        while true {
            // By the half, so that the stages before work seldom and then for many packets; a live source's
            // come as they come.
            if follows || held.count * 2 <= held.capacity {
                while !held.isFull, let packet = input.popFirst() {
                    if follows { noteArrival(packet, isBlocked: held.freeCount == 1, context: &context) }
                    held.append(packet)
                }
            }
            // What departs first has been asked already, and its time has not come.
            if let deadline, deadline > context.now, !follows, !context.isStopping { return }
            let count = held.count
            release(into: &output, context: &context)
            if held.count == count || input.isEmpty || beginning == .offered { return }
        }
    }

    /// Gives what is due.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        release(into: &output, context: &context)
    }

    /// Gives what is due; true when nothing is held.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        release(into: &output, context: &context)
        return held.isEmpty
    }

    /// The departure of the first packet held; `nil` when there is none, or it waits for room.
    public var nextDeadline: Instant? { deadline }

    private mutating func noteArrival(
        _ packet: borrowing Packet, isBlocked: Bool, context: inout StageContext
    ) {
        let info = packet.info
        guard info.flags.contains(.hasMediaTime) else { return }
        let isDry = context.pool.freeCount == 0
        pacer.arrived(info.mediaTime, now: context.now - batch, isBlocked: isBlocked || isDry)
    }

    private mutating func release(into output: inout PacketBatch, context: inout StageContext) {
        deadline = nil
        // What has not departed when the user asks to end never does.
        if context.isStopping { held.removeAll() }
        // The schedule's clock is slow by the batch, so the first packet of one leaves that much late, and what leaves
        // with it may be as much ahead of time.
        let clock = context.now - batch
        // A stage behind may wait for its receivers before it takes anything. A file begins then; a live source does not
        // wait, and what it gave meanwhile is a backlog.
        if beginning == .offered, !output.isEmpty, !isOff {
            if !follows { pacer.postpone(now: clock) }
            deadline = context.now + PaceStage.offerInterval
            return
        }
        if beginning == .offered { beginning = .taken }
        if !isBlocked || batchEnd < clock { batchEnd = clock }
        while !held.isEmpty, !output.isFull {
            if !isOff, held[0].info.flags.contains(.hasMediaTime) {
                let departure = pacer.departure(of: held[0].info.mediaTime, now: clock)
                if departure > batchEnd {
                    deadline = departure + batch
                    break
                }
                if departure <= clock { batchEnd = context.now + batch }
            }
            if let packet = held.popFirst() { output.append(packet) }
            if beginning == .none, !isOff {
                beginning = .offered
                deadline = context.now
                break
            }
        }
        isBlocked = output.isFull || beginning == .offered
        if pacer.restartCount != seenRestartCount {
            context.counters.add(.underruns, pacer.restartCount - seenRestartCount)
            seenRestartCount = pacer.restartCount
        }
        context.counters[.queued] = held.count
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(PaceStage.self, in: $0) }
