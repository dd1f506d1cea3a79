/// Why the control channel cannot be had: one sentence for a person, without a full stop.
public struct ControlError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence.
    public var message: String
    /// True when what was asked for is wrong, false when the machine or the network would not.
    public var isUsage: Bool

    /// What was asked for makes no sense.
    public static func usage(_ message: String) -> ControlError {
        ControlError(message: message, isUsage: true)
    }

    /// It could not be done.
    public static func failure(_ message: String) -> ControlError {
        ControlError(message: message, isUsage: false)
    }

    /// The sentence.
    public var description: String { message }
}
