internal import FreshetCore

/// Reads a pipeline file:
///
/// ```json5
/// {
///   summary: "Record a group to disk",
///   parameters: {
///     source: { help: "where the stream comes from", positional: true },
///     latency: { kind: "duration", default: "200ms", query: "source", help: "how long a gap may wait" },
///   },
///   stages: [
///     { stage: "multicast-receive", url: "$source" },
///     "reorder latency=$latency ! depacketize",
///     { stage: "tee", branches: [ ["record output=a.ts"], ["stats"] ] },
///     { choose: "$out", from: { "-": "stdout", "*": "file path=$out" } },
///   ],
/// }
/// ```
///
/// A string among the stages is a pipeline in text form.
public enum PipelineFile {
    /// The pipeline in `text`; `name` is its name, `file` what errors call it.
    public static func read(
        _ text: String, name: String, file: String
    ) throws(PipelineError) -> PipelineDescription {
        let root = try JSON5Parser.value(of: text, file: file)
        guard case .object(let members) = root.content else {
            throw .usage(
                "a pipeline file is an object { stages: […] }, not \(root.kindName)", at: root.location)
        }
        var pipeline = PipelineDescription(name: name, stages: [])
        for member in members {
            switch member.name {
            case "summary": pipeline.summary = try string(member.value, "summary")
            case "parameters": try readParameters(member.value, into: &pipeline)
            case "examples": pipeline.examples = try lines(member.value)
            case "stages": pipeline.stages = try stages(member.value)
            default:
                throw .usage(
                    "'\(member.name)' is not part of a pipeline; it has summary, examples, parameters and stages",
                    at: member.location)
            }
        }
        if pipeline.stages.isEmpty { throw .usage("the pipeline has no stages", at: root.location) }
        return pipeline
    }

    private static func string(_ value: JSON5Value, _ name: String) throws(PipelineError) -> String {
        guard let text = value.scalarText else {
            throw .usage("\(name) must be text, not \(value.kindName)", at: value.location)
        }
        return text
    }

    private static func lines(_ value: JSON5Value) throws(PipelineError) -> [String] {
        guard case .array(let items) = value.content else { return [try string(value, "examples")] }
        var texts: [String] = []
        for item in items { texts.append(try string(item, "an example")) }
        return texts
    }

    // MARK: Parameters

    private static func readParameters(
        _ value: JSON5Value, into pipeline: inout PipelineDescription
    ) throws(PipelineError) {
        guard case .object(let members) = value.content else {
            throw .usage("parameters must be an object, not \(value.kindName)", at: value.location)
        }
        for member in members {
            guard case .object(let fields) = member.value.content else {
                throw .usage(
                    "parameter \(member.name) must be an object { kind, default, help }, not \(member.value.kindName)",
                    at: member.value.location)
            }
            pipeline.parameters.append(try parameter(member.name, fields))
            if case .boolean(true)? = member.value["positional"]?.content {
                pipeline.positionalNames.append(member.name)
            }
            if let query = member.value["query"] {
                pipeline.queryParameters.append((member.name, try string(query, "query")))
            }
        }
    }

    private static func parameter(_ name: String, _ fields: [JSON5Member]) throws(PipelineError)
        -> StageParameter
    {
        var parameter = StageParameter(name, .text, default: nil, "")
        var lower = 0
        var upper = Int.max
        for field in fields {
            let text = try field.name == "positional" || field.name == "query" ? "" : fieldText(field)
            switch field.name {
            case "help": parameter.help = text
            case "default": parameter.defaultText = text
            case "kind": parameter.kind = try kind(text, at: field.value.location)
            case "min": lower = Int(text) ?? lower
            case "max": upper = Int(text) ?? upper
            case "choices": parameter.kind = .choice(text.split(separator: "|").map { String($0) })
            case "positional", "query": break
            default:
                throw .usage(
                    "a parameter has kind, default, help, min, max, choices, positional and query, not '\(field.name)'",
                    at: field.location)
            }
        }
        if case .integer = parameter.kind { parameter.kind = .integer(lower...max(lower, upper)) }
        return parameter
    }

    /// The text of a field; an array of words is joined by "|".
    private static func fieldText(_ field: JSON5Member) throws(PipelineError) -> String {
        guard case .array(let items) = field.value.content else { return try string(field.value, field.name) }
        var words: [String] = []
        for item in items { words.append(try string(item, field.name)) }
        return words.joined(separator: "|")
    }

    private static func kind(_ text: String, at location: SourceLocation) throws(PipelineError)
        -> StageParameter.Kind
    {
        switch text {
        case "text": .text
        case "integer": .integer(0...Int.max)
        case "duration": .duration
        case "seconds": .seconds
        case "latency": .latency
        case "bitrate": .bitRate
        case "ratio": .ratio
        case "flag": .flag
        default:
            throw .usage(
                "'\(text)' is not a kind of parameter; there are text, integer, duration, seconds, latency, bitrate, "
                    + "ratio, flag",
                at: location)
        }
    }

    // MARK: Stages

    private static func stages(_ value: JSON5Value) throws(PipelineError) -> [StageNode] {
        switch value.content {
        case .string(let text):
            return try PipelineText.stages(text, at: afterQuote(value.location))
        case .object(let members):
            return [try stage(members, at: value.location)]
        case .array(let items):
            var nodes: [StageNode] = []
            for item in items { nodes += try stages(item) }
            return nodes
        default:
            throw .usage("a stage is an object or text, not \(value.kindName)", at: value.location)
        }
    }

    private static func afterQuote(_ location: SourceLocation) -> SourceLocation {
        SourceLocation(file: location.file, line: location.line, column: location.column + 1)
    }

    private static func stage(_ members: [JSON5Member], at location: SourceLocation) throws(PipelineError)
        -> StageNode
    {
        if let choose = members.first(where: { $0.name == "choose" }) {
            return try choice(members, choose, at: location)
        }
        guard let named = members.first(where: { $0.name == "stage" }) else {
            throw .usage("this has no 'stage'", at: location)
        }
        var node = StageNode(name: try string(named.value, "stage"), location: named.value.location)
        for member in members where member.name != "stage" {
            if member.name == "branches" {
                node.branches = try branches(member.value)
                continue
            }
            node.arguments.append(
                StageArgumentText(
                    name: member.name, text: try fieldText(member).replacingBars(in: member),
                    location: member.location))
        }
        return node
    }

    private static func branches(_ value: JSON5Value) throws(PipelineError) -> [[StageNode]] {
        guard case .array(let items) = value.content else {
            throw .usage("branches must be an array of lines, not \(value.kindName)", at: value.location)
        }
        var branches: [[StageNode]] = []
        for item in items { branches.append(try stages(item)) }
        return branches
    }

    private static func choice(
        _ members: [JSON5Member], _ choose: JSON5Member, at location: SourceLocation
    ) throws(PipelineError) -> StageNode {
        guard let from = members.first(where: { $0.name == "from" }),
            case .object(let alternatives) = from.value.content,
            members.count == 2
        else { throw .usage("a choice is { choose: \"$name\", from: { pattern: stages, … } }", at: location) }
        var node = StageNode(name: "choose", location: location)
        var choice = StageChoice(subject: try string(choose.value, "choose"), alternatives: [])
        for alternative in alternatives {
            choice.alternatives.append(
                .init(pattern: alternative.name, stages: try stages(alternative.value)))
        }
        node.choice = choice
        return node
    }
}

extension String {
    /// A list in a stage's parameter is joined by commas (`to: ["rtp://…", "udp://…"]`).
    fileprivate func replacingBars(in member: JSON5Member) -> String {
        guard case .array = member.value.content else { return self }
        return split(separator: "|").joined(separator: ",")
    }
}
