import FreshetCore
import Testing

@testable import FreshetEngine

@Suite struct ListenAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080/"),
        ("http://localhost:1/", "127.0.0.1", 1, "http://127.0.0.1:1/"),
        ("http://*:65535", "0.0.0.0", 65_535, "http://127.0.0.1:65535/"),
        ("http://:0", "0.0.0.0", 0, "http://127.0.0.1:0/"),
        ("http://[::1]:80", "::1", 80, "http://[::1]:80/"),
        ("http://[::]:80", "::", 80, "http://[::1]:80/"),
    ])
    func anAddressIsReadAndShown(text: String, address: String, port: Int, url: String) throws {
        let place = try ListenAddress(text)
        #expect(place.address == address && place.port == port)
        #expect(place.url(port: port) == url)
    }

    @Test(arguments: [
        "", "127.0.0.1:80", "https://h:80", "http://127.0.0.1", "http://h:65536", "http://h:-1", "http://h:",
        "http://h:80/path", "http://::1:80", "http://[::1]", "http://h:eighty",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(throws: StageError.self) { try ListenAddress(text) }
    }
}
