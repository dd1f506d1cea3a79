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

    /// Receives a batch; how many datagrams came.
    func receive(context: inout StageContext) -> Int {
        let result = reader.receive(
            listening.socket, limit: reader.capacity, pool: context.pool, now: context.now)
        if case .success(let count) = result { return count }
        return 0
    }

    /// The next datagram of the batch that is whole; `nil` after the last.
    func next(context: inout StageContext) -> Packet? {
        while let packet = reader.next(pool: context.pool) {
            if !reader.isOversized { return packet }
        }
        return nil
    }

    /// Who sent the last datagram.
    var sender: SocketAddress { reader.sender }

    /// When the last datagram came.
    func arrival(now: Instant) -> Instant { reader.arrival(now: now) }

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
