/// A stage of any type, for pipelines that are put together at run time: one dynamic call per batch, not per
/// packet.
open class AnyStage {
    /// The stage's descriptor.
    public let descriptor: StageDescriptor
    /// In a place of its own: a stored property of a class is checked for exclusive access each time another
    /// module touches it, and here only the loop's own thread ever does.
    @usableFromInline final let contextPlace: UnsafeMutablePointer<StageContext>

    @usableFromInline init(descriptor: StageDescriptor, context: consuming StageContext) {
        self.descriptor = descriptor
        contextPlace = .allocate(capacity: 1)
        contextPlace.initialize(to: context)
    }

    deinit {
        contextPlace.deinitialize(count: 1)
        contextPlace.deallocate()
    }

    /// The stage's context; its `now` is set by the loop before each turn.
    @inlinable public final var context: StageContext {
        _read { yield contextPlace.pointee }
        _modify { yield &contextPlace.pointee }
    }

    /// The source has given everything.
    @inlinable public final var isSourceFinished: Bool { contextPlace.pointee.isSourceFinished }

    /// See ``Stage/start(context:)``.
    open func start() throws(StageError) {}
    /// One pass: does what was due at `deadline` if that has come, then processes; gives the next deadline.
    open func run(
        _ input: inout PacketBatch, into output: inout PacketBatch, deadline: Instant?
    ) throws(StageError) -> Instant? { nil }
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

/// The box around one stage. Inlinable, so that each stage's own module has one made for it, with no generic
/// call left.
public final class StageBox<Body: Stage & ~Copyable>: AnyStage {
    // Unchecked exclusivity: the box is touched by its loop's thread only, one call at a time.
    @exclusivity(unchecked) @usableFromInline var body: Body

    /// A box around `body`.
    @inlinable public init(_ body: consuming Body, context: consuming StageContext) {
        self.body = body
        super.init(descriptor: Body.descriptor, context: context)
    }

    @inlinable public override func start() throws(StageError) {
        try body.start(context: &contextPlace.pointee)
    }
    @inlinable public override func run(
        _ input: inout PacketBatch, into output: inout PacketBatch, deadline: Instant?
    ) throws(StageError) -> Instant? {
        if let deadline, deadline <= contextPlace.pointee.now {
            try body.advance(into: &output, context: &contextPlace.pointee)
        }
        if !output.isFull { try body.process(&input, into: &output, context: &contextPlace.pointee) }
        return body.nextDeadline
    }
    @inlinable public override func process(
        _ input: inout PacketBatch, into output: inout PacketBatch
    ) throws(StageError) {
        try body.process(&input, into: &output, context: &contextPlace.pointee)
    }
    @inlinable public override func advance(into output: inout PacketBatch) throws(StageError) {
        try body.advance(into: &output, context: &contextPlace.pointee)
    }
    @inlinable public override func finish(into output: inout PacketBatch) throws(StageError) -> Bool {
        try body.finish(into: &output, context: &contextPlace.pointee)
    }
    @inlinable public override var nextDeadline: Instant? { body.nextDeadline }
    @inlinable public override var pollDescriptor: Int32 { body.pollDescriptor }
    @inlinable public override var controlDescriptor: Int32 { body.controlDescriptor }
}
