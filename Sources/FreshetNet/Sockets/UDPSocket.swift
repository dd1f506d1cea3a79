import CLinux

/// A UDP socket that never blocks.
public struct UDPSocket: ~Copyable {
    private let descriptor: Descriptor
    /// IPv4 or IPv6.
    public let family: SocketAddress.Family

    /// A socket bound to nothing.
    public init(_ family: SocketAddress.Family) throws(SystemCallError) {
        self.family = family
        descriptor = Descriptor(
            taking: try check("cannot open a UDP socket") { clinux_udp_socket(family.code) })
        // An IPv6 socket takes IPv6 only: the same port over IPv4 is another stream's.
        if family == .ipv6 { _ = clinux_only_ipv6(descriptor.number) }
    }

    /// The descriptor to watch.
    public var number: Int32 { descriptor.number }

    /// Receives at `address`. `isShared` lets several programs receive the same group; a port that is
    /// listened on for itself is not shared, so that a second listener is told.
    public borrowing func bind(_ address: SocketAddress, isShared: Bool) throws(SystemCallError) {
        if isShared { try check("cannot share port \(address.port)") { clinux_share_port(number) } }
        var raw = address.raw
        let result = systemCall { clinux_bind(number, &raw) }
        if result >= 0 { return }
        let errno = Errno(-result)
        if errno == .addressInUse {
            throw SystemCallError(
                "cannot listen on \(address)", errno,
                hint: "another program has port \(address.port); choose another")
        }
        if errno == .addressNotAvailable {
            throw SystemCallError(
                "cannot listen on \(address)", errno,
                hint: "as a source an address must be this host's own, a group, or 0.0.0.0")
        }
        throw SystemCallError("cannot listen on \(address)", errno)
    }

    /// Sends to `address` unless told otherwise, which spares the kernel a route look-up per datagram; errors
    /// that come back from there are then reported by sends.
    public borrowing func connect(_ address: SocketAddress) throws(SystemCallError) {
        var raw = address.raw
        try check("cannot send to \(address)") { clinux_connect(number, &raw) }
    }

    /// The address that the socket has now.
    public var localAddress: SocketAddress? {
        var raw = clinux_address()
        return clinux_local_address(number, &raw) == 0 ? SocketAddress(raw: raw) : nil
    }

    /// Asks for a receive buffer of `byteCount` bytes and gives what it is now: less when the system caps it
    /// (net.core.rmem_max) and the process may not pass the cap.
    public borrowing func setReceiveBuffer(_ byteCount: Int) -> Int {
        _ = clinux_receive_buffer(number, Int32(clamping: byteCount))
        return Int(clinux_receive_buffer_size(number))
    }

    /// Asks for a send buffer of `byteCount` bytes and gives what it is now; see ``setReceiveBuffer(_:)``.
    public borrowing func setSendBuffer(_ byteCount: Int) -> Int {
        _ = clinux_send_buffer(number, Int32(clamping: byteCount))
        return Int(clinux_send_buffer_size(number))
    }

    /// How many routers a datagram may pass: TTL or hop limit, 0 to 255, for both unicast and multicast.
    public borrowing func setHopLimit(_ limit: Int) throws(SystemCallError) {
        try check("cannot set the TTL to \(limit)") { clinux_hop_limit(number, family.code, 1, Int32(limit)) }
        if limit > 0 {
            try check("cannot set the TTL to \(limit)") {
                clinux_hop_limit(number, family.code, 0, Int32(limit))
            }
        }
    }

    /// Whether receivers on this host get what is sent to a group.
    public borrowing func setMulticastLoop(_ isOn: Bool) throws(SystemCallError) {
        try check("cannot set multicast loopback") {
            clinux_multicast_loop(number, family.code, isOn ? 1 : 0)
        }
    }

    /// The interface that datagrams to groups leave by. They carry its own address, so that receivers can
    /// name it as the one source they want (SSM) whatever routes this host has.
    public borrowing func setMulticastInterface(_ interface: NetworkInterface) throws(SystemCallError) {
        let what = "cannot send by interface \(interface.name)"
        guard family == .ipv4, var source = interface.ipv4Address?.raw else {
            try check(what) { clinux_multicast_interface(number, family.code, interface.index, nil) }
            return
        }
        try check(what) { clinux_multicast_interface(number, family.code, interface.index, &source) }
    }

    /// The differentiated services code point of what is sent, 0 to 63 (RFC 2474).
    public borrowing func setDSCP(_ codePoint: Int) throws(SystemCallError) {
        try check("cannot set DSCP \(codePoint)") {
            clinux_traffic_class(number, family.code, Int32(codePoint) << 2)
        }
    }

    /// Allows sending to broadcast addresses.
    public borrowing func allowBroadcast() throws(SystemCallError) {
        try check("cannot allow broadcast") { clinux_allow_broadcast(number) }
    }

    /// Only datagrams of groups that this socket itself joined, on the interfaces it joined them on; false
    /// when the kernel cannot do that, and the destination must be looked at (``reportDestination()``).
    public borrowing func receiveOnlyJoinedGroups() -> Bool {
        clinux_only_joined_groups(number, family.code) == 0
    }

    /// Arrivals tell when the kernel got them.
    public borrowing func reportTimestamps() { _ = clinux_report_timestamps(number) }
    /// Arrivals tell how many datagrams the kernel had no room for.
    public borrowing func reportOverflow() { _ = clinux_report_overflow(number) }
    /// Arrivals tell the address they were sent to, and the interface.
    public borrowing func reportDestination() { _ = clinux_report_destination(number, family.code) }
    /// The kernel may hand over several equal datagrams of one sender in one piece (UDP_GRO); false when it
    /// cannot.
    public borrowing func coalesceArrivals() -> Bool { clinux_coalesce_receive(number) == 0 }

    /// Sends one datagram to `address`, or where the socket is connected when it is `nil`: for rare messages.
    public borrowing func send(_ bytes: RawSpan, to address: SocketAddress?) -> Errno? {
        UDPSocket.send(bytes, to: address, by: number)
    }

    static func send(_ bytes: RawSpan, to address: SocketAddress?, by number: Int32) -> Errno? {
        let result = bytes.withUnsafeBytes { buffer in
            guard var raw = address?.raw else {
                return systemCall { clinux_send_one(number, nil, buffer.baseAddress, buffer.count) }
            }
            return systemCall { clinux_send_one(number, &raw, buffer.baseAddress, buffer.count) }
        }
        return result < 0 ? Errno(-result) : nil
    }
}
