/// One step of a pipeline: transforms a line of packets.
///
/// A stage is a move-only value with all its state inside. It takes from `input` what it can place in
/// `output`; what it leaves in `input` is the back-pressure. It is told the time, says when it next wants to
/// be woken, and drains when the source has finished. It drops a bad packet with a counted reason
/// (``StageContext/drop(_:_:)``) and throws only when it cannot go on. All storage is taken in `init` and
/// ``start(context:)``; nothing is allocated per packet.
///
/// A source's `input` is always empty; a sink's `output` must stay empty. Stages of the pure rooms touch
/// nothing but their arguments; a stage of an edge room may make system calls that do not block, or that may
/// block when its descriptor says ``StageDescriptor/mayBlock`` (it then gets a thread of its own unless the
/// user asks for one thread).
public protocol Stage: ~Copyable, SendableMetatype {
    /// Name, parameters, ports and help.
    static var descriptor: StageDescriptor { get }

    /// What flows out of a stage with these parameters when `input` flows in. Narrower than the descriptor
    /// where the parameters decide.
    static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds

    /// How long the calls of a stage with these parameters may wait. Shorter than ``StageDescriptor/mayBlock`` says where
    /// the parameters decide.
    static func waiting(arguments: StageArguments) -> StageWaiting

    /// A stage with these parameters holds packets until their time: others on its thread must not wait meanwhile.
    static func keepsTime(arguments: StageArguments) -> Bool

    /// A stage with the given parameters. Checks them; opens nothing.
    init(arguments: StageArguments) throws(StageError)

    /// Takes up work: opens what must be opened. Called once, on the thread that will run the stage.
    mutating func start(context: inout StageContext) throws(StageError)

    /// Moves packets from `input` to `output`. Called whenever there may be work: input waiting, room in the
    /// output, a readable descriptor. Must do a bounded amount of work and must not wait.
    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError)

    /// Time has moved to `context.now`: does what is due. Called when ``nextDeadline`` has passed.
    mutating func advance(into output: inout PacketBatch, context: inout StageContext) throws(StageError)

    /// The stages before have finished and `input` is empty: gives what is still held. Called until it
    /// returns true; it may return false to be called again, after room was made or at ``nextDeadline``.
    mutating func finish(into output: inout PacketBatch, context: inout StageContext) throws(StageError)
        -> Bool

    /// When the stage wants ``advance(into:context:)`` next; `nil` for never.
    var nextDeadline: Instant? { get }

    /// A descriptor that becomes readable when the stage has something to do; -1 for none. Asked once, after
    /// `start`, and watched on edge: ``StageContext/isReadable`` turns true each time something new comes,
    /// and stays so until the stage has read everything and sets it to false.
    var pollDescriptor: Int32 { get }

    /// A second descriptor for what is rare (reports, changes of the network); -1 for none. The stage is
    /// called when it becomes readable, with ``StageContext/isControlReadable`` set.
    var controlDescriptor: Int32 { get }
}

extension Stage where Self: ~Copyable {
    /// A stage that gives what it takes hands the kind through; another gives what its descriptor says.
    public static func output(of input: PortKinds, arguments: StageArguments) -> PortKinds {
        descriptor.takes == descriptor.gives ? input : descriptor.gives
    }
    /// As the descriptor says.
    public static func waiting(arguments: StageArguments) -> StageWaiting {
        descriptor.mayBlock ? .long : .never
    }
    /// It does not.
    public static func keepsTime(arguments: StageArguments) -> Bool { false }
    /// Nothing to open.
    public mutating func start(context: inout StageContext) throws(StageError) {}
    /// Nothing is due.
    public mutating func advance(into output: inout PacketBatch, context: inout StageContext)
        throws(StageError)
    {}
    /// Nothing is held.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool { true }
    /// Never.
    public var nextDeadline: Instant? { nil }
    /// None.
    public var pollDescriptor: Int32 { -1 }
    /// None.
    public var controlDescriptor: Int32 { -1 }
}
