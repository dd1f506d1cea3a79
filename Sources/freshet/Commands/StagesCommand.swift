import FreshetCore
import FreshetEngine

/// `freshet stages [NAME]`: every stage in one line, or one stage's page.
enum StagesCommand {
    /// Runs the command.
    static func run(_ arguments: [String]) throws(PipelineError) -> Int32 {
        let registry = StageRegistry()
        if arguments.first == "--help" {
            Terminal.print(
                """
                List the stages: what each takes, gives and does; or show one's parameters and an example.

                usage: freshet stages [NAME]

                example:
                  freshet stages pace
                """)
            return CommandLineTool.Status.done
        }
        guard let name = arguments.first else {
            for kind in registry.kinds {
                let descriptor = kind.descriptor
                let ports = "\(descriptor.takes) → \(descriptor.gives)"
                Terminal.print(
                    HelpText.padded(descriptor.name, 20) + HelpText.padded(ports, 56) + descriptor.summary)
            }
            return CommandLineTool.Status.done
        }
        guard let kind = registry[name] else {
            let hint = registry.nearest(to: name).map { "; did you mean \($0)?" } ?? ""
            throw .usage("there is no stage '\(name)'\(hint)")
        }
        Terminal.print(page(kind.descriptor))
        return CommandLineTool.Status.done
    }

    private static func page(_ descriptor: StageDescriptor) -> String {
        var text = "\(descriptor.name): \(descriptor.summary)\n\n"
        text += "takes  \(descriptor.takes)\ngives  \(descriptor.gives)\n"
        if !descriptor.parameters.isEmpty {
            text += "\nparameters:\n"
            for parameter in descriptor.parameters {
                text += "  \(HelpText.padded(parameter.name, 18))\(HelpText.describe(parameter))\n"
                text += "  \(HelpText.padded("", 18))\(ParameterReader.expectation(parameter.kind))\n"
            }
        }
        return text + "\nexample:\n  freshet run '\(descriptor.example)'"
    }
}
