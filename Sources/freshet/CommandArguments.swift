import FreshetCore
import FreshetEngine

/// The words after a command's name, sorted into the pipeline's parameters and the options that every command
/// has.
struct CommandArguments {
    /// Values for the pipeline's parameters, in order; a list parameter given several times is joined by
    /// commas.
    private(set) var given: [(name: String, text: String)] = []
    /// Options of the command line itself.
    private(set) var options = RunOptions()
    /// `--help` was asked for.
    private(set) var wantsHelp = false
    /// `--show-pipeline` was asked for.
    private(set) var wantsPipeline = false

    /// Sorts `words` for `pipeline`. `name=value` is taken too when `takesAssignments`.
    init(_ words: [String], for pipeline: PipelineDescription, takesAssignments: Bool) throws(PipelineError) {
        var positional = pipeline.positionalNames[...]
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--help" || word == "-h" {
                wantsHelp = true
            } else if word.hasPrefix("--") && word.count > 2 {
                try option(word, &rest, pipeline)
            } else if takesAssignments, let (name, text) = CommandArguments.assignment(word) {
                give(name, text)
            } else if let name = positional.popFirst() {
                give(name, word)
            } else {
                throw .usage("\(pipeline.name) does not know what to do with '\(word)'")
            }
        }
    }

    /// Gives every parameter without a value or default its own name, so that a pipeline can be checked
    /// without them; the destination too, which a stream to a tree needs none of.
    mutating func fillMissing(of pipeline: PipelineDescription) {
        for parameter in pipeline.parameters
        where parameter.defaultText == nil || parameter.name == "to" && parameter.defaultText == "" {
            if !given.contains(where: { $0.name == parameter.name }) {
                given.append((parameter.name, parameter.name))
            }
        }
    }

    private static func assignment(_ word: String) -> (String, String)? {
        guard let sign = word.firstIndex(of: "="), sign != word.startIndex else { return nil }
        let name = word[..<sign]
        guard name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }) else { return nil }
        return (String(name), String(word[word.index(after: sign)...]))
    }

    private mutating func give(_ name: String, _ text: String) {
        if let index = given.firstIndex(where: { $0.name == name }) {
            given[index].text += "," + text
        } else {
            given.append((name, text))
        }
    }

    private mutating func option(
        _ word: String, _ rest: inout ArraySlice<String>, _ pipeline: PipelineDescription
    ) throws(PipelineError) {
        var name = String(word.dropFirst(2))
        var text: String?
        if let sign = name.firstIndex(of: "=") {
            text = String(name[name.index(after: sign)...])
            name = String(name[..<sign])
        }
        if name == "show-pipeline" {
            wantsPipeline = true
            return
        }
        if let parameter = pipeline.parameters.first(where: { $0.name == name }) {
            if parameter.kind == .flag && text == nil { text = "true" }
            if text == nil { text = try CommandArguments.value(of: name, &rest, pipeline.name) }
            give(name, text ?? "")
            return
        }
        guard RunOptions.names.contains(name) else {
            let known = pipeline.parameters.map(\.name) + RunOptions.names + ["show-pipeline", "help"]
            throw .usage(
                "\(pipeline.name) has no option --\(name); it has \(known.map { "--" + $0 }.joined(separator: ", "))"
            )
        }
        if RunOptions.flags.contains(name) { text = text ?? "true" }
        if text == nil { text = try CommandArguments.value(of: name, &rest, pipeline.name) }
        try options.set(name, text ?? "")
    }

    private static func value(
        of name: String, _ rest: inout ArraySlice<String>, _ command: String
    ) throws(PipelineError) -> String {
        guard let text = rest.popFirst() else { throw .usage("\(command): --\(name) needs a value after it") }
        return text
    }
}

/// Options that every running command has.
struct RunOptions {
    /// Their names.
    static let names = ["stats", "threads", "seed", "quiet", "verbose"]
    /// Those that need no value.
    static let flags = ["quiet", "verbose"]

    /// Where statistics go, one JSON object a second; "-" for standard error.
    var statsPath: String?
    /// How the engine runs.
    var engine = EngineOptions()
    /// No progress line and no reports, only errors.
    var isQuiet = false
    /// Every stage's counters at the end.
    var isVerbose = false

    /// Sets the option called `name`.
    mutating func set(_ name: String, _ text: String) throws(PipelineError) {
        switch name {
        case "stats": statsPath = text
        case "threads":
            guard let mode = ThreadingMode(rawValue: text) else {
                throw .usage("--threads must be inline, shared or split, not '\(text)'")
            }
            engine.threads = mode
        case "seed":
            guard let seed = UInt64(text) else {
                throw .usage("--seed must be a whole number, not '\(text)'")
            }
            engine.seed = seed
        case "quiet": isQuiet = text != "false"
        default: isVerbose = text != "false"
        }
    }
}
