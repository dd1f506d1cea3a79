public import FreshetCore

/// A pipeline as it was written, before stages are made: what `check` draws and the engine builds.
public struct PipelineDescription: Sendable {
    /// The file's name without folder and ".json5", or "pipeline".
    public var name: String
    /// One line: what it is for.
    public var summary: String
    /// What it can be told (`$name` in the stages).
    public var parameters: [StageParameter]
    /// The names of the parameters that stand without a name on the command line, in order.
    public var positionalNames: [String]
    /// Parameters that the query of another one's URL sets too (`latency` of `$source`: `?latency=…`), unless
    /// they are given themselves.
    public var queryParameters: [(name: String, url: String)] = []
    /// Command lines that show it at work.
    public var examples: [String] = []
    /// The stages in order; a `tee` at the end has branches.
    public var stages: [StageNode]

    /// A pipeline; see the properties.
    public init(
        name: String, summary: String = "", parameters: [StageParameter] = [], positionalNames: [String] = [],
        stages: [StageNode]
    ) {
        self.name = name
        self.summary = summary
        self.parameters = parameters
        self.positionalNames = positionalNames
        self.stages = stages
    }
}

/// One stage of a pipeline as it was written.
public struct StageNode: Sendable {
    /// The kind of stage.
    public var name: String
    /// Where its name stands.
    public var location: SourceLocation
    /// Its parameters as text, in order.
    public var arguments: [StageArgumentText]
    /// The branches of a `tee`.
    public var branches: [[StageNode]]
    /// Instead of a stage of its own: alternatives among which a parameter's value chooses.
    public var choice: StageChoice?

    /// A stage; see the properties.
    public init(
        name: String, location: SourceLocation, arguments: [StageArgumentText] = [],
        branches: [[StageNode]] = []
    ) {
        self.name = name
        self.location = location
        self.arguments = arguments
        self.branches = branches
    }
}

/// One `name=value` of a stage as it was written.
public struct StageArgumentText: Sendable {
    /// The parameter's name.
    public var name: String
    /// The value's text, which may have `$names` in it.
    public var text: String
    /// Where it stands.
    public var location: SourceLocation
}

/// Stages chosen by a parameter's value: `{ choose: "$source", from: { "rtp://*": "…", "*": "…" } }`.
public struct StageChoice: Sendable {
    /// The text that is compared, with `$names` in it.
    public var subject: String
    /// The alternatives in order; the first whose pattern matches is taken.
    public var alternatives: [Alternative]

    /// One alternative: a pattern, in which `*` stands for anything and `|` separates several, and the stages
    /// in its place.
    public struct Alternative: Sendable {
        /// The pattern.
        public var pattern: String
        /// The stages.
        public var stages: [StageNode]
    }
}
