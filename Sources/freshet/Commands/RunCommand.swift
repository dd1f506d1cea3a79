import FreshetCore
import FreshetEngine

/// `freshet run FILE [name=value …]` and `freshet run 'demux … ! …'`.
enum RunCommand {
    /// Runs the command.
    static func run(_ arguments: [String]) throws(PipelineError) -> Int32 {
        guard let target = arguments.first, target != "--help" else {
            Terminal.print(
                """
                Run a pipeline.

                usage: freshet run FILE [name=value …] [options]
                       freshet run 'STAGE name=value … ! STAGE …' [options]

                A file's own page: freshet run FILE --help. The stages: freshet stages.
                """)
            return arguments.isEmpty ? CommandLineTool.Status.usage : CommandLineTool.Status.done
        }
        let description = try PipelineSource.load(target)
        let parsed = try CommandArguments(
            Array(arguments.dropFirst()), for: description, takesAssignments: true)
        if parsed.wantsHelp {
            Terminal.print(HelpText.page(description, isFile: true))
            return CommandLineTool.Status.done
        }
        return try PipelineRun(try Pipeline(description, given: parsed.given), options: parsed.options).run()
    }
}

/// Where a pipeline's text comes from.
enum PipelineSource {
    /// The pipeline of a file, or the one that `target` itself is.
    static func load(_ target: String) throws(PipelineError) -> PipelineDescription {
        if target.contains(" ! ") || target.contains("=") {
            let stages = try PipelineText.stages(
                target, at: SourceLocation(file: "pipeline", line: 1, column: 1))
            return PipelineDescription(name: "pipeline", stages: stages)
        }
        guard let text = Terminal.readFile(target) else {
            throw PipelineError(
                .failure,
                "\(target) cannot be read (\(Terminal.lastError)); give a pipeline file, or stages joined by '!'"
            )
        }
        let file = target.split(separator: "/").last.map { String($0) } ?? target
        let name = file.hasSuffix(".json5") ? String(file.dropLast(6)) : file
        return try PipelineFile.read(text, name: name, file: target)
    }
}
