import FreshetCore
import FreshetEngine
import FreshetPipelines

/// What the program says of itself.
enum HelpText {
    /// The program's version.
    static let version = "0.1.0"

    /// The page of `freshet --help`.
    static var overview: String {
        let commands = EmbeddedPipelines.all.map { name, text in
            let summary = (try? PipelineFile.read(text, name: name, file: name))?.summary ?? ""
            return "  \(padded(name, 10))\(summary)"
        }
        return """
            Freshet brings one live source, in order, to many viewers.

            usage: freshet COMMAND …

            \(commands.joined(separator: "\n"))
              run       run a pipeline file with name=value …, or a pipeline written as text
              check     check a pipeline and draw it
              stages    list the stages, or show one
              coordinate direct the relay trees of one or many streams
              top       show a stream's relay tree, live
              emulate   imitate a bad network between programs
              simulate  run a scenario on a simulated network, the same for the same seed
              help      show a command's page: freshet help send

            Exit status: 0 done, 1 could not go on, 2 wrong usage.
            """
    }

    /// The page of one pipeline command.
    static func page(_ pipeline: PipelineDescription, isFile: Bool) -> String {
        let positional = pipeline.positionalNames.map { $0.uppercased() }.joined(separator: " ")
        let usage =
            isFile
            ? "freshet run \(pipeline.name) name=value …" : "freshet \(pipeline.name) \(positional) [options]"
        var text = "\(pipeline.summary)\n\nusage: \(usage)\n"
        for name in pipeline.positionalNames {
            guard let parameter = pipeline.parameters.first(where: { $0.name == name }) else { continue }
            text += "\n  \(padded(name.uppercased(), 18))\(parameter.help)"
        }
        text += "\n"
        for parameter in pipeline.parameters where !pipeline.positionalNames.contains(parameter.name) {
            text += "\n  \(padded("--" + parameter.name + valueHint(parameter), 26))\(describe(parameter))"
        }
        text += "\n" + commonOptions
        if !pipeline.examples.isEmpty {
            text += "\n\nexamples:\n" + pipeline.examples.map { "  \($0)" }.joined(separator: "\n")
        }
        return text
    }

    private static let commonOptions = """

          --stats FILE              one JSON object a second and a last one with totals ("-": standard error)
          --threads MODE            inline, shared or split (blocking stages on threads of their own; default)
          --seed N                  seed of every random choice
          --quiet                   say nothing but errors
          --verbose                 show every stage's counters at the end
          --show-pipeline           print the pipeline that this command is
        """

    private static func valueHint(_ parameter: StageParameter) -> String {
        switch parameter.kind {
        case .flag: ""
        case .duration, .latency: " MS"
        case .seconds: " S"
        case .bitRate: " RATE"
        case .ratio: " SHARE"
        case .integer: " N"
        case .choice(let words): " " + words.joined(separator: "|")
        case .text: " TEXT"
        }
    }

    /// A parameter's help with its default.
    static func describe(_ parameter: StageParameter) -> String {
        guard let text = parameter.defaultText else { return parameter.help + " (must be given)" }
        if text.isEmpty || parameter.kind == .flag { return parameter.help }
        return "\(parameter.help) (default \(text))"
    }

    /// `text` filled up with spaces to `width`, and one space at least.
    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
