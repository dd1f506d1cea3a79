import CLinux

/// The signals that ask the program to end, as a descriptor to watch (signalfd) instead of a handler.
///
/// Make it on the main thread before any other thread: the signals are blocked for that thread and those it
/// makes.
public struct SignalSource: ~Copyable {
    /// A request to end.
    public enum Request: Sendable, Equatable {
        /// SIGINT: Ctrl-C.
        case interrupt
        /// SIGTERM: a polite kill.
        case terminate
    }

    private let descriptor: Descriptor
    private static let interruptNumber: Int32 = 2
    private static let terminateNumber: Int32 = 15

    /// Takes SIGINT and SIGTERM.
    public init() throws(SystemCallError) {
        let signals = [SignalSource.interruptNumber, SignalSource.terminateNumber]
        descriptor = Descriptor(
            taking: try check("cannot watch signals") { clinux_signalfd(signals, Int32(signals.count)) })
    }

    /// The descriptor to watch for reading.
    public var number: Int32 { descriptor.number }

    /// The next request that waits; `nil` when there is none.
    public func next() -> Request? {
        switch systemCall({ clinux_signalfd_read(descriptor.number) }) {
        case SignalSource.interruptNumber: .interrupt
        case SignalSource.terminateNumber: .terminate
        default: nil
        }
    }
}
