/// A kind of stage that pipelines can name: its descriptor and how to make one.
public struct StageKind: Sendable {
    /// Name, parameters, ports and help.
    public let descriptor: StageDescriptor
    /// What flows out of one with the given parameters when the given kinds flow in; see
    /// ``Stage/output(of:arguments:)``.
    public let output: @Sendable (PortKinds, StageArguments) -> PortKinds
    /// See ``Stage/waiting(arguments:)``.
    public let waiting: @Sendable (StageArguments) -> StageWaiting
    /// See ``Stage/keepsTime(arguments:)``.
    public let keepsTime: @Sendable (StageArguments) -> Bool
    /// A boxed stage with the given parameters and context.
    public let make: @Sendable (StageArguments, consuming StageContext) throws(StageError) -> AnyStage

    /// The kind of stage that `Body` is.
    @inlinable public init<Body: Stage & ~Copyable>(_ body: Body.Type) {
        descriptor = Body.descriptor
        output = { Body.output(of: $0, arguments: $1) }
        waiting = { Body.waiting(arguments: $0) }
        keepsTime = { Body.keepsTime(arguments: $0) }
        make = { (arguments, context) throws(StageError) in
            StageBox(try Body(arguments: arguments), context: context)
        }
    }
}

/// The kinds of stages gathered from the program's own image; see ``StageRegistration``.
public final class StageKindList {
    /// The kinds, in no particular order.
    public private(set) var kinds: [StageKind] = []

    /// An empty list.
    public init() {}

    /// Adds a kind.
    public func add(_ kind: StageKind) { kinds.append(kind) }
}

/// What a stage's file leaves in the program's image so that the engine finds it with no list to edit:
///
/// ```swift
/// @section("freshet_stages") @used
/// private let registration: StageRegistration = { register(ThinStage.self, in: $0) }
/// ```
///
/// The linker gathers these into one section, which the engine walks at start (SE-0492).
public typealias StageRegistration = @convention(c) (_ list: UnsafeMutableRawPointer) -> Void

/// Adds `Body` to the list that a ``StageRegistration`` is given.
@inlinable public func register<Body: Stage & ~Copyable>(
    _ body: Body.Type, in list: UnsafeMutableRawPointer
) {
    Unmanaged<StageKindList>.fromOpaque(list).takeUnretainedValue().add(StageKind(body))
}
