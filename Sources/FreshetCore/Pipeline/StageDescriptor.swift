/// What a stage is called, takes, gives and can be told: the page that `freshet stages NAME` prints.
public struct StageDescriptor: Sendable {
    /// The name in pipelines: lower case, words joined by "-".
    public var name: String
    /// One line: what it does.
    public var summary: String
    /// What it takes; `.none` for a source.
    public var takes: PortKinds
    /// What it gives; `.none` for a sink.
    public var gives: PortKinds
    /// What it can be told.
    public var parameters: [StageParameter]
    /// Calls that may wait for a disk, a server or a program; such a stage is given its own thread by
    /// `--threads split`.
    public var mayBlock: Bool
    /// How long packets may wait in front of the stage's thread so that one wake-up serves many; zero for at
    /// once. A recorder loses nothing by it and saves a wake-up per packet.
    public var batchInterval: Nanoseconds
    /// A pipeline in text form that shows the stage at work.
    public var example: String

    /// A descriptor; see the properties.
    public init(
        name: String, summary: String, takes: PortKinds, gives: PortKinds, parameters: [StageParameter] = [],
        mayBlock: Bool = false, batchInterval: Nanoseconds = .zero, example: String
    ) {
        self.name = name
        self.summary = summary
        self.takes = takes
        self.gives = gives
        self.parameters = parameters
        self.mayBlock = mayBlock
        self.batchInterval = batchInterval
        self.example = example
    }

    /// The parameter called `name`.
    public func parameter(_ name: String) -> StageParameter? { parameters.first { $0.name == name } }
}

/// How long the calls of a stage may wait.
public enum StageWaiting: Sendable {
    /// Not at all.
    case never
    /// For a local disk: worth a thread of its own only beside stages that keep time (``Stage/keepsTime(arguments:)``).
    case briefly
    /// For a server, a pipe or a program, as long as it likes.
    case long
}

/// One thing a stage, or a pipeline file, can be told.
public struct StageParameter: Sendable {
    /// How a parameter's text is read.
    public enum Kind: Sendable, Equatable {
        /// Any text.
        case text
        /// A whole number in a range.
        case integer(ClosedRange<Int>)
        /// A span of time: a number of milliseconds, or a number with `ns`, `us`, `ms`, `s`, `m` or `h`.
        case duration
        /// A span of time whose bare number is seconds.
        case seconds
        /// A span of time as ``duration``, or `auto`.
        case latency
        /// Bits per second: a number, or one with `k`, `M` or `G`.
        case bitRate
        /// A share: `5%`, `0.05`, or `1/20`; kept as parts per million.
        case ratio
        /// `true` or `false` (`yes`, `no`, `on`, `off`, `1`, `0`).
        case flag
        /// One of a few words.
        case choice([String])
    }

    /// The name: lower case, words joined by "-".
    public var name: String
    /// How the text is read.
    public var kind: Kind
    /// The value when none is given, as text; `nil` means that one must be given, "" that it may be left out.
    public var defaultText: String?
    /// One line: what it does.
    public var help: String

    /// A parameter; see the properties.
    public init(_ name: String, _ kind: Kind, default defaultText: String?, _ help: String) {
        self.name = name
        self.kind = kind
        self.defaultText = defaultText
        self.help = help
    }

    /// The unit of a bare number, as help shows it; `nil` where there is none.
    public var unit: String? {
        switch kind {
        case .duration, .latency: "ms"
        case .seconds: "s"
        case .bitRate: "bit/s"
        case .ratio: "share"
        default: nil
        }
    }
}
