import FreshetCore
import FreshetEngine
import FreshetNet
import FreshetSimulator
import Glibc

/// `freshet simulate SCENARIO [--seed N] [--nodes N] [--json]`: the protocol code on a simulated network.
struct SimulateCommand {
    private var target: String?
    private var seed: UInt64 = 1
    private var nodeCount: Int?
    private var seconds: Nanoseconds?
    private var wantsJSON = false

    private static var help: String {
        let known = BuiltInScenarios.all.map { name, text in
            "  \(HelpText.padded(name, 20))\(summary(of: text, name))"
        }
        return """
            Run a scenario: the protocol code on a simulated network, in virtual time, the same for the same seed.

            usage: freshet simulate SCENARIO [--seed N] [--nodes N] [--duration S] [--json]

              SCENARIO       a JSON5 file, or one of those built in
              --seed N       all chance comes from it (default 1)
              --nodes N      so many receivers instead of the scenario's
              --duration S   the source sends for so long instead of the scenario's time
              --json         the result as one JSON object

            built in:
            \(known.joined(separator: "\n"))

            Exit status 1 when something happened that must not: the invariant, the virtual time, the host, and the
            command that does it again are told.

            examples:
              freshet simulate unicast-loss --seed 7
              freshet simulate speed --nodes 1000 --json
            """
    }

    private static func summary(of text: String, _ name: String) -> String {
        if let tree = try? TreeScenario(text, name: name, file: name) { return tree.summary }
        return (try? Scenario(text, name: name, file: name))?.summary ?? ""
    }

    /// Runs the command.
    static func run(_ arguments: [String]) throws(PipelineError) -> Int32 {
        if arguments.isEmpty || arguments.contains("--help") || arguments.contains("-h") {
            Terminal.print(help)
            return arguments.isEmpty ? CommandLineTool.Status.usage : CommandLineTool.Status.done
        }
        return try SimulateCommand(arguments).run()
    }

    private init(_ words: [String]) throws(PipelineError) {
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--json": wantsJSON = true
            case "--seed", "--nodes", "--duration":
                guard let text = rest.popFirst() else {
                    throw .usage("simulate: \(word) needs a value after it")
                }
                try set(word, text)
            default:
                guard !word.hasPrefix("--"), target == nil else {
                    throw .usage(
                        "simulate does not know what to do with '\(word)'; it has --seed, --nodes, --duration, --json"
                    )
                }
                target = word
            }
        }
    }

    private mutating func set(_ option: String, _ text: String) throws(PipelineError) {
        switch option {
        case "--seed":
            guard let number = UInt64(text) else {
                throw .usage("simulate: --seed must be a whole number, not '\(text)'")
            }
            seed = number
        case "--nodes":
            guard let number = Int(text), (1...1_000_000).contains(number) else {
                throw .usage("simulate: --nodes must be a whole number from 1 to 1000000, not '\(text)'")
            }
            nodeCount = number
        default:
            let parameter = StageParameter("--duration", .seconds, default: nil, "")
            do {
                let value = try ParameterReader.read(text, as: parameter, of: "simulate")
                if case .duration(let span) = value { seconds = span }
            } catch { throw PipelineError(error, at: nil) }
        }
    }

    private func text() throws(PipelineError) -> (name: String, text: String) {
        guard let target else { throw .usage("simulate: which scenario? See freshet simulate --help") }
        if let known = BuiltInScenarios.text(of: target) { return (target, known) }
        if let read = Terminal.readFile(target) { return (target, read) }
        let names = BuiltInScenarios.all.map(\.name).joined(separator: ", ")
        throw .usage("there is no scenario '\(target)', neither a file nor one of \(names)")
    }

    private func run() throws(PipelineError) -> Int32 {
        let (name, text) = try text()
        do {
            if let tree = try TreeScenario(text, name: name, file: name) { return run(tree) }
            return run(try Scenario(text, name: name, file: name))
        } catch { throw .usage(error.message, at: error.location) }
    }

    private func run(_ plan: TreeScenario) -> Int32 {
        var scenario = plan
        if let nodeCount { scenario.nodeCount = nodeCount }
        if let seconds { scenario.duration = seconds }
        let began = SimulateCommand.nanoseconds
        let result = TreeResult(
            running: scenario, seed: seed, threadTime: { MonotonicClock.threadTime.count })
        let took = max(1, SimulateCommand.nanoseconds - began)
        tell(result.report, result.span, took)
        return status(result.violation)
    }

    private func run(_ plan: Scenario) -> Int32 {
        var scenario = plan
        if let nodeCount { scenario.setReceiverCount(nodeCount) }
        if let seconds { scenario.duration = seconds }
        let began = SimulateCommand.nanoseconds
        let result = Simulation.run(scenario, seed: seed)
        let took = max(1, SimulateCommand.nanoseconds - began)
        tell(result.report, result.span, took)
        return status(result.violation)
    }

    private func tell(_ report: RunReport, _ span: Nanoseconds, _ took: Int64) {
        if wantsJSON { return Terminal.print(report.json(realNanoseconds: took)) }
        Terminal.print(report.table)
        let speed = span.count / max(1, took / 10)
        Terminal.print("  real time, ms                         \(took / 1_000_000)")
        Terminal.print("  times faster than real time           \(speed / 10).\(speed % 10)")
    }

    private func status(_ violation: Violation?) -> Int32 {
        guard let violation else { return CommandLineTool.Status.done }
        Terminal.error("freshet: \(violation)")
        Terminal.error("again: \(command)")
        return CommandLineTool.Status.failure
    }

    /// What does this run once more.
    private var command: String {
        var words = ["freshet simulate", target ?? "", "--seed \(seed)"]
        if let nodeCount { words.append("--nodes \(nodeCount)") }
        if let seconds { words.append("--duration \(seconds.count / 1_000_000)ms") }
        return words.joined(separator: " ")
    }

    private static var nanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
