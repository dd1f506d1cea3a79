public import FreshetCore
import FreshetMedia

/// `file`: writes the line's bytes to a file as they come.
public struct FileStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "file", summary: "writes bytes to a file as they come", takes: [.bytes, .transportStream],
            gives: .none,
            parameters: [
                StageParameter("path", .text, default: nil, "the file"),
                StageParameter("append", .flag, default: "false", "add to the file instead of replacing it"),
            ],
            mayBlock: true, batchInterval: .milliseconds(50),
            example: "demux input=clip.ts ! file path=copy.ts")
    }

    private let path: String
    private let isAppending: Bool
    private var sink: ByteSink?

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        path = arguments.text("path")
        isAppending = arguments.flag("append")
    }

    /// Opens the file.
    public mutating func start(context: inout StageContext) throws(StageError) {
        sink = try ByteSink(path: path, isAppending: isAppending)
    }

    /// Writes what comes.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try sink?.take(&input, context: &context)
    }

    /// Hands what has waited to the system.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try sink?.flush()
    }

    /// Gives, or completes, what is still held.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        try sink?.flush()
        return true
    }

    /// When something is due without new input.
    public var nextDeadline: Instant? { sink?.nextDeadline }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(FileStage.self, in: $0) }
