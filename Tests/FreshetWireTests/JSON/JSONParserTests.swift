import FreshetCore
import FreshetWire
import Testing

@Suite struct JSONParserTests {
    private func parse(_ text: String) throws(JSONError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try JSONParser.parse(bytes.span.bytes)
    }

    private func message(_ text: String) -> String? {
        do throws(JSONError) {
            _ = try parse(text)
            return nil
        } catch { return error.description }
    }

    @Test func everyKindOfValueIsRead() throws {
        let value = try parse(
            #" {"a": [1, -2, 3.5, 1e3, true, false, null], "b": "x\n\"\u00e9\ud83d\ude00", "c": {}} "#)
        #expect(
            value["a"]
                == .array([
                    .integer(1), .integer(-2), .decimal("3.5"), .decimal("1e3"), .boolean(true),
                    .boolean(false), .null,
                ]))
        #expect(value["b"] == .string("x\n\"é😀"))
        #expect(value["c"] == .object([]))
    }

    @Test(arguments: [
        "", "{", "[", "[1,]", #"{"a":1,}"#, #"{"a"}"#, #"{"a":1 "b":2}"#, "01", "1.", "-", "+1", "tru", "nul",
        "'a'",
        #""a"#, #""\x""#, #""\u12g4""#, "1 2", "{\"a\":1,\"a\":2}", "\"\u{01}\"", "\u{FEFF}1", "NaN", "{a:1}",
        "/**/1",
    ])
    func whatIsNoJSONIsRefusedWithItsPlace(text: String) {
        #expect(message(text)?.contains("byte") == true)
    }

    @Test func boundsHold() {
        let deep = String(repeating: "[", count: 9) + String(repeating: "]", count: 9)
        #expect(message(deep) == "nested more than 8 deep (byte 8)")
        #expect(message(String(repeating: " ", count: 65_537))?.contains("longer than 65536 bytes") == true)
        let many = "[" + Array(repeating: "1", count: 8_192).joined(separator: ",") + "]"
        #expect(message(many)?.contains("more than 8192 values") == true)
        let wide = "{" + (0..<65).map { "\"\($0)\":1" }.joined(separator: ",") + "}"
        #expect(message(wide)?.contains("more than 64 members") == true)
    }

    @Test func numbersBeyond64BitsStayText() throws {
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("9223372036854775808") == .decimal("9223372036854775808"))
        #expect(try parse("-9223372036854775808") == .integer(.min))
    }

    @Test func noChangedTextTraps() {
        var random = PRNG(seed: 9)
        let text = Wire(Array(#"{"type":"join","a":[1,-2,3.5],"b":{"c":"\u00e9\n"},"d":null}"#.utf8))
        for _ in 0..<5_000 { text.mutated(&random).read { bytes in _ = try? JSONParser.parse(bytes) } }
    }
}
