internal import FreshetCore
internal import FreshetNet

/// A bound socket, and its membership when it listens to a group.
struct ListeningSocket: ~Copyable {
    let socket: UDPSocket
    private var membership: MulticastMembership?
    /// Bytes of receive buffer that the system gave.
    let bufferByteCount: Int
    /// The socket cannot refuse other groups itself: the destination of each datagram must be looked at.
    let mustCheckDestination: Bool

    /// Listens at `address`, a port of `url`, and joins it when it is a group.
    init(_ address: SocketAddress, of url: StreamURL, _ options: ReceiveOptions) throws(SystemCallError) {
        try self.init(
            address, interface: url.interface ?? options.interface, source: url.source ?? options.source,
            bufferByteCount: options.bufferByteCount)
    }

    /// Listens at `address`, and joins it on `interface` when it is a group: of any source (but for the one
    /// excepted), or of `source`.
    init(
        _ address: SocketAddress, interface: String?, source: SocketAddress?,
        except blockedSource: SocketAddress? = nil, bufferByteCount wanted: Int
    ) throws(SystemCallError) {
        let isGroup = address.isMulticast
        let socket = try UDPSocket(address.family)
        let byteCount = socket.setReceiveBuffer(wanted)
        // A group's port may be shared by several programs of one host; an address of our own is ours alone.
        try socket.bind(address, isShared: isGroup)
        let mustCheck = isGroup && !socket.receiveOnlyJoinedGroups()
        var joining: MulticastMembership?
        if isGroup {
            let name = try ListeningSocket.interfaceName(interface)
            joining = MulticastMembership(
                group: address, source: source, except: blockedSource, interfaceName: name)
            try joining?.join(socket)
        }
        if mustCheck { socket.reportDestination() }
        socket.reportTimestamps()
        socket.reportOverflow()
        _ = socket.coalesceArrivals()
        self.socket = socket
        membership = joining
        bufferByteCount = byteCount
        mustCheckDestination = mustCheck
    }

    /// A socket bound to any port, for control that is spoken from here and answered to here.
    init(speaking socket: consuming UDPSocket) throws(SystemCallError) {
        try socket.bind(.any(socket.family, port: 0), isShared: false)
        socket.reportTimestamps()
        bufferByteCount = 0
        mustCheckDestination = false
        membership = nil
        self.socket = socket
    }

    /// The name of the interface to listen on, so that it is found again when it comes back.
    private static func interfaceName(_ text: String?) throws(SystemCallError) -> String? {
        guard let text else { return nil }
        return try NetworkInterface.named(text).name
    }

    /// Joins again; false when the interface is not there now. True too where there is no group.
    mutating func rejoin() -> Bool {
        guard var joining = membership else { return true }
        let isJoined = joining.rejoin(socket)
        membership = joining
        return isJoined
    }

    /// Joins again where the membership went with its interface; false when that is not there now.
    mutating func confirm() -> Bool {
        guard var joining = membership else { return true }
        let isJoined = joining.confirm(socket)
        membership = joining
        return isJoined
    }

    /// The interface joined on; 0 for the system's choice.
    var interfaceIndex: UInt32 { membership?.interfaceIndex ?? 0 }
}
