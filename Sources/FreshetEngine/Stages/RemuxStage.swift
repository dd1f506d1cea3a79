public import FreshetCore
import FreshetMedia

/// `remux`: the line in another container, without coding anew, for a player, a program or a file behind it.
public struct RemuxStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "remux", summary: "another container around the same coded frames",
            takes: [.transportStream, .samples, .bytes], gives: .bytes,
            parameters: [
                StageParameter(
                    "format", .text, default: nil,
                    "the container: ts, mkv, mp4 (in fragments), webm, mp3, mp2, aac, ac3, ogg"),
                StageParameter(
                    "streams", .text, default: "",
                    "which streams, as specifiers such as v:0,a:1; left out: all"),
            ],
            mayBlock: true,
            example: "multicast-receive url=rtp://239.77.1.1:5004 ! depacketize ! remux format=mkv ! stdout"
        )
    }

    private let remuxer: Remuxer
    private var retry: Instant?

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        var options = SampleMuxer.Options()
        options.formatName = arguments.text("format")
        remuxer = try Remuxer(options, streams: arguments.text("streams"))
    }

    /// Hands on what there is, both ways, as far as there is room.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while true {
            let waiting = input.count
            try remuxer.take(&input, context: &context)
            let given = output.count
            if try !remuxer.give(into: &output, context: &context) { context.isReadable = false }
            // Samples go one by one, so that no more than one waits in the muxer.
            if input.isEmpty || output.isFull || (input.count == waiting && output.count == given) { break }
        }
        retry = input.isEmpty ? nil : context.now + .milliseconds(5)
    }

    /// Ends the container; may take several calls.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        let isDone = try remuxer.finish(into: &output, context: &context)
        retry = isDone ? nil : context.now + .milliseconds(5)
        return isDone
    }

    /// Soon, while the worker has no room or is not at its end.
    public var nextDeadline: Instant? { retry }
    /// Readable when there are bytes to give.
    public var pollDescriptor: Int32 { remuxer.descriptor }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(RemuxStage.self, in: $0) }
