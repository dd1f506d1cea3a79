internal import FreshetCore
internal import FreshetNet

/// The control socket of one path: hears reports, and speaks from the same port (RTCP is symmetric, so that a
/// translator on the way lets answers through, RFC 4961).
final class ControlPort {
    // Unchecked exclusivity: a port belongs to one stage on one thread.
    @exclusivity(unchecked) private var listening: ListeningSocket
    @exclusivity(unchecked) private var reader = DatagramReader(capacity: 8)

    init(_ listening: consuming ListeningSocket) { self.listening = listening }

    /// The descriptor to watch.
    var number: Int32 { listening.socket.number }

    /// Reads what has come, at most `limit` batches of it, and hands each whole datagram to `take` with who sent it and
    /// when it came; false when there is more.
    func read(
        limit: Int, context: inout StageContext,
        _ take: (borrowing Packet, SocketAddress, Instant, inout StageContext) -> Void
    ) -> Bool {
        for _ in 0..<limit {
            let result = reader.receive(
                listening.socket, limit: reader.capacity, pool: context.pool, now: context.now)
            guard case .success(let count) = result, count > 0 else { return true }
            while let packet = reader.next(pool: context.pool) {
                if reader.isOversized { continue }
                take(packet, reader.sender, reader.arrival(now: context.now), &context)
            }
        }
        return false
    }

    /// Sends one datagram; losses are nobody's business.
    func send(_ bytes: RawSpan, to address: SocketAddress) {
        // A refusal is that of an earlier datagram; this one was not tried.
        if listening.socket.send(bytes, to: address) == .connectionRefused {
            _ = listening.socket.send(bytes, to: address)
        }
    }

    /// Joins the group again, where there is one.
    func rejoin() { _ = listening.rejoin() }

    /// Joins again where the membership has gone.
    func confirm() { _ = listening.confirm() }
}
