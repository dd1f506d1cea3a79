import CLinux

/// The signals that ask the program to end or to report, as a descriptor to watch (signalfd) instead of a handler.
///
/// Make it on the main thread before any other thread: the signals are blocked for that thread and those it
/// makes.
public struct SignalSource: ~Copyable {
    /// What a signal asks for.
    public enum Request: Sendable, Equatable {
        /// SIGINT: Ctrl-C.
        case interrupt
        /// SIGTERM: a polite kill.
        case terminate
        /// SIGUSR1: say how things are, and go on.
        case report
    }

    private let descriptor: Descriptor
    private static let interruptNumber: Int32 = 2
    private static let terminateNumber: Int32 = 15
    private static let reportNumber: Int32 = 10

    /// Takes SIGINT and SIGTERM, and SIGUSR1 too when `takesReports`.
    public init(takesReports: Bool = false) throws(SystemCallError) {
        let signals =
            [SignalSource.interruptNumber, SignalSource.terminateNumber]
            + (takesReports ? [SignalSource.reportNumber] : [])
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
        case SignalSource.reportNumber: .report
        default: nil
        }
    }
}
