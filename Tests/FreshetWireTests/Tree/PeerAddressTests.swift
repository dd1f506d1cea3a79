import FreshetWire
import Testing

@Suite struct PeerAddressTests {
    @Test(arguments: [
        ("192.0.2.1:5004", "192.0.2.1:5004"), ("[2001:db8::1]:9", "[2001:db8:0:0:0:0:0:1]:9"),
        ("[::]:1", "[0:0:0:0:0:0:0:0]:1"), ("[1:2:3:4:5:6:7:8]:65535", "[1:2:3:4:5:6:7:8]:65535"),
        ("[fe80::]:7", "[fe80:0:0:0:0:0:0:0]:7"),
    ])
    func addressesAreReadAndWritten(text: String, written: String) {
        let address = PeerAddress(text)
        #expect(address?.description == written)
        #expect(PeerAddress(written) == address)
    }

    @Test(arguments: [
        "", "1.2.3.4", "1.2.3:5", "1.2.3.4.5:6", "256.0.0.1:1", "1.2.3.4:65536", "[::1", "[1::2::3]:1",
        "[1:2]:3",
        "[1:2:3:4:5:6:7:8:9]:1", "host:5", "[12345::]:1", "1.2.3.+4:5", "[1:]:2",
    ])
    func whatIsNoAddressIsRefused(text: String) { #expect(PeerAddress(text) == nil) }

    @Test func subnetsAreThoseOfTheVersion() {
        #expect(PeerAddress("192.0.2.1:1")?.subnet == PeerAddress("192.0.2.200:9")?.subnet)
        #expect(PeerAddress("192.0.2.1:1")?.subnet != PeerAddress("192.0.3.1:1")?.subnet)
        #expect(PeerAddress("[2001:db8:1:2::3]:1")?.subnet == PeerAddress("[2001:db8:1:9::3]:1")?.subnet)
    }
}
