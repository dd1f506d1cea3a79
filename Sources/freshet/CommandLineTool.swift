import FreshetCore
import FreshetEngine
import FreshetPipelines

/// The program: finds the command and turns every error into one sentence and an exit status.
enum CommandLineTool {
    /// The exit status: done, could not go on, wrong usage.
    enum Status {
        static let done: Int32 = 0
        static let failure: Int32 = 1
        static let usage: Int32 = 2
    }

    /// Runs the command that `arguments` name.
    static func run(_ arguments: [String]) -> Int32 {
        guard let name = arguments.first else {
            Terminal.error(HelpText.overview)
            return Status.usage
        }
        let rest = Array(arguments.dropFirst())
        do {
            switch name {
            case "help", "--help", "-h":
                return try help(rest)
            case "--version", "version":
                Terminal.print("freshet \(HelpText.version)")
                return Status.done
            case "run": return try RunCommand.run(rest)
            case "check": return try CheckCommand.run(rest)
            case "coordinate": return try CoordinateCommand.run(rest)
            case "emulate": return try EmulateCommand.run(rest)
            case "simulate": return try SimulateCommand.run(rest)
            case "stages": return try StagesCommand.run(rest)
            case "top": return try TopCommand.run(rest)
            default: return try named(name, rest)
            }
        } catch {
            Terminal.error("freshet: \(error)")
            return error.kind == .usage ? Status.usage : Status.failure
        }
    }

    private static func named(_ name: String, _ arguments: [String]) throws(PipelineError) -> Int32 {
        guard let text = EmbeddedPipelines.text(of: name) else {
            let known =
                EmbeddedPipelines.all.map(\.name) + [
                    "run", "check", "stages", "coordinate", "top", "emulate", "simulate", "help",
                ]
            throw .usage("there is no command '\(name)'; there are \(known.joined(separator: ", "))")
        }
        return try PipelineCommand(name: name, text: text).run(arguments)
    }

    private static func help(_ arguments: [String]) throws(PipelineError) -> Int32 {
        guard let topic = arguments.first else {
            Terminal.print(HelpText.overview)
            return Status.done
        }
        return run([topic, "--help"])
    }
}
