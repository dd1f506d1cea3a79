public import FreshetCore
import FreshetMedia
internal import Glibc

/// `demux`: opens a medium (a file, standard input, a server, a device) and gives its transport stream
/// untouched, or its coded frames.
public struct DemuxStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "demux", summary: "opens whatever FFmpeg opens; a transport stream passes bit for bit",
            takes: .none,
            gives: [.samples, .transportStream],
            parameters: [
                StageParameter("input", .text, default: nil, "a path, - for standard input, or a URL"),
                StageParameter(
                    "format", .text, default: "",
                    "the container or device, where it must not be guessed (lavfi, v4l2, alsa, mpegts)"
                ),
                StageParameter(
                    "streams", .text, default: "",
                    "which streams: all, or specifiers such as v:0,a:1; left out: all"),
                StageParameter("loop", .text, default: "1", "how many times to play it, or forever"),
                StageParameter("start", .duration, default: "0", "where in the medium to begin"),
                StageParameter(
                    "timeout", .duration, default: "10s", "how long a server may be silent; 0 for ever"),
                StageParameter(
                    "options", .text, default: "",
                    "FFmpeg's options for protocol and container: name=value,name=value"
                ),
            ],
            mayBlock: true,
            example: "demux input=media/clip.mp4 loop=forever ! packetize ! stats ! pace ! udp-send to=…")
    }

    private let options: MediaInput.Options
    private var medium: MediaInput?
    private var isAtEnd = false
    private var isIdle = false

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        var options = MediaInput.Options(location: arguments.text("input"))
        options.formatName = arguments.text("format")
        options.streams = arguments.text("streams")
        options.rounds = try DemuxStage.rounds(arguments.text("loop"))
        options.start = arguments.duration("start") ?? .zero
        options.timeout = arguments.duration("timeout") ?? options.timeout
        for pair in arguments.text("options").split(separator: ",") {
            guard let equals = pair.firstIndex(of: "=") else {
                throw .usage("demux: options must be name=value pairs joined by commas, not '\(pair)'")
            }
            options.settings.append((String(pair[..<equals]), String(pair[pair.index(after: equals)...])))
        }
        self.options = options
    }

    /// A local file keeps nobody waiting for long.
    public static func waiting(arguments: StageArguments) -> StageWaiting {
        let location = arguments.text("input")
        var status = stat()
        let isFile = !location.isEmpty && stat(location, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        return isFile ? .briefly : .long
    }

    private static func rounds(_ text: String) throws(StageError) -> Int? {
        switch text {
        case "forever", "true", "yes", "on": return nil
        case "false", "no", "off": return 1
        default:
            guard let count = Int(text), count > 0 else {
                throw .usage("demux: loop must be a number of times from 1, or forever, not '\(text)'")
            }
            return count
        }
    }

    /// Opens the medium; waits for a server.
    public mutating func start(context: inout StageContext) throws(StageError) {
        medium = try MediaInput(options)
    }

    /// Reads as much as is there at once; waits for a source that gives nothing.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        if isAtEnd { return }
        let hasMore = try medium?.read(into: &output, context: &context) ?? false
        isIdle = medium?.isIdle ?? false
        if !hasMore || context.isStopping {
            isAtEnd = true
            isIdle = false
            context.finishSource()
        }
    }

    /// At once, while a pipe gives nothing: so the loop sees to its other work between two waits.
    public var nextDeadline: Instant? { isIdle ? .zero : nil }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(DemuxStage.self, in: $0) }
