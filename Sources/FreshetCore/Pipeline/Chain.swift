/// Two stages as one, joined at compile time: no dynamic call between them. Chains nest: `Chain<A, Chain<B,
/// C>>`.
///
/// For pipelines known when the program is built (benchmarks, embedded uses). Both parts count into one
/// context; the first part's `pollDescriptor` is the chain's.
public struct Chain<First: Stage & ~Copyable, Second: Stage & ~Copyable>: Stage, ~Copyable {
    @usableFromInline var first: First
    @usableFromInline var second: Second
    @usableFromInline var between: PacketBatch
    @usableFromInline var isFirstFinished = false

    /// `first` feeding `second` through a batch of `capacity` packets.
    @inlinable public init(_ first: consuming First, _ second: consuming Second, capacity: Int = 64) {
        self.first = first
        self.second = second
        between = PacketBatch(capacity: capacity)
    }

    /// A chain is never named in a pipeline file.
    public init(arguments: StageArguments) throws(StageError) {
        throw .usage("a chain is built in code, not named in a pipeline")
    }

    /// The ports of the outer ends.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "chain", summary: "two stages joined at compile time", takes: First.descriptor.takes,
            gives: Second.descriptor.gives,
            mayBlock: First.descriptor.mayBlock || Second.descriptor.mayBlock, example: "")
    }

    /// Starts both parts.
    @inlinable public mutating func start(context: inout StageContext) throws(StageError) {
        try first.start(context: &context)
        try second.start(context: &context)
    }

    /// Runs the first part, then the second.
    @inlinable public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        try first.process(&input, into: &between, context: &context)
        try second.process(&between, into: &output, context: &context)
    }

    /// Advances both parts, then hands on what the first gave.
    @inlinable public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        if let deadline = first.nextDeadline, deadline <= context.now {
            try first.advance(into: &between, context: &context)
        }
        if let deadline = second.nextDeadline, deadline <= context.now {
            try second.advance(into: &output, context: &context)
        }
        try second.process(&between, into: &output, context: &context)
    }

    /// Drains the first part through the second, then the second.
    @inlinable public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        if !isFirstFinished { isFirstFinished = try first.finish(into: &between, context: &context) }
        try second.process(&between, into: &output, context: &context)
        guard isFirstFinished, between.isEmpty else { return false }
        return try second.finish(into: &output, context: &context)
    }

    /// The earlier of the parts' deadlines.
    @inlinable public var nextDeadline: Instant? { earliest(first.nextDeadline, second.nextDeadline) }
    /// The first part's descriptor.
    @inlinable public var pollDescriptor: Int32 { first.pollDescriptor }
    /// The first part's control descriptor.
    @inlinable public var controlDescriptor: Int32 { first.controlDescriptor }
}
