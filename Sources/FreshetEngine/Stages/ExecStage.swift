public import FreshetCore
internal import FreshetNet

/// What the three exec stages share: the command, and the program once it runs.
struct ExecCommand {
    /// The stages' parameters.
    static let parameters = [
        StageParameter(
            "command", .text, default: nil, "the program and its arguments, as a shell splits words"),
        StageParameter(
            "mode", .choice(["bytes", "packets"]), default: "bytes",
            "bytes: a plain flow; packets: each packet behind its length in 4 bytes, most significant first"),
    ]

    private let command: String
    private let isFramed: Bool
    /// The program, while it runs.
    private(set) var program: ChildProgram?

    /// A command that can be split into words; runs nothing.
    init(_ arguments: StageArguments) throws(StageError) {
        command = arguments.text("command")
        isFramed = arguments.text("mode") == "packets"
        _ = try CommandLineWords.split(command)
    }

    /// Starts the program with pipes to its standard input, from its output, or both.
    mutating func start(input: Bool, output: Bool) throws(StageError) {
        program = try ChildProgram(command, input: input, output: output, isFramed: isFramed)
    }

    /// True when the program is gone; throws what it ended with, when that was an error.
    func hasEnded(_ now: Instant) throws(StageError) -> Bool { try program?.hasEnded(now) ?? true }

    /// Readable when a pipe is ready.
    var pollDescriptor: Int32 { program?.pollDescriptor ?? -1 }
    /// While the program is being waited for.
    var reapDeadline: Instant? { program?.reapDeadline }
}

/// Any program as a stage: packets go to its standard input, what it writes to its standard output comes
/// back.
///
/// Full pipes are back-pressure. A program that ends with an error ends the pipeline. With bytes, the output
/// is cut into packets of up to 1316 bytes, on 188-byte boundaries.
public struct ExecStage: Stage, ~Copyable {
    private var child: ExecCommand

    /// A stage that will run a command.
    public init(arguments: StageArguments) throws(StageError) { child = try ExecCommand(arguments) }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec", summary: "any program as a stage, over its standard input and output",
            takes: [.transportStream, .rtp, .bytes], gives: [.transportStream, .bytes],
            parameters: ExecCommand.parameters,
            example: "demux input=media/clip.ts ! exec command='cat' ! record output=copy.ts")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        try child.start(input: true, output: true)
    }

    /// Writes to the program and reads from it, as far as its pipes allow.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try child.program?.write(&input, context: &context)
        try child.program?.read(into: &output, context: &context)
    }

    /// Closes the program's input and reads the rest of its output.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        try child.program?.closeInput()
        try child.program?.read(into: &output, context: &context)
        return try child.hasEnded(context.now)
    }

    /// Readable when a pipe is ready.
    public var pollDescriptor: Int32 { child.pollDescriptor }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { child.reapDeadline }
}

/// Any program as a source: what it writes to its standard output.
public struct ExecSourceStage: Stage, ~Copyable {
    private var child: ExecCommand

    /// A source that will run a command.
    public init(arguments: StageArguments) throws(StageError) { child = try ExecCommand(arguments) }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec-source", summary: "any program as a source: its standard output", takes: .none,
            gives: [.transportStream, .bytes], parameters: ExecCommand.parameters,
            example: "exec-source command='cat media/clip.ts' ! record output=copy.ts")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        try child.start(input: false, output: true)
    }

    /// Reads what the program has written.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try child.program?.read(into: &output, context: &context)
        if try child.hasEnded(context.now) { context.finishSource() }
    }

    /// Looks again whether the program has ended.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {}

    /// Readable when the program has written.
    public var pollDescriptor: Int32 { child.pollDescriptor }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { child.reapDeadline }
}

/// Any program as a sink: packets go to its standard input.
public struct ExecSinkStage: Stage, ~Copyable {
    private var child: ExecCommand

    /// A sink that will run a command.
    public init(arguments: StageArguments) throws(StageError) { child = try ExecCommand(arguments) }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "exec-sink", summary: "any program as a sink: its standard input",
            takes: [.transportStream, .rtp, .bytes], gives: .none, parameters: ExecCommand.parameters,
            example: "demux input=media/clip.ts ! exec-sink command='ffprobe -i -'")
    }

    /// Starts the program.
    public mutating func start(context: inout StageContext) throws(StageError) {
        try child.start(input: true, output: false)
    }

    /// Writes to the program as far as its pipe allows. A program that has ended well ends the pipeline.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try child.program?.write(&input, context: &context)
        if child.program?.isInputBroken ?? false {
            input.removeAll()
            if try child.hasEnded(context.now) { context.requestStop() }
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
        try child.program?.closeInput()
        return try child.hasEnded(context.now)
    }

    /// Readable when the pipe has room.
    public var pollDescriptor: Int32 { child.pollDescriptor }
    /// While the program is being waited for.
    public var nextDeadline: Instant? { child.reapDeadline }
}

@section("freshet_stages") @used
private let filterRegistration: StageRegistration = { register(ExecStage.self, in: $0) }
@section("freshet_stages") @used
private let sourceRegistration: StageRegistration = { register(ExecSourceStage.self, in: $0) }
@section("freshet_stages") @used
private let sinkRegistration: StageRegistration = { register(ExecSinkStage.self, in: $0) }
