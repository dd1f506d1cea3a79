public import FreshetCore
internal import FreshetNet

/// The parameters that the three exec stages share.
enum ExecParameters {
    static let all = [
        StageParameter(
            "command", .text, default: nil, "the program and its arguments, as a shell splits words"),
        StageParameter(
            "mode", .choice(["bytes", "packets"]), default: "bytes",
            "bytes: a plain flow; packets: each packet behind its length in 4 bytes, most significant first"),
    ]
}

/// Any program as a stage: packets go to its standard input, what it writes to its standard output comes
/// back.
///
/// Full pipes are back-pressure. A program that ends with an error ends the pipeline. With bytes, the output
/// is cut into packets of up to 1316 bytes, on 188-byte boundaries.
public struct ExecStage: Stage, ~Copyable {
    private let command: String
    private let isFramed: Bool
    private var program: ChildProgram?

    /// A stage that will run a command.
    public init(arguments: StageArguments) throws(StageError) {
        command = arguments.text("command")
        isFramed = arguments.text("mode") == "packets"
        _ = try CommandLineWords.split(command)
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec", summary: "any program as a stage, over its standard input and output",
            takes: [.transportStream, .rtp, .bytes], gives: [.transportStream, .bytes],
            parameters: ExecParameters.all,
            example: "demux input=media/clip.ts ! exec command='cat' ! record output=copy.ts")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        program = try ChildProgram(command, input: true, output: true, isFramed: isFramed)
    }

    /// Writes to the program and reads from it, as far as its pipes allow.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try program?.write(&input, context: &context)
        try program?.read(into: &output, context: &context)
    }

    /// Closes the program's input and reads the rest of its output.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        try program?.closeInput()
        try program?.read(into: &output, context: &context)
        return try program?.hasEnded(context.now) ?? true
    }

    /// Readable when a pipe is ready.
    public var pollDescriptor: Int32 { program?.pollDescriptor ?? -1 }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { program?.reapDeadline }
}

/// Any program as a source: what it writes to its standard output.
public struct ExecSourceStage: Stage, ~Copyable {
    private let command: String
    private let isFramed: Bool
    private var program: ChildProgram?

    /// A source that will run a command.
    public init(arguments: StageArguments) throws(StageError) {
        command = arguments.text("command")
        isFramed = arguments.text("mode") == "packets"
        _ = try CommandLineWords.split(command)
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec-source", summary: "any program as a source: its standard output", takes: .none,
            gives: [.transportStream, .bytes], parameters: ExecParameters.all,
            example: "exec-source command='cat media/clip.ts' ! record output=copy.ts")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        program = try ChildProgram(command, input: false, output: true, isFramed: isFramed)
    }

    /// Reads what the program has written.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try program?.read(into: &output, context: &context)
        if try program?.hasEnded(context.now) ?? true { context.finishSource() }
    }

    /// Looks again whether the program has ended.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {}

    /// Readable when the program has written.
    public var pollDescriptor: Int32 { program?.pollDescriptor ?? -1 }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { program?.reapDeadline }
}

/// Any program as a sink: packets go to its standard input.
public struct ExecSinkStage: Stage, ~Copyable {
    private let command: String
    private let isFramed: Bool
    private var program: ChildProgram?

    /// A sink that will run a command.
    public init(arguments: StageArguments) throws(StageError) {
        command = arguments.text("command")
        isFramed = arguments.text("mode") == "packets"
        _ = try CommandLineWords.split(command)
    }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec-sink", summary: "any program as a sink: its standard input",
            takes: [.transportStream, .rtp, .bytes], gives: .none, parameters: ExecParameters.all,
            example: "demux input=media/clip.ts ! exec-sink command='ffprobe -i -'")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        program = try ChildProgram(command, input: true, output: false, isFramed: isFramed)
    }

    /// Writes to the program as far as its pipe allows. A program that has ended well ends the pipeline.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try program?.write(&input, context: &context)
        if program?.isInputBroken ?? false {
            input.removeAll()
            if try program?.hasEnded(context.now) ?? true { context.requestStop() }
        }
    }

    /// Looks again whether the program has ended.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {}

    /// Closes the program's input and waits for its end.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        try program?.closeInput()
        return try program?.hasEnded(context.now) ?? true
    }

    /// Readable when the pipe has room.
    public var pollDescriptor: Int32 { program?.pollDescriptor ?? -1 }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { program?.reapDeadline }
}

@section("freshet_stages") @used
private let filterRegistration: StageRegistration = { register(ExecStage.self, in: $0) }
@section("freshet_stages") @used
private let sourceRegistration: StageRegistration = { register(ExecSourceStage.self, in: $0) }
@section("freshet_stages") @used
private let sinkRegistration: StageRegistration = { register(ExecSinkStage.self, in: $0) }
