import CLinux
public import FreshetCore

/// A TAP device: a network interface of this host, or of a network namespace, whose Ethernet frames this
/// program reads and writes. Gone when its owner is done with it.
public struct TapDevice: ~Copyable {
    private let descriptor: Descriptor

    /// How many frames wait for this program before the kernel drops them.
    public static let queueFrameCount = 20_000

    /// Makes the interface `name`, up, in `network`: `nil` for the program's own; a process's number, a name
    /// that `ip netns` knows, or the path of a namespace's file. Needs the right to configure networks there.
    public init(name: String, network: String?) throws(SystemCallError) {
        let path = network.map { TapDevice.path($0) }
        let place = network.map { " in network \($0)" } ?? ""
        descriptor = Descriptor(
            taking: try check("cannot make the TAP device \(name)\(place)") {
                clinux_tap_open(name, path, Int32(TapDevice.queueFrameCount))
            })
    }

    private static func path(_ network: String) -> String {
        if network.contains("/") { return network }
        return network.allSatisfy { $0.isNumber } ? "/proc/\(network)/ns/net" : "/run/netns/\(network)"
    }

    /// The descriptor to watch.
    public var number: Int32 { descriptor.number }

    /// Reads one frame into `packet`, which is empty; false when none waits.
    public borrowing func read(into packet: inout Packet) throws(SystemCallError) -> Bool {
        let place = packet.unsafeWritableBytes
        let count = systemCall { clinux_frame_read(number, place.baseAddress, place.count) }
        if count == -Errno.wouldBlock.code { return false }
        if count < 0 { throw SystemCallError("cannot read from a TAP device", Errno(-count)) }
        packet.setByteCount(Int(count))
        return true
    }

    /// Writes one frame; gives the error when it did not go.
    public borrowing func write(_ frame: borrowing Packet) -> Errno? {
        let bytes = frame.unsafeBytes
        let count = systemCall { clinux_frame_write(number, bytes.baseAddress, bytes.count) }
        return count < 0 ? Errno(-count) : nil
    }
}

/// The scheduling of the calling thread.
public enum ThreadPriority {
    /// Asks to run before all ordinary threads whenever there is something to do; false when that is not
    /// allowed.
    public static func runFirst() -> Bool { clinux_run_first() == 0 }
}
