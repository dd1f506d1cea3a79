import FreshetNet
import Testing

@Suite struct NetworkInterfaceTests {
    @Test func `the loopback is found by name and by address`() throws {
        let loopback = try NetworkInterface.named("lo")
        #expect(loopback.isLoopback && loopback.isUp && loopback.index == 1)
        #expect(loopback.ipv4Address?.host == "127.0.0.1")
        #expect(try NetworkInterface.named("127.0.0.1").name == "lo")
    }

    @Test func `each interface is listed once with all its addresses`() throws {
        let all = try NetworkInterface.list()
        #expect(Set(all.map(\.index)).count == all.count)
        #expect(Set(all.map(\.name)).count == all.count)
        #expect(all.allSatisfy { $0.addresses.allSatisfy { $0.port == 0 } })
    }

    @Test func `the way to an address is the interface whose address the kernel would send from`() throws {
        #expect(NetworkInterface.sending(to: try #require(SocketAddress("127.0.0.1", port: 9)))?.name == "lo")
        #expect(NetworkInterface.sending(to: try #require(SocketAddress("::1", port: 9)))?.name == "lo")
    }

    @Test(arguments: ["nosuch0", "203.0.113.9", ""])
    func `one that is not there is told with those that are`(name: String) throws {
        let error = #expect(throws: SystemCallError.self) { try NetworkInterface.named(name) }
        #expect(error?.errno == .noDevice)
        #expect(
            error?.message.hasPrefix("there is no network interface '\(name)'; this host has: lo") == true)
    }

    @Test func `broadcast addresses are known`() throws {
        func isBroadcast(_ text: String) throws -> Bool {
            NetworkInterface.isBroadcast(try #require(SocketAddress(text, port: 9)))
        }
        #expect(try isBroadcast("255.255.255.255"))
        #expect(try !isBroadcast("127.0.0.1"))
        #expect(try !isBroadcast("239.255.255.255"))
        #expect(try !isBroadcast("::1"))
        for address in try NetworkInterface.list().flatMap(\.broadcastAddresses) {
            #expect(NetworkInterface.isBroadcast(address.with(port: 9)))
        }
    }
}
