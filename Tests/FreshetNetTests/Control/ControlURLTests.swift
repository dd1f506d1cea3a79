import FreshetNet
import Testing

@Suite struct ControlURLTests {
    private static let pin = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

    @Test func `all parts are read and written again`() throws {
        let text =
            "freshet://origin.example:7411/late%20show?pin=\(ControlURLTests.pin)&token=a%26b&source=c%3Dd"
        let url = try ControlURL(text)
        #expect(url.host == "origin.example")
        #expect(url.port == 7411)
        #expect(url.name == "late show")
        #expect(url.pin == [UInt8](0..<32))
        #expect(url.token == "a&b" && url.sourceToken == "c=d")
        #expect(url.description == text)
    }

    @Test func `a port is not needed, and IPv6 stands in brackets`() throws {
        #expect(try ControlURL("freshet://[2001:db8::1]/show").port == ControlURL.defaultPort)
        let url = try ControlURL("freshet://[2001:db8::1]:7401/show")
        #expect(url.host == "2001:db8::1")
        #expect(url.description == "freshet://[2001:db8::1]:7401/show")
    }

    @Test(arguments: [
        ("http://a/b", "begins with freshet://"),
        ("freshet://origin:7400", "name is missing"),
        ("freshet://origin:7400/", "name is missing"),
        ("freshet:///show", "host or its port is missing"),
        ("freshet://origin:0/show", "host or its port is missing"),
        ("freshet://origin:70000/show", "number from 0 to 65535"),
        ("freshet://2001:db8::1/show", "brackets"),
        ("freshet://origin/a/b", "no slash"),
        ("freshet://origin/a%2", "not plain text"),
        ("freshet://origin/a%00", "not plain text"),
        ("freshet://origin/show?pin=AAEC", "not copied whole"),
        ("freshet://origin/show?pin=\(ControlURLTests.pin)!", "not copied whole"),
        ("freshet://origin/show?ttl=3", "no option 'ttl'"),
    ])
    func `what is wrong is told in a sentence`(text: String, words: String) {
        let error = #expect(throws: ControlError.self) { try ControlURL(text) }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(error?.isUsage == true)
    }

    @Test func `base64url goes there and back for every length`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = Base64URL.encode(bytes)
            #expect(!text.contains("="))
            #expect(Base64URL.decode(Substring(text)) == bytes)
        }
        // Bits that belong to no byte would give one pin two spellings.
        #expect(Base64URL.decode("AB") == nil)
    }
}
