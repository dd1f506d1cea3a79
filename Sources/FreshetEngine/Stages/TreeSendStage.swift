internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// `tree-send`: opens a stream to a relay tree, and passes its packets on. See ``TreeMember``.
struct TreeSendStage: Stage, ~Copyable {
    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "tree-send", summary: "opens a stream to a relay tree, whose viewers forward to viewers",
            takes: .rtp, gives: .rtp,
            parameters: [
                StageParameter("name", .text, default: "", "the stream's name in the join URL"),
                StageParameter(
                    "listen", .text, default: "",
                    "ADDRESS:PORT of a coordinator of its own (TCP), and of the source itself (UDP)"),
                StageParameter(
                    "coordinator", .text, default: "",
                    "join the coordinator at freshet://HOST:PORT/NAME instead of having one"),
                StageParameter("token", .text, default: "", "what members must show to be let in"),
                StageParameter(
                    "wait-viewers", .integer(0...100_000), default: "0", "begin when so many have joined"),
                StageParameter(
                    "stripes", .integer(1...15), default: "1",
                    "split the stream in so many parts, each with a tree of its own"),
                StageParameter(
                    "parity", .flag, default: "false",
                    "one more stripe with parity, so that a stripe whose relay fails is bridged without asking"
                ),
                StageParameter(
                    "pass", .flag, default: "true",
                    "give the packets to the stages behind; false: to the tree only"),
            ] + TreePlace.parameters,
            example:
                "demux input=media/clip.ts ! packetize ! pace ! tree-send name=show listen=:7400 pass=false")
    }

    static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        arguments.flag("pass") ? .rtp : .none
    }

    /// How often it is looked whether enough viewers have come.
    private static let waitInterval = Nanoseconds.milliseconds(50)

    private let arguments: StageArguments
    private let passes: Bool
    private let host: TreeHost
    private var member: TreeMember?
    private var isWaiting: Bool
    private var waitDeadline: Instant?
    /// Watches the coordinator's way and the neighbours, both of which are opened later.
    private var poller: Poller?
    private var pollNumber: Int32 = -1
    private var nothing = PacketBatch(capacity: 1)

    private static let controlTag: UInt64 = 0
    private static let linksTag: UInt64 = 1

    /// Reads the parameters; opens nothing.
    init(arguments: StageArguments) throws(StageError) {
        self.arguments = arguments
        passes = arguments.flag("pass")
        isWaiting = (arguments.integer("wait-viewers") ?? 0) > 0
        host = try TreeHost(arguments)
    }

    mutating func start(context: inout StageContext) throws(StageError) {
        do {
            let made = try Poller()
            pollNumber = made.number
            poller = consume made
        } catch { throw .failure(error.message) }
        try host.open(context: &context)
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        // What nobody has waited for goes nowhere.
        if context.isStopping, member == nil { return input.removeAll() }
        // Until then the stream has no SSRC, and there is nothing to join for.
        guard member != nil || !input.isEmpty else { return }
        if isWaiting, !hasEnough(context.now) { return }
        if member == nil { try join(input[0].info, context: &context) }
        guard let member else { return }
        while !output.isFull, let packet = input.popFirst() {
            guard packet.info.flags.contains(.hasSequence) else {
                throw .usage("tree-send needs RTP packets; put packetize before it")
            }
            member.originate(packet, now: context.now)
            context.counters.add(.packetsOut)
            context.counters.add(.bytesOut, packet.byteCount &- Int(packet.info.headerByteCount))
            if passes { output.append(packet) }
        }
        try run(member, context: &context)
    }

    private mutating func run(_ member: TreeMember, context: inout StageContext) throws(StageError) {
        if context.isReadable {
            context.isReadable = false
            let count = (try? poller?.wait(until: .zero)) ?? 0
            for index in 0..<count {
                switch poller?[index].tag {
                case TreeSendStage.controlTag: context.isControlReadable = true
                default: context.isReadable = true
                }
            }
        }
        try member.run(into: &nothing, delivers: false, context: &context)
    }

    private mutating func hasEnough(_ now: Instant) -> Bool {
        isWaiting = host.viewerCount < arguments.integer("wait-viewers") ?? 0
        waitDeadline = isWaiting ? now + TreeSendStage.waitInterval : nil
        return !isWaiting
    }

    private mutating func join(_ first: PacketInfo, context: inout StageContext) throws(StageError) {
        var options = try TreePlace.options(
            arguments, stream: host.url.name, token: host.url.token, coordinator: host.address)
        options.node.join.role = .source
        options.node.join.sourceToken = host.sourceToken
        options.node.join.epoch = first.ssrc
        // Its own coordinator is on this host: it has nothing to tell.
        if !host.isOwn { options.coordinator = host.address }
        if arguments.text("address").isEmpty, host.isOwn { options.address = host.linkAddress }
        let channel = try CoordinatorChannel(host.url, random: &context.random)
        let member = try TreeMember(options, control: channel, context: &context)
        member.node.begin(at: first.extendedSequence)
        do {
            try poller?.add(channel.descriptor, tag: TreeSendStage.controlTag, onEdge: true)
            try poller?.add(member.port.number, tag: TreeSendStage.linksTag, onEdge: true)
        } catch { throw .failure(error.message) }
        self.member = member
        context.isControlReadable = true
    }

    /// Says goodbye down the tree, and answers for the end of the stream as long as somebody asks.
    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        guard let member else {
            host.close()
            return true
        }
        member.end(now: context.now)
        try run(member, context: &context)
        guard member.isDone(now: context.now) else { return false }
        member.control.close()
        host.close()
        return true
    }

    /// When the node, repair or a child wants something.
    var nextDeadline: Instant? { earliest(waitDeadline, member?.deadline) }
    /// The coordinator and the neighbours.
    var pollDescriptor: Int32 { pollNumber }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(TreeSendStage.self, in: $0) }
