public import FreshetCore
internal import FreshetNet

/// Sends packets to one multicast group, of any source (ASM) or for receivers that name this source (SSM).
///
/// The same as ``UDPSendStage`` with one destination that must be a group.
public struct MulticastSendStage: Stage, ~Copyable {
    private let request: DestinationRequest
    private let bufferByteCount: Int
    private let descriptionPath: String
    private var sender: StreamSender?

    /// Reads the group; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        let url = try GroupParameters.url(arguments)
        guard url.address.isMulticast else {
            throw .usage(
                "multicast-send: \(url.address.host) is not a multicast address (224.0.0.0 to 239.255.255.255, "
                    + "or ff00::/8); use udp-send for others")
        }
        request = SendParameters.request(url, arguments)
        bufferByteCount = arguments.integer("buffer") ?? 0
        descriptionPath = arguments.text("sdp")
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "multicast-send", summary: "sends to a multicast group", takes: [.rtp, .transportStream],
            gives: .none,
            parameters: GroupParameters.all + SendParameters.all,
            example:
                "demux input=media/clip.ts ! packetize ! pace ! multicast-send group=239.77.1.1:5004 ttl=4")
    }

    /// Opens the socket.
    public mutating func start(context: inout StageContext) throws(StageError) {
        sender = try StreamSender([request], sendBufferByteCount: bufferByteCount, random: &context.random)
        if !descriptionPath.isEmpty { try StreamSender.describe([request], to: descriptionPath) }
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

/// How a stage is told its group: as an address, or as a URL.
enum GroupParameters {
    static let all = [
        StageParameter("group", .text, default: "", "ADDRESS:PORT of the group"),
        StageParameter(
            "protocol", .choice(["rtp", "udp"]), default: "rtp", "RTP, or bare MPEG-TS, to `group`"),
        StageParameter(
            "url", .text, default: "", "instead of group: rtp://ADDRESS:PORT?… or udp://ADDRESS:PORT?…"),
    ]

    /// The URL given, or made of `group` and `protocol`.
    static func url(_ arguments: StageArguments) throws(StageError) -> StreamURL {
        let url = arguments.text("url")
        let group = arguments.text("group")
        let name = arguments.descriptor.name
        if url.isEmpty == group.isEmpty {
            throw .usage("\(name) needs group=ADDRESS:PORT or url=rtp://ADDRESS:PORT")
        }
        if !url.isEmpty { return try StreamURL(url) }
        if group.contains("://") { return try StreamURL(group) }
        return try StreamURL(group, defaultScheme: StreamURL.Scheme(rawValue: arguments.text("protocol")))
    }
}

@section("freshet_stages") @used
private let registration: @convention(c) (UnsafeMutableRawPointer) -> Void = {
    register(MulticastSendStage.self, in: $0)
}
