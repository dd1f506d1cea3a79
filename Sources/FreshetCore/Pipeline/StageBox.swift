/// A stage of any type, for pipelines that are put together at run time: one dynamic call per batch, not per
/// packet.
open class AnyStage {
    /// The stage's descriptor.
    public let descriptor: StageDescriptor
    /// The stage's context; its `now` is set by the loop before each call.
    @exclusivity(unchecked) public final var context: StageContext

    fileprivate init(descriptor: StageDescriptor, context: consuming StageContext) {
        self.descriptor = descriptor
        self.context = context
    }

    /// Tells the stage the time. Here, and not through `context`, because an access from another module is checked for
    /// exclusivity at run time, once per stage and turn.
    public final func setNow(_ now: Instant) { context.now = now }
    /// The source has given everything.
    public final var isSourceFinished: Bool { context.isSourceFinished }

    /// See ``Stage/start(context:)``.
    open func start() throws(StageError) {}
    /// See ``Stage/process(_:into:context:)``.
    open func process(_ input: inout PacketBatch, into output: inout PacketBatch) throws(StageError) {}
    /// See ``Stage/advance(into:context:)``.
    open func advance(into output: inout PacketBatch) throws(StageError) {}
    /// See ``Stage/finish(into:context:)``.
    open func finish(into output: inout PacketBatch) throws(StageError) -> Bool { true }
    /// See ``Stage/nextDeadline``.
    open var nextDeadline: Instant? { nil }
    /// See ``Stage/pollDescriptor``.
    open var pollDescriptor: Int32 { -1 }
    /// See ``Stage/controlDescriptor``.
    open var controlDescriptor: Int32 { -1 }
}

/// The box around one stage.
public final class StageBox<Body: Stage & ~Copyable>: AnyStage {
    // Unchecked exclusivity: the box is touched by its loop's thread only, one call at a time.
    @exclusivity(unchecked) @usableFromInline var body: Body

    /// A box around `body`.
    public init(_ body: consuming Body, context: consuming StageContext) {
        self.body = body
        super.init(descriptor: Body.descriptor, context: context)
    }

    public override func start() throws(StageError) { try body.start(context: &context) }
    public override func process(
        _ input: inout PacketBatch, into output: inout PacketBatch
    ) throws(StageError) {
        try body.process(&input, into: &output, context: &context)
    }
    public override func advance(into output: inout PacketBatch) throws(StageError) {
        try body.advance(into: &output, context: &context)
    }
    public override func finish(into output: inout PacketBatch) throws(StageError) -> Bool {
        try body.finish(into: &output, context: &context)
    }
    public override var nextDeadline: Instant? { body.nextDeadline }
    public override var pollDescriptor: Int32 { body.pollDescriptor }
    public override var controlDescriptor: Int32 { body.controlDescriptor }
}
