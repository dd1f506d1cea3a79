import FreshetCore
import FreshetNet
import Testing

@Suite struct UDPSocketTests {
    @Test func `a port that is taken is told with what to do`() throws {
        let first = try Listener()
        let second = try UDPSocket(.ipv4)
        let error = #expect(throws: SystemCallError.self) { try second.bind(first.address, isShared: false) }
        #expect(error?.errno == .addressInUse)
        #expect(
            error?.message
                == "cannot listen on \(first.address): Address already in use; another program has port "
                + "\(first.address.port); choose another")
    }

    @Test func `an address of another host is told as such`() throws {
        let socket = try UDPSocket(.ipv4)
        let address = try #require(SocketAddress("203.0.113.7", port: 5004))
        let error = #expect(throws: SystemCallError.self) { try socket.bind(address, isShared: false) }
        #expect(error?.errno == .addressNotAvailable)
        #expect(error?.message.hasSuffix("an address must be this host's own, a group, or 0.0.0.0") == true)
    }

    @Test func `two listeners may share a group's port and both get each datagram`() throws {
        let group = "239.77.250.1"
        let first = try Listener(group, isShared: true)
        let second = try Listener(group, port: first.address.port, isShared: true)
        for listener in [first, second] {
            var membership = MulticastMembership(group: first.address, source: nil, interfaceName: "lo")
            try membership.join(listener.socket)
        }
        let sender = try UDPSocket(.ipv4)
        try sender.setMulticastInterface(try NetworkInterface.named("lo"))
        sender.sendSurely([1, 2, 3], to: first.address)
        try first.receive(until: 1)
        try second.receive(until: 1)
        #expect(first.datagrams == [[1, 2, 3]] && second.datagrams == [[1, 2, 3]])
    }

    @Test func `buffers say what the system gave`() throws {
        let socket = try UDPSocket(.ipv4)
        let given = (socket.setReceiveBuffer(200_000), socket.setSendBuffer(200_000))
        #expect(given.0 >= 100_000 && given.1 >= 100_000)
    }

    @Test func `options out of range are told`() throws {
        let socket = try UDPSocket(.ipv4)
        try socket.setHopLimit(0)
        try socket.setHopLimit(255)
        try socket.setDSCP(46)
        let error = #expect(throws: SystemCallError.self) { try socket.setHopLimit(256) }
        #expect(error?.message == "cannot set the TTL to 256: Invalid argument")
    }

    @Test func `IPv6 carries datagrams too, and leaves the IPv4 port alone`() throws {
        let listener = try Listener("::1")
        let neighbour = try UDPSocket(.ipv4)
        try neighbour.bind(.any(.ipv4, port: listener.address.port), isShared: false)
        let sender = try UDPSocket(.ipv6)
        sender.sendSurely([6], to: listener.address)
        try listener.receive(until: 1)
        #expect(listener.datagrams == [[6]])
        #expect(listener.lastSender.host == "::1")
    }
}
