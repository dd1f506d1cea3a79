/// Why a stage cannot go on. A bad packet is never a reason: it is dropped and counted.
public struct StageError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure; decides the exit status.
    public enum Kind: Sendable {
        /// A parameter or a plug is wrong: the user must change the command or the pipeline (exit status 2).
        case usage
        /// The world does not allow it: a file, an interface, a device, a disk (exit status 1).
        case failure
    }

    /// The kind of failure.
    public var kind: Kind
    /// One sentence: what, where, and what to do; without a full stop.
    public var message: String

    /// A failure of `kind` told by `message`.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// A wrong parameter or plug.
    public static func usage(_ message: String) -> StageError { .init(.usage, message) }
    /// Something the world does not allow.
    public static func failure(_ message: String) -> StageError { .init(.failure, message) }

    /// The message.
    public var description: String { message }
}
