import CLinux
public import FreshetCore

/// Waits until one of many descriptors is ready or a deadline has come, to the nanosecond (epoll).
///
/// Level-triggered unless asked otherwise: a descriptor that was not read dry is reported again. Belongs to
/// one thread.
public struct Poller: ~Copyable {
    /// What one descriptor is ready for.
    public struct Ready: Sendable {
        /// The tag that the descriptor was added with.
        public let tag: UInt64
        let events: UInt32

        /// Something can be read (or the end of it).
        public var isReadable: Bool {
            events & UInt32(CLINUX_READABLE | CLINUX_HANGUP | CLINUX_ERROR) != 0
        }
        /// Something can be written.
        public var isWritable: Bool { events & UInt32(CLINUX_WRITABLE) != 0 }
        /// The other side is gone, or the descriptor is broken.
        public var isBroken: Bool { events & UInt32(CLINUX_HANGUP | CLINUX_ERROR) != 0 }
    }

    private let descriptor: Descriptor
    private let ready: UnsafeMutablePointer<clinux_ready>
    /// The most descriptors reported by one wait; the others are reported by the next.
    public static let readyLimit = 64

    /// A poller that watches nothing yet.
    public init() throws(SystemCallError) {
        descriptor = Descriptor(
            taking: try check("cannot make an epoll descriptor") { clinux_epoll_create() })
        ready = .allocate(capacity: Poller.readyLimit)
        ready.initialize(repeating: clinux_ready(), count: Poller.readyLimit)
    }

    deinit { ready.deallocate() }

    /// A descriptor that is readable while something watched is ready, so that pollers nest.
    public var number: Int32 { descriptor.number }

    /// Watches `number` (for reading, for writing, or both) and reports it as `tag`.
    ///
    /// With `onEdge` it is reported once each time something new comes, even if it was not read dry: a
    /// wake-up then needs no system call to be drained.
    public borrowing func add(
        _ number: Int32, tag: UInt64, reading: Bool = true, writing: Bool = false, onEdge: Bool = false
    ) throws(SystemCallError) {
        let events = Poller.events(reading, writing) | (onEdge ? UInt32(CLINUX_ON_EDGE) : 0)
        try check("cannot watch descriptor \(number)") {
            clinux_epoll_add(descriptor.number, number, events, tag)
        }
    }

    /// Changes what `number` is watched for; neither means "not now".
    public borrowing func modify(
        _ number: Int32, tag: UInt64, reading: Bool, writing: Bool = false
    ) throws(SystemCallError) {
        let events = Poller.events(reading, writing)
        try check("cannot watch descriptor \(number)") {
            clinux_epoll_modify(descriptor.number, number, events, tag)
        }
    }

    /// Watches `number` no longer. A closed descriptor has already gone by itself.
    public borrowing func remove(_ number: Int32) {
        _ = systemCall { clinux_epoll_remove(descriptor.number, number) }
    }

    /// Waits until something is ready or `deadline` has come (`nil`: for ever; one in the past: not at all)
    /// and gives how many are ready; read them by ``subscript(_:)``. Interrupted by a signal, it gives 0.
    public mutating func wait(until deadline: Instant?) throws(SystemCallError) -> Int {
        var timeout: Int64 = -1
        if let deadline {
            timeout = deadline <= .zero ? 0 : max(0, (deadline - MonotonicClock.now).count)
        }
        let count = clinux_epoll_wait(descriptor.number, ready, Int32(Poller.readyLimit), timeout)
        if count == -Errno.interrupted.code { return 0 }
        if count < 0 { throw SystemCallError("cannot wait for descriptors", Errno(-count)) }
        return Int(count)
    }

    /// The `index`-th descriptor that the last wait reported.
    public subscript(_ index: Int) -> Ready {
        precondition(index >= 0 && index < Poller.readyLimit)
        return Ready(tag: ready[index].tag, events: ready[index].events)
    }

    private static func events(_ reading: Bool, _ writing: Bool) -> UInt32 {
        (reading ? UInt32(CLINUX_READABLE) : 0) | (writing ? UInt32(CLINUX_WRITABLE) : 0)
    }
}
