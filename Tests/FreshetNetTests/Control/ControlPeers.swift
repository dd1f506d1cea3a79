import FreshetCore
import FreshetNet
import Testing

/// A server and clients on the loopback, waited for by their descriptors.
struct ControlPeers {
    struct TooLate: Error {}
    let directory: String
    let certificate: ControlCertificate

    init(_ directory: String) throws {
        self.directory = directory
        certificate = try ControlCertificate.kept(in: directory)
    }

    func server(port: UInt16 = 0, limits: ControlServerLimits = .init()) throws -> ControlServer {
        let address = try #require(SocketAddress("127.0.0.1", port: port))
        return try ControlServer(listen: address, certificate: certificate, limits: limits)
    }

    func client(of server: ControlServer, seed: UInt64 = 1) throws -> ControlClient {
        try ControlClient(url(of: server), seed: seed)
    }

    func url(of server: ControlServer) -> ControlURL {
        ControlURL(host: "127.0.0.1", port: UInt16(server.port), name: "show", pin: certificate.pin)
    }

    /// What `next` gives, waited for by `descriptor`, within ten seconds.
    static func wait<Event>(for descriptor: Int32, _ next: () -> Event?) throws -> Event {
        let deadline = MonotonicClock.now + .seconds(10)
        var poller = try Poller()
        try poller.add(descriptor, tag: 1)
        while true {
            if let event = next() { return event }
            if MonotonicClock.now > deadline { throw TooLate() }
            _ = try poller.wait(until: deadline)
        }
    }
}

extension ControlClient {
    /// The next event, within ten seconds.
    func wait() throws -> ControlEvent {
        try ControlPeers.wait(for: descriptor, next)
    }
}

extension ControlServer {
    /// The next event, within ten seconds.
    func wait() throws -> ControlServerEvent {
        try ControlPeers.wait(for: descriptor, next)
    }

    /// The number of the connection that opens next.
    func waitForOpened() throws -> UInt32 {
        guard case .opened(let number, _) = try wait() else { throw ControlPeers.TooLate() }
        return number
    }
}
