internal import FreshetCore
internal import FreshetNet

/// What the receiving stages differ in: name, help, and how they are told where to listen.
protocol ReceivePlace {
    static var descriptor: StageDescriptor { get }
    static func urls(_ arguments: StageArguments) throws(StageError) -> [StreamURL]
}

/// Receives a stream: the body of `udp-receive` and `multicast-receive`.
///
/// Packets are read straight into the pool, many by one system call. The first source is kept and others are
/// reported; the stream ends at the source's goodbye, or after `timeout`. A group is joined on the interface
/// asked for, and again when that goes and comes back or nothing comes for 3 seconds.
struct ReceiveStage<Place: ReceivePlace>: Stage, ~Copyable {
    private let options: ReceiveOptions
    private var receiver: StreamReceiver?

    /// Reads the parameters; opens nothing.
    init(arguments: StageArguments) throws(StageError) {
        options = try ReceiveOptions(try Place.urls(arguments), arguments)
    }

    static var descriptor: StageDescriptor { Place.descriptor }

    /// RTP or bare transport stream, as the address says.
    static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        guard let urls = try? Place.urls(arguments) else { return descriptor.gives }
        return urls[0].scheme == .udp ? .transportStream : .rtp
    }

    mutating func start(context: inout StageContext) throws(StageError) {
        receiver = try StreamReceiver(options, context: &context)
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try receiver?.process(into: &output, context: &context)
    }

    mutating func advance(into output: inout PacketBatch, context: inout StageContext) throws(StageError) {
        receiver?.advance(context: &context)
    }

    /// When silence, the end or a request is due.
    var nextDeadline: Instant? { receiver?.nextDeadline }
    /// The media sockets.
    var pollDescriptor: Int32 { receiver?.pollDescriptor ?? -1 }
    /// RTCP, and changes of the network.
    var controlDescriptor: Int32 { receiver?.controlDescriptor ?? -1 }
}
