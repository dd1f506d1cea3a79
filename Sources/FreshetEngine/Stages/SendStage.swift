internal import FreshetCore
internal import FreshetNet

/// The parameters that both sending stages have beside their destinations.
enum SendParameters {
    static let all =
        [
            StageParameter("interface", .text, default: "", "interface for multicast, by name or address"),
            StageParameter(
                "ttl", .integer(0...255), default: "", "routers a multicast packet may pass (hop limit)"),
            StageParameter(
                "loopback", .flag, default: "", "whether receivers on this host get multicast too (yes)"),
            StageParameter("dscp", .integer(0...63), default: "", "differentiated services code point"),
            StageParameter(
                "control", .flag, default: "true", "RTCP on the next port: reports, heartbeat, goodbye"),
            StageParameter(
                "buffer", .integer(4096...1 << 30), default: "4194304", "bytes of the socket's send buffer"),
            FECPlan.parameter,
            StageParameter("sdp", .text, default: "", "write a session description to this file"),
        ] + HistoryOptions.parameters

    /// The destination that `url` is, with the stage's parameters where it does not say.
    static func request(_ url: StreamURL, _ arguments: StageArguments) -> DestinationRequest {
        let interface = arguments.text("interface")
        return DestinationRequest(
            url: url, ttl: url.ttl ?? arguments.integer("ttl"),
            interface: url.interface ?? (interface.isEmpty ? nil : interface),
            dscp: url.dscp ?? arguments.integer("dscp"),
            hasLoopback: url.hasLoopback ?? (arguments.has("loopback") ? arguments.flag("loopback") : nil),
            hasControl: url.hasControl ?? arguments.flag("control"))
    }
}

/// What the sending stages differ in: name, help, and how they are told where to send.
protocol SendPlace {
    static var descriptor: StageDescriptor { get }
    static func requests(_ arguments: StageArguments) throws(StageError) -> [DestinationRequest]
}

/// Sends packets: the body of `udp-send` and `multicast-send`.
///
/// Each destination says how: `rtp://` as they are, `udp://` without the RTP header. With each goes RTCP on
/// the next port. All destinations are served by one system call a batch; packets that wait together and are
/// equally long go as one message that the kernel cuts up (UDP_SEGMENT). Nothing ever waits for others to
/// come.
struct SendStage<Place: SendPlace>: Stage, ~Copyable {
    private let requests: [DestinationRequest]
    private let bufferByteCount: Int
    private let descriptionPath: String
    private let fec: FECPlan
    private let history: HistoryOptions
    private var sender: StreamSender?

    /// Reads the destinations; opens nothing.
    init(arguments: StageArguments) throws(StageError) {
        let requests = try Place.requests(arguments)
        fec = try FECPlan(arguments.text("fec"))
        self.requests = requests
        bufferByteCount = arguments.integer("buffer") ?? 0
        descriptionPath = arguments.text("sdp")
        history = HistoryOptions(arguments)
    }

    static var descriptor: StageDescriptor { Place.descriptor }

    mutating func start(context: inout StageContext) throws(StageError) {
        sender = try StreamSender(
            requests, sendBufferByteCount: bufferByteCount, history: history, fec: fec,
            random: &context.random)
        if !descriptionPath.isEmpty { try StreamSender.describe(requests, to: descriptionPath) }
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try sender?.process(&input, context: &context)
    }

    mutating func advance(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        sender?.advance(context: &context)
    }

    /// Says goodbye.
    mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        sender?.finish(context: &context) ?? true
    }

    /// When a report or a repair is due, or a full socket is tried again.
    var nextDeadline: Instant? { sender?.nextDeadline }
    /// Requests for what was lost.
    var controlDescriptor: Int32 { sender?.controlDescriptor ?? -1 }
}
