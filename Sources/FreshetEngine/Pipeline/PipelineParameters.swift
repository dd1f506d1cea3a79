internal import FreshetCore

/// Puts the values of a pipeline's parameters in place of `$name` and `${name}`, and takes the chosen
/// alternatives.
///
/// `$$` is a dollar sign. A value that comes out empty leaves the stage's parameter at its own default.
public struct PipelineParameters {
    private let pipeline: PipelineDescription
    private var texts: [String: String] = [:]

    /// The parameters of `pipeline` with the `given` values (name and text), each read by its kind, and
    /// defaults.
    public init(
        of pipeline: PipelineDescription, given: [(name: String, text: String)]
    ) throws(PipelineError) {
        self.pipeline = pipeline
        for (name, text) in given { try set(name, text) }
        for (name, url) in pipeline.queryParameters where texts[name] == nil {
            guard let location = texts[url] else { continue }
            if let text = PipelineParameters.query(name, of: location) { try set(name, text) }
        }
        for parameter in pipeline.parameters where texts[parameter.name] == nil {
            guard let text = parameter.defaultText else {
                throw .usage("\(pipeline.name) needs \(parameter.name) (\(parameter.help))")
            }
            texts[parameter.name] = text
        }
    }

    private mutating func set(_ name: String, _ text: String) throws(PipelineError) {
        guard let parameter = pipeline.parameters.first(where: { $0.name == name }) else {
            let known = pipeline.parameters.map(\.name).joined(separator: ", ")
            throw .usage(
                "\(pipeline.name) has no parameter '\(name)'; it has: \(known.isEmpty ? "none" : known)")
        }
        do { _ = try ParameterReader.read(text, as: parameter, of: pipeline.name) } catch {
            throw PipelineError(error, at: nil)
        }
        texts[name] = text
    }

    /// The value of `name` in the query of a stream's URL; queries of other schemes are a server's.
    private static func query(_ name: String, of url: String) -> String? {
        guard ["rtp://", "rist://", "udp://"].contains(where: url.hasPrefix) else { return nil }
        guard let mark = url.firstIndex(of: "?") else { return nil }
        for pair in url[url.index(after: mark)...].split(whereSeparator: { $0 == "&" || $0 == "," }) {
            if pair.hasPrefix(name + "=") { return String(pair.dropFirst(name.count + 1)) }
        }
        return nil
    }

    /// The pipeline's stages with every `$name` replaced and every choice taken.
    public func resolvedStages() throws(PipelineError) -> [StageNode] { try resolve(pipeline.stages) }

    private func resolve(_ nodes: [StageNode]) throws(PipelineError) -> [StageNode] {
        var resolved: [StageNode] = []
        for node in nodes {
            if let choice = node.choice {
                resolved += try resolve(try take(choice, at: node.location))
                continue
            }
            var copy = node
            copy.arguments = []
            for argument in node.arguments {
                var argument = argument
                let hadName = argument.text.contains("$")
                argument.text = try replace(argument.text, at: argument.location)
                if hadName && argument.text.isEmpty { continue }
                copy.arguments.append(argument)
            }
            copy.branches = []
            for branch in node.branches { copy.branches.append(try resolve(branch)) }
            resolved.append(copy)
        }
        return resolved
    }

    private func take(_ choice: StageChoice, at location: SourceLocation) throws(PipelineError) -> [StageNode]
    {
        let subject = try replace(choice.subject, at: location)
        for alternative in choice.alternatives where Pattern.matches(subject, alternative.pattern) {
            return alternative.stages
        }
        let known = choice.alternatives.map(\.pattern).joined(separator: ", ")
        throw .usage("'\(subject)' fits none of \(known)", at: location)
    }

    private func replace(_ text: String, at location: SourceLocation) throws(PipelineError) -> String {
        guard text.contains("$") else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
                continue
            }
            let name = PipelineParameters.takeName(&rest)
            guard let value = texts[name] else {
                throw .usage("the pipeline has no parameter '\(name)'", at: location)
            }
            result += value
        }
        return result + rest
    }

    private static func takeName(_ rest: inout Substring) -> String {
        if rest.first == "{", let close = rest.firstIndex(of: "}") {
            let name = rest[rest.index(after: rest.startIndex)..<close]
            rest = rest[rest.index(after: close)...]
            return String(name)
        }
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }
        rest = rest[name.endIndex...]
        return String(name)
    }
}

/// Patterns of a choice: `*` stands for anything, `|` separates alternatives.
enum Pattern {
    /// True when `text` fits one alternative of `pattern`.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        pattern.split(separator: "|", omittingEmptySubsequences: false).contains {
            matches(Array(text), Array($0))
        }
    }

    private static func matches(_ text: [Character], _ pattern: [Character]) -> Bool {
        var textIndex = 0
        var patternIndex = 0
        var star: (pattern: Int, text: Int)?
        while textIndex < text.count {
            if patternIndex < pattern.count, pattern[patternIndex] == "*" {
                star = (patternIndex, textIndex)
                patternIndex += 1
            } else if patternIndex < pattern.count, pattern[patternIndex] == text[textIndex] {
                patternIndex += 1
                textIndex += 1
            } else if let last = star {
                patternIndex = last.pattern + 1
                textIndex = last.text + 1
                star = (last.pattern, textIndex)
            } else {
                return false
            }
        }
        return pattern[patternIndex...].allSatisfy { $0 == "*" }
    }
}
