public import FreshetCore
import FreshetMedia

/// `record`: writes the line to a file that can be played, or to several.
public struct RecordStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "record",
            summary: "records to .ts bit for bit, or to .mkv, .mp4 and others without coding anew",
            takes: [.transportStream, .samples, .bytes], gives: .none,
            parameters: [
                StageParameter(
                    "output", .text, default: nil, "the file; strftime's patterns (%Y-%m-%d) are filled in"),
                StageParameter(
                    "format", .text, default: "",
                    "the container, where the file's name says nothing: ts, mkv, fragmented-mp4, mp4, mov, "
                        + "webm, mp3, mp2, aac, ac3, ogg (.mp4 is fragmented-mp4: good up to the last half second "
                        + "whatever ends the program; mp4 is the plain kind, good after a clean end only)"),
                StageParameter(
                    "segment", .seconds, default: "0",
                    "begin a new file at the first keyframe after so long; 0 for one file"),
                StageParameter(
                    "index", .text, default: "",
                    "a list of the files: CSV where it is called .csv, else one JSON object a line"),
                StageParameter("duration", .seconds, default: "0", "end after so long; 0 for no limit"),
                StageParameter(
                    "streams", .text, default: "",
                    "which streams, as specifiers such as v:0,a:1; left out: all"),
            ],
            mayBlock: true, batchInterval: .milliseconds(200),
            example:
                "multicast-receive url=rtp://239.77.1.1:5004 ! reorder ! depacketize ! record output=show.mkv"
        )
    }

    private let recorder: Recorder

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        var options = Recorder.Options(path: arguments.text("output"))
        options.formatName = arguments.text("format")
        options.segment = arguments.duration("segment") ?? .zero
        options.duration = arguments.duration("duration") ?? .zero
        options.indexPath = arguments.text("index")
        options.streams = arguments.text("streams")
        recorder = try Recorder(options)
    }

    /// Sees whether the file can be made.
    public mutating func start(context: inout StageContext) throws(StageError) { try recorder.checkPlace() }

    /// Writes what comes; leaves what a slow disk has no room for.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try recorder.take(&input, context: &context)
    }

    /// Hands what has waited to the system.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try recorder.flushIfDue(now: context.now)
    }

    /// Completes the files; may take several calls.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        try recorder.finish(context: &context)
    }

    /// When something is due without new input.
    public var nextDeadline: Instant? { recorder.nextDeadline }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(RecordStage.self, in: $0) }
