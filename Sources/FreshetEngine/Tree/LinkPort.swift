internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// The one UDP socket of a tree's member: RTP, RTCP and link messages of all its neighbours.
final class LinkPort {
    // Unchecked exclusivity: belongs to one stage on one thread.
    let socket: UDPSocket
    @exclusivity(unchecked) var reader = DatagramReader(capacity: 32)
    /// The socket's own address.
    let address: SocketAddress

    /// Bytes of receive and send buffer asked for.
    static let bufferByteCount = 4 << 20

    /// Listens at `address`; port 0 for any.
    init(_ address: SocketAddress) throws(SystemCallError) {
        let socket = try UDPSocket(address.family)
        _ = socket.setReceiveBuffer(LinkPort.bufferByteCount)
        _ = socket.setSendBuffer(LinkPort.bufferByteCount)
        try socket.bind(address, isShared: false)
        socket.reportTimestamps()
        socket.reportOverflow()
        _ = socket.coalesceArrivals()
        self.address = socket.localAddress ?? address
        self.socket = socket
    }

    /// The descriptor to watch.
    var number: Int32 { socket.number }

    /// Sends one datagram. An error that an earlier one brought back is no reason not to.
    @inline(__always)
    func send(_ bytes: RawSpan, to address: SocketAddress) -> Errno? {
        let failure = socket.send(bytes, to: address)
        return failure == .connectionRefused ? socket.send(bytes, to: address) : failure
    }

    /// Receives a batch; gives how many messages came.
    func receive(limit: Int, pool: PacketPool, now: Instant) -> Int {
        switch reader.receive(socket, limit: limit, pool: pool, now: now) {
        case .success(let count): count
        case .failure(.connectionRefused): -1
        case .failure: 0
        }
    }
}

extension SocketAddress {
    /// The address as the tree's messages have it.
    var peerAddress: PeerAddress {
        let words = mapped
        return PeerAddress(high: words.high, low: words.low, port: port)
    }

    /// The address of a tree's message as a socket has it.
    init(_ address: PeerAddress) {
        self.init(mapped: address.high, address.low, port: address.port)
    }
}
