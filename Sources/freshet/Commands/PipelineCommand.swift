import FreshetEngine

/// A command that is a pipeline file: `send`, `watch`, `record`, `relay`. Its options are the file's
/// parameters.
struct PipelineCommand {
    /// The command's name.
    let name: String
    /// The file's text.
    let text: String

    /// Runs the command.
    func run(_ words: [String]) throws(PipelineError) -> Int32 {
        let description = try PipelineFile.read(text, name: name, file: "\(name).json5")
        let arguments = try CommandArguments(words, for: description, takesAssignments: false)
        if arguments.wantsHelp {
            Terminal.print(HelpText.page(description, isFile: false))
            return CommandLineTool.Status.done
        }
        if arguments.wantsPipeline {
            Terminal.write(text, to: 1)
            return CommandLineTool.Status.done
        }
        do {
            let pipeline = try Pipeline(description, given: arguments.given)
            return try PipelineRun(pipeline, options: arguments.options).run()
        } catch {
            // The place in our own file says nothing to who gave a command.
            throw PipelineError(error.kind, error.message)
        }
    }
}
