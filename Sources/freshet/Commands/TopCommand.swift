import FreshetCore
import FreshetEngine
import FreshetNet
import FreshetWire
import Glibc

/// `freshet top URL`: a stream's relay tree, live.
struct TopCommand {
    private static let help = """
        Show a stream's relay tree: who forwards to whom, with rate, loss, repair, latency and depth of every member.

        usage: freshet top 'freshet://HOST:PORT/NAME?pin=…' [--once] [--json] [--every S]

          --once        one look, then end
          --json        the coordinator's page as it is, one JSON object a look
          --every S     a look every S seconds (default 1)

        Columns: the member's number, indented below its parent; what it is; depth (the source is 0); rate of what comes,
        Mbit/s; packets in time of 1000; lost and repaired in all; latency, ms; children of its places;
        uplink, Mbit/s, with ~ as it was measured;
        reach (open; mapped: behind a NAT that lets in whom it expects; closed: behind one that does not, a leaf); address.

        Exit status: 0 done (or ended by Ctrl-C), 1 no such stream or not let in, 2 wrong usage.
        """

    private let client: ControlClient
    private let thread: ControlThread
    private let request: [UInt8]
    private let isOnce: Bool
    private let isJSON: Bool
    private let interval: Nanoseconds

    /// Bytes of a page at most.
    private static let pageByteCountLimit = 256 << 20

    /// Runs the command.
    static func run(_ words: [String]) throws(PipelineError) -> Int32 {
        if OptionWords.wantsHelp(words) || words.isEmpty {
            Terminal.print(help)
            return words.isEmpty ? CommandLineTool.Status.usage : CommandLineTool.Status.done
        }
        let given = try OptionWords(words, of: "top", valued: ["every"], flags: ["once", "json"])
        guard let text = given.rest.first, given.rest.count == 1 else {
            throw .usage("top needs one URL; see freshet top --help")
        }
        let seconds = try given.number("every", in: 1...3_600) ?? 1
        let signals = try Signals()
        let command: TopCommand
        do {
            command = try TopCommand(
                ControlURL(text), isOnce: given.flags.contains("once"), isJSON: given.flags.contains("json"),
                interval: .seconds(Int64(seconds)))
        } catch { throw PipelineError(error) }
        return try command.run(signals)
    }

    private init(
        _ url: ControlURL, isOnce: Bool, isJSON: Bool, interval: Nanoseconds
    ) throws(ControlError) {
        thread = try ControlThread(messageLimit: TopCommand.pageByteCountLimit)
        client = try ControlClient(url, seed: SystemRandom.next(), thread: thread)
        request = ControlMessage.inspect(InspectMessage(stream: url.name, token: url.token)).text
        self.isOnce = isOnce
        self.isJSON = isJSON
        self.interval = interval
    }

    private func run(_ signals: borrowing Signals) throws(PipelineError) -> Int32 {
        var askAt: Instant?
        while true {
            while let event = client.next() {
                switch event {
                case .connected: askAt = .zero
                case .disconnected(let reason):
                    askAt = nil
                    if isOnce { throw PipelineError(.failure, reason) }
                    Terminal.error("freshet: \(reason)")
                case .refused(let reason): throw PipelineError(.failure, reason)
                case .message(let text):
                    try show(text)
                    if isOnce { return CommandLineTool.Status.done }
                    askAt = MonotonicClock.now + interval
                }
            }
            if let due = askAt, due <= MonotonicClock.now {
                askAt = nil
                _ = client.send(request)
            }
            if try signals.wait(until: askAt, orFor: client.descriptor) { return CommandLineTool.Status.done }
        }
    }

    private func show(_ text: [UInt8]) throws(PipelineError) {
        if isJSON { return Terminal.print(String(decoding: text, as: UTF8.self)) }
        let page: JSONValue
        do {
            page = try JSONParser.parse(
                text.span.bytes, byteCountLimit: TopCommand.pageByteCountLimit, valueCountLimit: .max)
        } catch { throw PipelineError(.failure, "the coordinator's page is not JSON: \(error)") }
        // A coordinator that refuses says so in a message first.
        if page["type"] == .string("leave") {
            guard case .string(let reason)? = page["reason"] else { return }
            throw PipelineError(.failure, "the coordinator refuses: \(reason)")
        }
        if case .string(let reason)? = page["error"] {
            if isOnce { throw PipelineError(.failure, reason) }
            return Terminal.error("freshet: \(reason)")
        }
        let table = TreeTable(page).text
        Terminal.print(isOnce || isatty(STDOUT_FILENO) == 0 ? table : "\u{1B}[H\u{1B}[2J" + table)
    }
}
