import FreshetCore
import FreshetEngine

/// `freshet check FILE [name=value …]`: checks a pipeline and draws it.
enum CheckCommand {
    /// Runs the command.
    static func run(_ arguments: [String]) throws(PipelineError) -> Int32 {
        guard let target = arguments.first, target != "--help" else {
            Terminal.print(
                """
                Check a pipeline file, or a pipeline written as text, and draw it.

                usage: freshet check FILE [name=value …]
                       freshet check 'STAGE name=value … ! STAGE …'
                """
            )
            return arguments.isEmpty ? CommandLineTool.Status.usage : CommandLineTool.Status.done
        }
        let description = try PipelineSource.load(target)
        var arguments = try CommandArguments(
            Array(arguments.dropFirst()), for: description, takesAssignments: true)
        arguments.fillMissing(of: description)
        let pipeline = try Pipeline(description, given: arguments.given)
        Terminal.print(PipelineDiagram.draw(pipeline))
        return CommandLineTool.Status.done
    }
}
