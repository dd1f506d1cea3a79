public import FreshetCore
internal import FreshetNet

/// Receives a stream from a multicast group, of any source or of one.
///
/// As ``UDPReceiveStage``, and it may be told the group as an address. Joins on the interface asked for, and
/// again when that goes and comes back or nothing comes for 3 seconds. A URL that names no group is listened
/// on as a local address.
public struct MulticastReceiveStage: Stage, ~Copyable {
    private let options: ReceiveOptions
    private var receiver: StreamReceiver?

    /// Reads the group; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        let url = try GroupParameters.url(arguments)
        if arguments.has("group") && !url.address.isMulticast {
            throw .usage(
                "multicast-receive: \(url.address.host) is not a multicast address (224.0.0.0 to 239.255.255.255, "
                    + "or ff00::/8); use udp-receive for others")
        }
        options = try ReceiveOptions(url, arguments)
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "multicast-receive", summary: "receives from a multicast group", takes: .none,
            gives: [.rtp, .transportStream], parameters: GroupParameters.all + ReceiveOptions.parameters,
            example:
                "multicast-receive group=239.77.1.1:5004 interface=eth0 ! reorder ! depacketize ! record output=show.ts"
        )
    }

    /// RTP or bare transport stream, as the address says.
    public static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        guard let url = try? GroupParameters.url(arguments) else { return descriptor.gives }
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
    register(MulticastReceiveStage.self, in: $0)
}
