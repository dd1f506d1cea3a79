public import FreshetCore
internal import FreshetNet

/// The parameters that both sending stages have beside their destinations.
enum SendParameters {
    static let all = [
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
        StageParameter("sdp", .text, default: "", "write a session description to this file"),
    ]

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

/// Sends packets to any number of addresses: unicast, broadcast, groups.
///
/// Each destination says how: `rtp://` as they are, `udp://` without the RTP header. With each goes RTCP on
/// the next port. All destinations are served by one system call a batch; packets that wait together and are
/// equally long go as one message that the kernel cuts up (UDP_SEGMENT). Nothing ever waits for others to
/// come.
public struct UDPSendStage: Stage, ~Copyable {
    private let requests: [DestinationRequest]
    private let bufferByteCount: Int
    private let descriptionPath: String
    private var sender: StreamSender?

    /// Reads the destinations; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        var requests: [DestinationRequest] = []
        for text in arguments.text("to").split(separator: ",") {
            requests.append(SendParameters.request(try StreamURL(String(text)), arguments))
        }
        if requests.isEmpty { throw .usage("udp-send needs to=rtp://ADDRESS:PORT or udp://ADDRESS:PORT") }
        if requests.count > 4096 {
            throw .usage("udp-send sends to at most 4096 destinations, not \(requests.count)")
        }
        self.requests = requests
        bufferByteCount = arguments.integer("buffer") ?? 0
        descriptionPath = arguments.text("sdp")
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "udp-send", summary: "sends to addresses: unicast, broadcast, groups, many at once",
            takes: [.rtp, .transportStream], gives: .none,
            parameters: [
                StageParameter(
                    "to", .text, default: nil,
                    "rtp://ADDRESS:PORT or udp://ADDRESS:PORT; several joined by commas")
            ] + SendParameters.all,
            example:
                "demux input=media/clip.ts ! packetize ! pace ! udp-send to=rtp://192.0.2.7:5004,udp://192.0.2.8:5000"
        )
    }

    /// Opens the sockets.
    public mutating func start(context: inout StageContext) throws(StageError) {
        sender = try StreamSender(requests, sendBufferByteCount: bufferByteCount, random: &context.random)
        if !descriptionPath.isEmpty { try StreamSender.describe(requests, to: descriptionPath) }
    }

    /// Sends what waits.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try sender?.process(&input, context: &context)
    }

    /// Sends the report that is due.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {
        sender?.advance(context: &context)
    }

    /// Says goodbye.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        sender?.finish(context: &context) ?? true
    }

    /// When a report is due, or a full socket is tried again.
    public var nextDeadline: Instant? { sender?.nextDeadline }
}

@section("freshet_stages") @used
private let registration: @convention(c) (UnsafeMutableRawPointer) -> Void = {
    register(UDPSendStage.self, in: $0)
}
