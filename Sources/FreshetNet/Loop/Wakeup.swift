import CLinux

/// Wakes a loop from another thread (eventfd): its descriptor is readable from ``signal()`` until
/// ``drain()``.
///
/// Signals add up to one; safe to use from any thread at once, for the kernel does the counting.
public final class Wakeup: Sendable {
    private let descriptor: Descriptor

    /// A wake-up that nobody has signalled.
    public init() throws(SystemCallError) {
        descriptor = Descriptor(taking: try check("cannot make an event descriptor") { clinux_eventfd() })
    }

    /// The descriptor to watch for reading.
    public var number: Int32 { descriptor.number }

    /// Wakes the loop.
    public func signal() { _ = systemCall { clinux_eventfd_signal(descriptor.number) } }

    /// Takes the signals back, so that the descriptor is quiet until the next.
    public func drain() { _ = systemCall { clinux_eventfd_drain(descriptor.number) } }
}
