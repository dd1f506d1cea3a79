internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// `tree-receive`: joins a relay tree, gives its packets as they come, and forwards them to the members that the
/// coordinator puts below. See ``TreeMember``.
struct TreeReceiveStage: Stage, ~Copyable {
    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "tree-receive", summary: "joins a relay tree: receives, and forwards to others",
            takes: .none, gives: .rtp,
            parameters: [
                StageParameter(
                    "url", .text, default: nil, "freshet://HOST:PORT/NAME?pin=…, as the source prints it"),
                StageParameter(
                    "latency", .duration, default: "200ms",
                    "how long the stages behind wait for what is missing: nothing is asked for that cannot come by then"
                ),
                StageParameter("no-forward", .flag, default: "false", "receive only"),
                StageParameter(
                    "standby", .flag, default: "false", "take over when a relay next to the source fails"),
                StageParameter(
                    "give", .flag, default: "true",
                    "give the packets to the stages behind; false: only forward"),
                StageParameter(
                    "uplink", .bitRate, default: "",
                    "what the line can give to others, once the stream's rate is known; left out: children decides"
                ),
                StageParameter(
                    "batch", .duration, default: "0",
                    "let packets wait this long for others, to forward them together: less work, more delay"),
                StageParameter(
                    "timeout", .seconds, default: "0", "end after this long without a packet; 0: never"),
            ] + TreePlace.parameters,
            example:
                "tree-receive url=freshet://192.0.2.7:7400/show ! reorder latency=500 ! depacketize ! record output=show.ts"
        )
    }

    static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        arguments.flag("give") ? .rtp : .none
    }

    private let arguments: StageArguments
    private let url: ControlURL
    private let delivers: Bool
    private let timeout: Nanoseconds
    private var member: TreeMember?
    private var lastPacket = Instant.zero
    private var lastCount = 0
    private var isLeaving = false

    /// Reads the parameters; opens nothing.
    init(arguments: StageArguments) throws(StageError) {
        self.arguments = arguments
        do { url = try ControlURL(arguments.text("url")) } catch { throw .usage("\(error)") }
        delivers = arguments.flag("give")
        timeout = arguments.duration("timeout") ?? .zero
    }

    mutating func start(context: inout StageContext) throws(StageError) {
        guard let coordinator = SocketAddress.resolve(url.host, port: url.port) else {
            throw .usage("'\(url.host)' is neither an address nor the name of a host")
        }
        var options = try TreePlace.options(
            arguments, stream: url.name, token: url.token, coordinator: coordinator)
        options.node.join.uplinkKilobits = UInt32(clamping: (arguments.bitRate("uplink") ?? 0) / 1000)
        options.repair.latency = arguments.duration("latency") ?? options.repair.latency
        options.node.join.role = arguments.flag("standby") ? .standby : delivers ? .viewer : .relay
        if arguments.flag("no-forward") { options.node.join.forwards = false }
        options.batch = arguments.duration("batch") ?? .zero
        options.coordinator = coordinator
        let channel = try CoordinatorChannel(url, random: &context.random)
        member = try TreeMember(options, control: channel, context: &context)
        lastPacket = context.now
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        guard let member else { return }
        try member.run(into: &output, delivers: delivers, context: &context)
        if member.node.tally.receivedCount != lastCount {
            lastCount = member.node.tally.receivedCount
            lastPacket = context.now
        }
        if context.isSourceFinished { return }
        if member.isComplete {
            context.report(.endOfStream)
            context.finishSource()
        } else if timeout > .zero, context.now - lastPacket >= timeout {
            context.report(
                .notice("nothing has come for \(timeout.count / 1_000_000) ms: this is the end"))
            context.finishSource()
        }
    }

    /// The stream is over, or the user asks to end: children are handed over or served to the end.
    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        guard let member else { return true }
        if !member.isComplete, !isLeaving {
            isLeaving = true
            member.node.leave(now: context.now)
        }
        // What comes while the children are handed over is theirs.
        try member.run(into: &output, delivers: delivers, context: &context)
        guard member.outlet.isEmpty || member.outlet.isStuck else { return false }
        guard member.isDone(now: context.now) || member.hasLeft else { return false }
        member.control.close()
        return true
    }

    /// When the node, repair or a child wants something.
    var nextDeadline: Instant? {
        let deadline = member?.deadline
        return timeout > .zero ? earliest(deadline, lastPacket + timeout) : deadline
    }
    /// The neighbours.
    var pollDescriptor: Int32 { member?.pollDescriptor ?? -1 }
    /// The coordinator.
    var controlDescriptor: Int32 { member?.control.descriptor ?? -1 }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(TreeReceiveStage.self, in: $0) }
