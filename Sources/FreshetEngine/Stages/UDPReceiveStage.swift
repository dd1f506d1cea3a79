public import FreshetCore
internal import FreshetNet

/// Receives a stream at an address: a local one to listen on, or a group to join.
///
/// Packets are read straight into the pool, many by one system call. The first source is kept and others are
/// reported; the stream ends at the source's goodbye, or after `timeout`.
public struct UDPReceiveStage: Stage, ~Copyable {
    private let options: ReceiveOptions
    private var receiver: StreamReceiver?

    /// Reads the address; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        options = try ReceiveOptions(try StreamURL(arguments.text("url")), arguments)
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "udp-receive", summary: "receives at a local address, or a group", takes: .none,
            gives: [.rtp, .transportStream],
            parameters: [
                StageParameter(
                    "url", .text, default: nil, "rtp://ADDRESS:PORT or udp://ADDRESS:PORT to listen on")
            ] + ReceiveOptions.parameters,
            example: "udp-receive url=rtp://0.0.0.0:5004 ! reorder ! depacketize ! record output=show.ts")
    }

    /// RTP or bare transport stream, as the address says.
    public static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        guard let url = try? StreamURL(arguments.text("url")) else { return descriptor.gives }
        return url.scheme == .rtp ? .rtp : .transportStream
    }

    /// Opens the sockets.
    public mutating func start(context: inout StageContext) throws(StageError) {
        receiver = try StreamReceiver(options, context: &context)
    }

    /// Reads what has come.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try receiver?.process(into: &output, context: &context)
    }

    /// Notices silence and the end.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {
        receiver?.advance(context: &context)
    }

    /// When silence or the end is due.
    public var nextDeadline: Instant? { receiver?.nextDeadline }
    /// The media socket.
    public var pollDescriptor: Int32 { receiver?.pollDescriptor ?? -1 }
    /// RTCP, and changes of the network.
    public var controlDescriptor: Int32 { receiver?.controlDescriptor ?? -1 }
}

@section("freshet_stages") @used
private let registration: @convention(c) (UnsafeMutableRawPointer) -> Void = {
    register(UDPReceiveStage.self, in: $0)
}
