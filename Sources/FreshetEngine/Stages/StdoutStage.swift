public import FreshetCore
import FreshetMedia

/// `stdout`: writes the line's bytes to standard output, for a player or another program.
public struct StdoutStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "stdout", summary: "writes bytes to standard output", takes: [.bytes, .transportStream],
            gives: .none,
            mayBlock: true, example: "demux input=clip.mp4 ! remux format=mkv ! stdout")
    }

    private var sink: ByteSink?

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {}

    /// Makes sure that there is a standard output.
    public mutating func start(context: inout StageContext) throws(StageError) {
        sink = try ByteSink(standardOutput: ())
    }

    /// Writes what comes; waits for a slow reader.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try sink?.take(&input, context: &context)
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(StdoutStage.self, in: $0) }
