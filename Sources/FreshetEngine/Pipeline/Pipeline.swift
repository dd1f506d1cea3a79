public import FreshetCore

/// A checked pipeline: every stage exists, its parameters can be read, and each plug fits. Nothing is opened
/// yet.
public struct Pipeline: Sendable {
    /// The pipeline's name.
    public let name: String
    /// The stages of the main line, in order.
    public let stages: [PlannedStage]

    /// Checks `description` with the `given` parameter values against `registry`.
    public init(
        _ description: PipelineDescription, given: [(name: String, text: String)] = [],
        registry: StageRegistry = StageRegistry()
    ) throws(PipelineError) {
        let parameters = try PipelineParameters(of: description, given: given)
        let planner = PipelinePlanner(registry: registry)
        name = description.name
        stages = try planner.line(try parameters.resolvedStages(), fed: nil)
    }

    /// Checks a pipeline in text form.
    public init(text: String, registry: StageRegistry = StageRegistry()) throws(PipelineError) {
        let nodes = try PipelineText.stages(text, at: SourceLocation(file: "pipeline", line: 1, column: 1))
        try self.init(PipelineDescription(name: "pipeline", stages: nodes), registry: registry)
    }
}

/// One stage of a checked pipeline.
public struct PlannedStage: Sendable {
    /// Descriptor and how to make it.
    public let kind: StageKind
    /// Its parameters, read and checked.
    public let arguments: StageArguments
    /// The parameters as they were written, for drawing.
    public let argumentTexts: [StageArgumentText]
    /// Where it stands in the text.
    public let location: SourceLocation
    /// The kinds that flow into it; `.none` for a source.
    public let input: PortKinds
    /// The kinds that flow out of it; `.none` for a sink.
    public let output: PortKinds
    /// The lines behind a `tee`.
    public let branches: [[PlannedStage]]
}

/// Checks stages against a registry, and plugs against each other.
struct PipelinePlanner {
    let registry: StageRegistry

    /// Checks one line; `fed` is what flows into its first stage, `nil` when that must be a source.
    func line(_ nodes: [StageNode], fed: PortKinds?) throws(PipelineError) -> [PlannedStage] {
        var planned: [PlannedStage] = []
        var flowing = fed
        for (index, node) in nodes.enumerated() {
            let stage = try plan(node, previous: planned.last, fed: flowing, isFirst: index == 0)
            let isLast = index == nodes.count - 1
            if isLast && !stage.output.isEmpty {
                throw .usage(
                    "\(node.name) gives \(stage.output) to nobody; end the line with a sink such as \(sinkExamples)",
                    at: node.location)
            }
            if !isLast && stage.output.isEmpty {
                throw .usage(
                    "\(node.name) gives nothing, so nothing can follow it", at: nodes[index + 1].location)
            }
            flowing = stage.output
            planned.append(stage)
        }
        return planned
    }

    private var sinkExamples: String {
        let sinks = ["record", "stdout", "udp-send", "multicast-send"].filter { registry[$0] != nil }
        return sinks.isEmpty ? "file" : sinks.joined(separator: ", ")
    }

    private func plan(
        _ node: StageNode, previous: PlannedStage?, fed: PortKinds?, isFirst: Bool
    ) throws(PipelineError) -> PlannedStage {
        guard let kind = registry[node.name] else {
            let hint =
                registry.nearest(to: node.name).map { "; did you mean \($0)?" } ?? "; see 'freshet stages'"
            throw .usage("there is no stage '\(node.name)'\(hint)", at: node.location)
        }
        let input = try flow(into: kind.descriptor, at: node, from: previous, fed: fed)
        let arguments = try arguments(node, kind.descriptor)
        let output = kind.output(input, arguments)
        var branches: [[PlannedStage]] = []
        if kind.descriptor.name == TeeStage.descriptor.name {
            guard !node.branches.isEmpty else {
                throw .usage("tee needs branches: tee [ … ] [ … ]", at: node.location)
            }
            for branch in node.branches { branches.append(try line(branch, fed: input)) }
        } else if !node.branches.isEmpty {
            throw .usage("only tee has branches, not \(node.name)", at: node.location)
        }
        return PlannedStage(
            kind: kind, arguments: arguments, argumentTexts: node.arguments, location: node.location,
            input: input,
            output: output, branches: branches)
    }

    private func flow(
        into descriptor: StageDescriptor, at node: StageNode, from previous: PlannedStage?, fed: PortKinds?
    ) throws(PipelineError) -> PortKinds {
        guard let fed else {
            if !descriptor.takes.isEmpty {
                throw .usage(
                    "\(descriptor.name) takes \(descriptor.takes) and cannot begin a pipeline; "
                        + "begin with a source such as demux or multicast-receive",
                    at: node.location)
            }
            return .none
        }
        let flowing = fed.flowing(into: descriptor.takes)
        if !flowing.isEmpty { return flowing }
        let giver = previous?.kind.descriptor.name ?? "tee"
        let between = registry.kinds.map(\.descriptor).first {
            !fed.flowing(into: $0.takes).isEmpty && $0.takes != $0.gives
                && !$0.gives.flowing(into: descriptor.takes).isEmpty
        }
        let hint = between.map { "; put \($0.name) between them" } ?? ""
        let takes = descriptor.takes.isEmpty ? "takes nothing" : "takes \(descriptor.takes)"
        throw .usage("\(giver) gives \(fed) but \(descriptor.name) \(takes)\(hint)", at: node.location)
    }

    /// Reads a stage's parameters; an error names the place of the one that is wrong.
    private func arguments(
        _ node: StageNode, _ descriptor: StageDescriptor
    ) throws(PipelineError) -> StageArguments {
        var texts: [(name: String, text: String)] = []
        for argument in node.arguments {
            guard let parameter = descriptor.parameter(argument.name) else {
                let names = descriptor.parameters.map(\.name)
                let hint =
                    StageRegistry.nearest(to: argument.name, among: names).map { "; did you mean \($0)?" }
                    ?? "; it has: \(names.isEmpty ? "none" : names.joined(separator: ", "))"
                throw .usage("\(node.name) has no parameter '\(argument.name)'\(hint)", at: argument.location)
            }
            if texts.contains(where: { $0.name == argument.name }) {
                throw .usage("\(argument.name) is given twice", at: argument.location)
            }
            do { _ = try ParameterReader.read(argument.text, as: parameter, of: node.name) } catch {
                throw PipelineError(error, at: argument.location)
            }
            texts.append((argument.name, argument.text))
        }
        do { return try StageArguments(descriptor: descriptor, texts: texts) } catch {
            throw PipelineError(error, at: node.location)
        }
    }
}
