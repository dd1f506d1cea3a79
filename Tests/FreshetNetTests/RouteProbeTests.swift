import FreshetCore
import FreshetNet
import Testing

/// One after the other: they use the same ports.
@Suite(.serialized) struct RouteProbeTests {
    private struct NotInTime: Error {}

    private func finished(_ host: String) throws -> (hopCount: Int?, routers: [SocketAddress]) {
        let address = try #require(SocketAddress(host, port: 9))
        var probe = try RouteProbe(to: address, hopCount: 4)
        let end = MonotonicClock.now + .seconds(5)
        while !probe.isComplete || probe.hopCount == nil {
            probe.read()
            if MonotonicClock.now > end { throw NotInTime() }
        }
        return (probe.hopCount, probe.routers)
    }

    @Test(arguments: ["127.0.0.1", "::1"]) func `this host is one hop away, with no router between`(
        host: String
    )
        throws
    {
        let found = try finished(host)
        #expect(found.hopCount == 1 && found.routers.isEmpty)
    }

    @Test func `a host that does not answer leaves the list empty, and nothing waits for it`() throws {
        // Somebody listens at each port, so nobody says that the datagrams ended there.
        var listeners: [Listener] = []
        for hop in 1...3 {
            listeners.append(try Listener(port: RouteProbe.firstPort + UInt16(hop)))
        }
        let address = try #require(SocketAddress("127.0.0.1", port: 9))
        var probe = try RouteProbe(to: address, hopCount: 3)
        probe.read()
        #expect(probe.hopCount == nil && probe.routers.isEmpty && !probe.isComplete)
    }

    /// A socket that takes what comes and says nothing.
    private final class Listener {
        let socket: UDPSocket

        init(port: UInt16) throws {
            socket = try UDPSocket(.ipv4)
            try socket.bind(.any(.ipv4, port: port), isShared: false)
        }
    }
}
