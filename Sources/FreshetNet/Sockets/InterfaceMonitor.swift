import CLinux

/// Tells when interfaces or their addresses come and go (rtnetlink), so that memberships can be taken up
/// again.
public struct InterfaceMonitor: ~Copyable {
    private let descriptor: Descriptor

    /// A monitor from now on.
    public init() throws(SystemCallError) {
        descriptor = Descriptor(
            taking: try check("cannot watch the network interfaces") { clinux_interface_monitor() })
    }

    /// The descriptor to watch for reading.
    public var number: Int32 { descriptor.number }

    /// Reads what waits; true when something changed since the last time. At most 64 messages a call.
    public func drain() -> Bool {
        var hasChanged = false
        for _ in 0..<64 {
            let result = systemCall { clinux_interface_monitor_read(descriptor.number) }
            if result < 0 { break }
            if result > 0 { hasChanged = true }
        }
        return hasChanged
    }
}
