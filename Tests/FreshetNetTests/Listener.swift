import FreshetCore
import FreshetNet
import Testing

struct NotInTime: Error {}

/// A socket on the loopback with a reader, and the packets it has given.
final class Listener {
    // In this order: packets go home before their pool goes.
    var reader: DatagramReader
    var kept: PacketBatch
    let socket: UDPSocket
    let address: SocketAddress
    let pool: PacketPool
    /// Messages that system calls gave; joined pieces count once.
    var messageCount = 0

    init(
        _ text: String = "127.0.0.1", port: UInt16 = 0, isShared: Bool = false, slotCount: Int = 1024,
        slotByteCount: Int = 2048, capacity: Int = 64
    ) throws {
        reader = DatagramReader(capacity: capacity)
        kept = PacketBatch(capacity: 1024)
        let asked = try #require(SocketAddress(text, port: port))
        socket = try UDPSocket(asked.family)
        _ = socket.setReceiveBuffer(4 << 20)
        try socket.bind(asked, isShared: isShared)
        guard let bound = socket.localAddress else { throw NotInTime() }
        address = bound
        pool = PacketPool(slotCount: slotCount, slotByteCount: slotByteCount)
    }

    /// Waits until the socket can be read; throws after five seconds.
    func waitUntilReadable() throws {
        var poller = try Poller()
        try poller.add(socket.number, tag: 0)
        guard try poller.wait(until: MonotonicClock.now + .seconds(5)) == 1 else { throw NotInTime() }
    }

    /// One system call of at most `limit` messages; keeps all their datagrams and gives how many.
    @discardableResult
    func receive(limit: Int = 64) throws -> Int {
        let before = kept.count
        messageCount += try reader.receive(socket, limit: limit, pool: pool, now: MonotonicClock.now).get()
        while let packet = reader.next(pool: pool) { kept.append(packet) }
        return kept.count - before
    }

    /// Receives until `count` datagrams are kept.
    func receive(until count: Int, limit: Int = 64) throws {
        while kept.count < count {
            if try receive(limit: limit) == 0 { try waitUntilReadable() }
        }
    }

    /// True when nothing waits in the socket.
    func isQuiet() throws -> Bool {
        var poller = try Poller()
        try poller.add(socket.number, tag: 0)
        return try poller.wait(until: .zero) == 0
    }

    /// Asks for joined pieces; false when the kernel has none.
    func joins() -> Bool { socket.coalesceArrivals() }
    /// Asks for this socket's own groups only.
    func refusesOthers() -> Bool { socket.receiveOnlyJoinedGroups() }
    /// Who sent the last datagram.
    var lastSender: SocketAddress { reader.sender }
    /// True when the last datagram was sent to another group.
    var wasForOthers: Bool { reader.isForOthers }

    /// The bytes of what was kept.
    var datagrams: [[UInt8]] { (0..<kept.count).map { Array(kept[$0].unsafeBytes) } }
}

/// A datagram that no other of the test equals.
func datagram(_ index: Int, byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { offset in
        offset < 4
            ? UInt8(truncatingIfNeeded: index >> (8 * (3 - offset)))
            : UInt8(truncatingIfNeeded: index &* 31 &+ offset)
    }
}

extension UDPSocket {
    /// Sends `bytes` to `address`, which must work.
    func sendSurely(_ bytes: [UInt8], to address: SocketAddress) {
        let error = send(bytes.span.bytes, to: address)
        #expect(error == nil)
    }
}

/// Loads `packets` and sends them; gives how many were taken, or `nil` when the kernel had no room.
func send(_ packets: borrowing PacketBatch, by fanOut: inout DatagramFanOut) -> Int? {
    let count = fanOut.load(packets)
    return fanOut.send() == .done ? count : nil
}

/// Packets of `datagrams`, each with `headerByteCount` bytes of header in front.
func batch(_ datagrams: [[UInt8]], headerByteCount: Int = 0, from pool: PacketPool) throws -> PacketBatch {
    var batch = PacketBatch(capacity: max(1, datagrams.count))
    for bytes in datagrams {
        guard var packet = pool.allocate() else { throw NotInTime() }
        packet.append(bytes.span.bytes)
        packet.info.headerByteCount = UInt16(headerByteCount)
        batch.append(packet)
    }
    return batch
}
