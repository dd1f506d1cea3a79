import FreshetCore
import FreshetEngine
import FreshetNet
import FreshetStages
import Glibc

/// `freshet emulate FILE` and `freshet emulate --listen … --to …`: a bad network between real programs.
struct EmulateCommand {
    private let file: String?
    private let options: OptionWords

    private static let optionNames = [
        "listen", "to", "ports", "interface", "both", "forward", "back", "seed", "for", "stats",
    ]

    private static var help: String {
        let links = LinkModel.Configuration.parameters.map { parameter in
            "  \(HelpText.padded(parameter.name, 16))\(HelpText.describe(parameter))"
        }
        return """
            Imitate a bad network between programs: a proxy for datagrams, or switches between TAP devices.

            usage: freshet emulate FILE [options]
                   freshet emulate --listen ADDRESS:PORT --to ADDRESS:PORT [--both LINK] [options]

              --listen ADDRESS:PORT   where datagrams are taken
              --to ADDRESS:PORT       where they go; answers go back to who sent them
              --ports N               how many ports in a row (default 2: RTP and RTCP)
              --interface NAME        by which interface datagrams to a group leave
              --both LINK             the link in both directions, such as 'loss=5% delay=25ms'
              --forward LINK          on top of that, the link from listener to target
              --back LINK             and the link back
              --seed N                the same seed gives the same faults (default: the file's, or 1)
              --for TIME              end by itself after so many seconds
              --stats FILE            figures as JSON at the end, and at each SIGUSR1 ("-": standard error)

            a link's words:
            \(links.joined(separator: "\n"))

            examples:
              freshet emulate --listen 127.0.0.1:7000 --to 127.0.0.1:5004 --both 'loss=5% delay=25ms'
              freshet emulate --listen 127.0.0.1:7000 --to 239.77.1.1:5004 --interface lo --forward 'loss=2% burst=5'
              freshet emulate network.json5 --seed 7 --stats figures.json
            """
    }

    /// Runs the command.
    static func run(_ arguments: [String]) throws(PipelineError) -> Int32 {
        if arguments.isEmpty || arguments.contains("--help") || arguments.contains("-h") {
            Terminal.print(help)
            return arguments.isEmpty ? CommandLineTool.Status.usage : CommandLineTool.Status.done
        }
        return try EmulateCommand(arguments).run()
    }

    private init(_ words: [String]) throws(PipelineError) {
        options = try OptionWords(words, of: "emulate", valued: EmulateCommand.optionNames, flags: [])
        file = options.rest.first
        if options.rest.count > 1 {
            throw .usage("emulate does not know what to do with '\(options.rest[1])'")
        }
    }

    private func plan() throws(PipelineError) -> EmulationPlan {
        var plan = EmulationPlan()
        if let file {
            guard let text = Terminal.readFile(file) else {
                throw PipelineError(.failure, "\(file) cannot be read (\(Terminal.lastError))")
            }
            plan = try EmulationFile.read(text, file: file)
        }
        if options.text("listen") != nil || options.text("to") != nil || file == nil {
            guard let listen = options.text("listen"), let target = options.text("to") else {
                throw .usage("emulate needs a file, or both --listen and --to")
            }
            let both = options.text("both").map { $0 + " " } ?? ""
            guard let portCount = Int(options.text("ports") ?? "2"), (1...64).contains(portCount) else {
                throw .usage("--ports must be a whole number from 1 to 64")
            }
            try plan.addProxy(
                listen: listen, target: target, portCount: portCount, interface: options.text("interface"),
                forward: both + (options.text("forward") ?? ""), back: both + (options.text("back") ?? ""))
        }
        if let text = options.text("seed") {
            guard let seed = UInt64(text) else {
                throw .usage("--seed must be a whole number, not '\(text)'")
            }
            plan.seed = seed
        }
        return plan
    }

    private func span() throws(PipelineError) -> Nanoseconds? {
        guard let text = options.text("for") else { return nil }
        do {
            let value = try ParameterReader.read(
                text, as: StageParameter("--for", .seconds, default: nil, ""), of: "emulate")
            guard case .duration(let span) = value else { return nil }
            return span
        } catch { throw PipelineError(error, at: nil) }
    }

    private func run() throws(PipelineError) -> Int32 {
        let plan = try plan()
        let span = try span()
        let signals = try EmulateCommand.signals()
        let output = try statisticsFile()
        let emulator = try LinkEmulator(plan)
        Terminal.error("freshet: emulating; \(plan.ports.count) ports, \(plan.proxies.count) proxies")
        let end = span.map { MonotonicClock.now + $0 }
        var failure: PipelineError?
        do {
            try emulator.run(signals: signals, until: end) {
                Terminal.write(emulator.report(isFinal: false) + "\n", to: output)
            }
        } catch { failure = error }
        Terminal.write(emulator.report(isFinal: true) + "\n", to: output)
        if let failure { throw failure }
        return CommandLineTool.Status.done
    }

    private static func signals() throws(PipelineError) -> SignalSource {
        do { return try SignalSource(takesReports: true) } catch {
            throw PipelineError(.failure, error.description)
        }
    }

    private func statisticsFile() throws(PipelineError) -> Int32 {
        guard let path = options.text("stats") else { return STDOUT_FILENO }
        if path == "-" { return STDERR_FILENO }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if descriptor < 0 {
            throw PipelineError(
                .failure, "the statistics file \(path) cannot be written (\(Terminal.lastError))")
        }
        return descriptor
    }
}
