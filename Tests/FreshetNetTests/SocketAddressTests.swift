import FreshetNet
import Testing

@Suite struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:5004"), ("239.77.1.1", "239.77.1.1:5004"), ("ff15::7", "[ff15::7]:5004"),
        ("FF15:0:0::0007", "[ff15::7]:5004"), ("::1", "[::1]:5004"),
    ])
    func `addresses in numbers are read and printed`(text: String, description: String) throws {
        let address = try #require(SocketAddress(text, port: 5004))
        #expect(address.description == description)
        #expect(address.port == 5004)
        #expect(SocketAddress(address.host, port: 5004) == address)
    }

    @Test(arguments: [
        "", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", ":::", "127.0.0.1%lo", "fe80::1%nosuch0",
    ])
    func `what is no address is refused`(text: String) {
        #expect(SocketAddress(text, port: 1) == nil)
    }

    @Test func `a link-local address keeps its interface`() throws {
        let byName = try #require(SocketAddress("fe80::1%lo", port: 7))
        let byNumber = try #require(SocketAddress("fe80::1%1", port: 7))
        #expect(byName == byNumber && byName.scope == 1)
        #expect(byName != SocketAddress("fe80::1", port: 7))
    }

    @Test func `groups are told from other addresses`() throws {
        func address(_ text: String) throws -> SocketAddress { try #require(SocketAddress(text, port: 0)) }
        for text in ["224.0.0.1", "239.255.255.255", "ff02::1", "232.1.1.1"] {
            #expect(try address(text).isMulticast)
        }
        for text in ["223.255.255.255", "240.0.0.1", "fe80::1", "10.0.0.1"] {
            #expect(try !address(text).isMulticast)
        }
        for text in ["232.0.0.1", "ff35::1", "ff3e::8000:1"] { #expect(try address(text).isSourceSpecific) }
        for text in ["231.1.1.1", "233.1.1.1", "ff15::1", "3f3e::1"] {
            #expect(try !address(text).isSourceSpecific)
        }
    }

    @Test func `hosts are compared without the port`() throws {
        let a = try #require(SocketAddress("192.0.2.1", port: 1))
        #expect(a.isSameHost(as: a.with(port: 65_535)) && a != a.with(port: 2))
        #expect(a.with(port: 0x1234).port == 0x1234)
        #expect(try !a.isSameHost(as: #require(SocketAddress("192.0.2.2", port: 1))))
        #expect(
            SocketAddress.any(.ipv4, port: 3).isAny && SocketAddress.any(.ipv6, port: 3).isAny && !a.isAny)
        #expect(a.ipBytes == [192, 0, 2, 1])
        #expect(Set([a, a.with(port: 1), a.with(port: 2)]).count == 2)
        #expect(SocketAddress("255.255.255.255", port: 0)?.isLimitedBroadcast == true)
        #expect(SocketAddress("255.255.255.254", port: 0)?.isLimitedBroadcast == false)
    }

    @Test func `a name is looked up, a number is not`() throws {
        #expect(SocketAddress.resolve("192.0.2.9", port: 4)?.description == "192.0.2.9:4")
        let local = try #require(SocketAddress.resolve("localhost", port: 4))
        #expect((local.host == "127.0.0.1" || local.host == "::1") && local.port == 4)
    }
}
