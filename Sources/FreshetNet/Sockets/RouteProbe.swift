import CLinux

/// Finds the routers on the way to a host, without privileges: one datagram for each number of hops, to ports on which
/// nobody listens; each router on the way says where a datagram ended (IP_RECVERR, see ip(7); the method of traceroute).
///
/// All datagrams go at once, so the answer is there after one round trip, as far as the network answers at all. Who waits
/// no longer than it wants to takes what has come.
public struct RouteProbe: ~Copyable {
    /// The first of the ports: those that traceroute uses, which nobody listens on.
    public static let firstPort: UInt16 = 33_434
    /// Hops tried at most.
    public static let hopLimit = 30

    private let socket: UDPSocket
    private var answers: [SocketAddress?]
    /// Hops to the host, once it has answered itself.
    public private(set) var hopCount: Int?

    /// Asks for the first `hopCount` hops on the way to `host`, whose port does not matter.
    public init(to host: SocketAddress, hopCount: Int = 8) throws(SystemCallError) {
        let hops = min(max(1, hopCount), RouteProbe.hopLimit)
        let socket = try UDPSocket(host.family)
        let number = socket.number
        try check("cannot ask for routers") { clinux_route_report(number, host.family.code) }
        let empty = [UInt8](repeating: 0, count: 1)
        for hop in 1...hops {
            try socket.setHopLimit(hop)
            // What an earlier datagram met is reported by a later one's sending; the queue tells it all.
            let place = host.with(port: RouteProbe.firstPort + UInt16(hop))
            let refusal = socket.send(empty.span.bytes, to: place)
            if refusal != nil { _ = socket.send(empty.span.bytes, to: place) }
        }
        answers = [SocketAddress?](repeating: nil, count: hops)
        self.socket = socket
    }

    /// Reported as broken or readable when an answer has come.
    public var descriptor: Int32 { socket.number }

    /// Takes the answers that have come.
    public mutating func read() {
        // As many as were asked for, and no more: nobody can keep this busy.
        for _ in 0..<answers.count * 2 {
            var port: UInt16 = 0
            var from = clinux_address()
            let kind = Int(clinux_route_read(socket.number, &port, &from))
            if kind <= 0 { return }
            let hop = Int(port) - Int(RouteProbe.firstPort)
            guard (1...answers.count).contains(hop) else { continue }
            if kind == CLINUX_ROUTE_PASSED, from.length > 0 {
                answers[hop - 1] = SocketAddress(raw: from).with(port: 0)
            } else if kind == CLINUX_ROUTE_REACHED {
                hopCount = min(hopCount ?? hop, hop)
            }
        }
    }

    /// True when every hop up to the host has answered.
    public var isComplete: Bool {
        let hops = hopCount.map { $0 - 1 } ?? answers.count
        return answers.prefix(hops).allSatisfy { $0 != nil }
    }

    /// The routers that answered, the nearest first.
    public var routers: [SocketAddress] {
        answers.prefix(hopCount.map { $0 - 1 } ?? answers.count).compactMap { $0 }
    }
}
