import CLinux

/// A network interface of this host, as it is when asked for.
public struct NetworkInterface: Sendable {
    /// Its name, such as `eth0`.
    public let name: String
    /// The kernel's number for it; an interface that goes and comes back has a new one.
    public let index: UInt32
    /// It is switched on.
    public let isUp: Bool
    /// It leads to this host only.
    public let isLoopback: Bool
    /// It says that it carries multicast. Loopback does, and says that it does not.
    public let isMulticast: Bool
    /// Its addresses, port 0.
    public internal(set) var addresses: [SocketAddress]
    /// The broadcast addresses of its networks, port 0.
    public internal(set) var broadcastAddresses: [SocketAddress]

    /// Its first IPv4 address.
    public var ipv4Address: SocketAddress? { address(of: .ipv4) }

    /// Its first address of `family`.
    public func address(of family: SocketAddress.Family) -> SocketAddress? {
        addresses.first { $0.family == family }
    }

    /// All interfaces, in the kernel's order.
    public static func list() throws(SystemCallError) -> [NetworkInterface] {
        var entries = [clinux_interface](repeating: clinux_interface(), count: 256)
        let count = try check("cannot list the network interfaces") {
            clinux_interfaces(&entries, Int32(entries.count))
        }
        var interfaces: [NetworkInterface] = []
        for entry in entries.prefix(Int(count)) {
            let place = interfaces.firstIndex { $0.index == entry.index }
            if place == nil { interfaces.append(NetworkInterface(entry)) }
            let last = place ?? interfaces.count - 1
            if entry.address.length > 0 {
                interfaces[last].addresses.append(SocketAddress(raw: entry.address).with(port: 0))
            }
            if entry.broadcast.length > 0 {
                interfaces[last].broadcastAddresses.append(SocketAddress(raw: entry.broadcast).with(port: 0))
            }
        }
        return interfaces
    }

    private init(_ entry: clinux_interface) {
        name = withUnsafeBytes(of: entry.name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        index = entry.index
        isUp = entry.flags & UInt32(CLINUX_INTERFACE_UP) != 0
        isLoopback = entry.flags & UInt32(CLINUX_INTERFACE_LOOPBACK) != 0
        isMulticast = entry.flags & UInt32(CLINUX_INTERFACE_MULTICAST) != 0
        addresses = []
        broadcastAddresses = []
    }

    /// The interface called `text`, or that has the address `text`.
    public static func named(_ text: String) throws(SystemCallError) -> NetworkInterface {
        let all = try list()
        if let found = all.first(where: { $0.name == text }) { return found }
        // The zone of a link-local address is an interface's name, so this must not look for one again.
        if !text.contains("%"), let address = SocketAddress(text, port: 0) {
            let found = all.first { $0.addresses.contains { $0.isSameHost(as: address) } }
            if let found { return found }
        }
        let names = all.map(\.name).joined(separator: ", ")
        throw SystemCallError(
            message:
                "there is no network interface '\(text)'; this host has: \(names.isEmpty ? "none" : names)",
            errno: .noDevice)
    }

    /// The interface by which the kernel sends to `address` where nobody names one; `nil` when it knows no way there, or no
    /// one interface has the address that it would send from.
    public static func sending(to address: SocketAddress) -> NetworkInterface? {
        do throws(SystemCallError) {
            let socket = try UDPSocket(address.family)
            try socket.connect(address)
            guard let own = socket.localAddress else { return nil }
            let owners = try list().filter { $0.addresses.contains { $0.isSameHost(as: own) } }
            return owners.count == 1 ? owners[0] : nil
        } catch { return nil }
    }

    /// The interface's IPv4 address where no other interface has it too, so that it names the interface; `nil` where it
    /// does not, or there is none.
    public var identifyingAddress: SocketAddress? {
        guard let address = ipv4Address, let all = try? NetworkInterface.list() else { return nil }
        let owners = all.filter { $0.addresses.contains { $0.isSameHost(as: address) } }
        return owners.count == 1 ? address : nil
    }

    /// True when `address` is the broadcast address of one of this host's networks, or 255.255.255.255.
    public static func isBroadcast(_ address: SocketAddress) -> Bool {
        if address.isLimitedBroadcast { return true }
        guard address.family == .ipv4, let all = try? list() else { return false }
        return all.contains { $0.broadcastAddresses.contains { $0.isSameHost(as: address) } }
    }
}
