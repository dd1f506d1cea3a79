import FreshetCore
import FreshetNet
import Testing

@Suite struct MulticastMembershipTests {
    private func sender(_ address: String = "127.0.0.1") throws -> UDPSocket {
        let socket = try UDPSocket(.ipv4)
        try socket.bind(try #require(SocketAddress(address, port: 0)), isShared: false)
        try socket.setMulticastInterface(try NetworkInterface.named("lo"))
        return socket
    }

    private func group(_ text: String, _ listener: Listener) throws -> SocketAddress {
        try #require(SocketAddress(text, port: listener.address.port))
    }

    @Test func `a joined group is heard, one that another socket joined on the same port is not`() throws {
        let mine = try Listener("0.0.0.0", isShared: true)
        let other = try Listener("0.0.0.0", port: mine.address.port, isShared: true)
        let wanted = try group("239.77.251.1", mine)
        let unwanted = try group("239.77.251.2", mine)
        #expect(mine.refusesOthers())
        var membership = MulticastMembership(group: wanted, source: nil, interfaceName: "lo")
        try membership.join(mine.socket)
        var second = MulticastMembership(group: unwanted, source: nil, interfaceName: "lo")
        try second.join(other.socket)
        #expect(membership.isJoined && membership.interfaceIndex == 1)
        let sender = try sender()
        for value: UInt8 in 0..<10 { sender.sendSurely([value], to: value % 2 == 0 ? unwanted : wanted) }
        try mine.receive(until: 5)
        #expect(mine.datagrams == [[1], [3], [5], [7], [9]])
        // The other socket takes all groups of the port: the kernel's default, which is why we ask otherwise.
        try other.receive(until: 10)
        #expect(try mine.isQuiet())
    }

    @Test func `where the kernel cannot refuse, datagrams of other groups are marked`() throws {
        let listener = try Listener("0.0.0.0", isShared: true)
        let wanted = try group("239.77.251.3", listener)
        let unwanted = try group("239.77.251.4", listener)
        listener.socket.reportDestination()
        listener.reader.expect(wanted, interfaceIndex: 0)
        for address in [wanted, unwanted] {
            var membership = MulticastMembership(group: address, source: nil, interfaceName: "lo")
            try membership.join(listener.socket)
        }
        let sender = try sender()
        sender.sendSurely([1], to: unwanted)
        try listener.receive(until: 1)
        #expect(listener.wasForOthers)
        sender.sendSurely([2], to: wanted)
        try listener.receive(until: 2)
        #expect(!listener.wasForOthers)
    }

    @Test func `a membership without one source hears all others`() throws {
        let listener = try Listener("239.77.251.6", isShared: true)
        let blocked = try #require(SocketAddress("127.0.0.2", port: 0))
        var membership = MulticastMembership(
            group: listener.address, source: nil, except: blocked, interfaceName: "lo")
        try membership.join(listener.socket)
        let unwanted = try UDPSocket(.ipv4)
        // The address that the socket is bound to names the interface: no other option does here.
        try unwanted.bind(blocked, isShared: false)
        let wanted = try sender()
        unwanted.sendSurely([1], to: listener.address)
        wanted.sendSurely([2], to: listener.address)
        try listener.receive(until: 1)
        #expect(listener.datagrams == [[2]])
        // Joined anew, it is still so.
        let isBack = membership.rejoin(listener.socket)
        #expect(isBack)
        unwanted.sendSurely([3], to: listener.address)
        wanted.sendSurely([4], to: listener.address)
        try listener.receive(until: 2)
        #expect(listener.datagrams == [[2], [4]])
    }

    @Test func `a source-specific membership hears its source alone`() throws {
        let listener = try Listener("232.77.251.5", isShared: true)
        let source = try #require(SocketAddress("127.0.0.2", port: 0))
        var membership = MulticastMembership(group: listener.address, source: source, interfaceName: "lo")
        try membership.join(listener.socket)
        let right = try sender("127.0.0.2")
        let wrong = try sender("127.0.0.1")
        for value: UInt8 in 0..<6 {
            if value % 2 == 0 {
                wrong.sendSurely([value], to: listener.address)
            } else {
                right.sendSurely([value], to: listener.address)
            }
        }
        try listener.receive(until: 3)
        #expect(listener.datagrams == [[1], [3], [5]])
        let address = right.localAddress
        #expect(listener.lastSender == address)
    }

    @Test func `what is sent between leaving and joining again is not heard`() throws {
        let listener = try Listener("239.77.251.6", isShared: true)
        #expect(listener.refusesOthers())
        var membership = MulticastMembership(group: listener.address, source: nil, interfaceName: "lo")
        try membership.join(listener.socket)
        let sender = try sender()
        sender.sendSurely([1], to: listener.address)
        membership.leave(listener.socket)
        #expect(!membership.isJoined)
        sender.sendSurely([2], to: listener.address)
        // Joined twice over is joined once.
        let isBack = (membership.rejoin(listener.socket), membership.rejoin(listener.socket))
        #expect(isBack.0 && isBack.1)
        sender.sendSurely([3], to: listener.address)
        try listener.receive(until: 2)
        #expect(listener.datagrams == [[1], [3]])
    }

    @Test(arguments: ["239.77.251.8", "232.77.251.8"])
    func `a membership that stands is confirmed, one that has gone is taken up again`(group: String) throws {
        let listener = try Listener(group, isShared: true)
        #expect(listener.refusesOthers())
        let source = group.hasPrefix("232") ? SocketAddress("127.0.0.1", port: 0) : nil
        var membership = MulticastMembership(
            group: listener.address, source: source, interfaceName: "lo")
        try membership.join(listener.socket)
        let sender = try sender()
        #expect(membership.confirm(listener.socket) && membership.isJoined)
        sender.sendSurely([1], to: listener.address)
        membership.leave(listener.socket)
        sender.sendSurely([2], to: listener.address)
        #expect(membership.confirm(listener.socket) && membership.isJoined)
        sender.sendSurely([3], to: listener.address)
        try listener.receive(until: 2)
        #expect(listener.datagrams == [[1], [3]])
    }

    @Test func `an interface that is not there is told by name`() throws {
        let listener = try Listener("239.77.251.7", isShared: true)
        var membership = MulticastMembership(group: listener.address, source: nil, interfaceName: "nosuch0")
        let error = #expect(throws: SystemCallError.self) { try membership.join(listener.socket) }
        #expect(
            error?.message.hasPrefix("there is no network interface 'nosuch0'; this host has: lo") == true)
        let isBack = membership.rejoin(listener.socket)
        #expect(!isBack && !membership.isJoined)
    }

    @Test func `an address that is no group cannot be joined`() throws {
        let listener = try Listener()
        var membership = MulticastMembership(group: listener.address, source: nil, interfaceName: "lo")
        let error = #expect(throws: SystemCallError.self) { try membership.join(listener.socket) }
        #expect(error?.message == "cannot join 127.0.0.1 on lo: Invalid argument")
    }
}
