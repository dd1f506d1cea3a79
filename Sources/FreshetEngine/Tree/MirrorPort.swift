internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// A UDP port of the coordinator that tells members where they are when seen from outside. See ``PlaceMirror``.
final class MirrorPort {
    private let socket: UDPSocket
    private var reader = DatagramReader(capacity: 32)
    private let pool = PacketPool(slotCount: 64)
    private let mirror: PlaceMirror
    private let answer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: LinkMessage.byteCountLimit, alignment: 8)
    /// The port.
    let port: UInt16

    /// Datagrams answered before others have their turn.
    private static let datagramsPerTurn = 256

    /// Mirrors of a coordinator that listens at `address`: at the two ports behind its own where those are free, or else
    /// anywhere. None where the system gives none.
    static func open(behind address: SocketAddress, key: SipKey) -> [MirrorPort] {
        (0..<2).compactMap { index in
            let wanted = Int(address.port) + 1 + index
            let mirror = PlaceMirror(index, key: key)
            let free = wanted <= UInt16.max ? UInt16(wanted) : 0
            return (try? MirrorPort(address.with(port: free), mirror))
                ?? (try? MirrorPort(address.with(port: 0), mirror))
        }
    }

    private init(_ address: SocketAddress, _ mirror: PlaceMirror) throws(SystemCallError) {
        let socket = try UDPSocket(address.family)
        try socket.bind(address, isShared: false)
        // When a packet of a train came is the kernel's to say.
        socket.reportTimestamps()
        port = socket.localAddress?.port ?? 0
        self.mirror = mirror
        self.socket = socket
    }

    deinit { answer.deallocate() }

    /// The descriptor to watch.
    var number: Int32 { socket.number }

    /// Answers what has come.
    func read(now: Instant) {
        var left = MirrorPort.datagramsPerTurn
        while left > 0 {
            if reader.isDrained {
                switch reader.receive(socket, limit: reader.capacity, pool: pool, now: now) {
                case .success(0): return
                case .success: break
                case .failure(.connectionRefused): left -= 1
                case .failure: return
                }
            }
            while let packet = reader.next(pool: pool) {
                left -= 1
                answer(packet, reader.sender, reader.arrival(now: now))
            }
        }
    }

    private func answer(_ packet: borrowing Packet, _ sender: SocketAddress, _ arrival: Instant) {
        var bytes = MutableRawSpan(_unsafeBytes: answer)
        let count = mirror.answer(packet.bytes, from: sender.peerAddress, arrival: arrival, into: &bytes)
        if count == 0 { return }
        let message = UnsafeRawBufferPointer(rebasing: answer[..<count])
        // What the socket has no room for now is asked for again.
        _ = socket.send(RawSpan(_unsafeBytes: message), to: sender)
    }
}
