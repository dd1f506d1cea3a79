internal import FreshetCore

/// Draws a checked pipeline as text: first as one line that `freshet run` takes, then one stage a line with
/// what flows between them, branches beside a rule.
public enum PipelineDiagram {
    /// The drawing of `pipeline`.
    public static func draw(_ pipeline: Pipeline) -> String {
        var lines = [text(pipeline.stages), ""]
        draw(pipeline.stages, indent: "", into: &lines)
        return lines.joined(separator: "\n")
    }

    private static func text(_ stages: [PlannedStage]) -> String {
        stages.map { stage in
            let arguments = stage.argumentTexts.map { " \($0.name)=\(quoted($0.text))" }.joined()
            let branches = stage.branches.map { " [ \(text($0)) ]" }.joined()
            return stage.kind.descriptor.name + arguments + branches
        }.joined(separator: " ! ")
    }

    private static func draw(_ stages: [PlannedStage], indent: String, into lines: inout [String]) {
        for (index, stage) in stages.enumerated() {
            let arguments = stage.argumentTexts.map { "  \($0.name)=\(quoted($0.text))" }.joined()
            lines.append("\(indent)\(stage.kind.descriptor.name)\(arguments)")
            for (number, branch) in stage.branches.enumerated() {
                let isLast = number == stage.branches.count - 1
                lines.append("\(indent)  \(isLast ? "└" : "├")─ \(stage.input)")
                draw(branch, indent: indent + (isLast ? "     " : "  │  "), into: &lines)
            }
            if index < stages.count - 1 { lines.append("\(indent)  │ \(stage.output)") }
        }
    }

    private static func quoted(_ text: String) -> String {
        text.contains(where: \.isWhitespace) || text.isEmpty ? "'\(text)'" : text
    }
}
