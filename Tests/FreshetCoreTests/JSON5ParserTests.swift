import FreshetCore
import Testing

@Suite struct JSON5ParserTests {
    private func parse(_ text: String) throws -> JSON5Value {
        try JSON5Parser.parse(text, file: "test.json5")
    }

    private func error(_ text: String) -> String {
        do {
            _ = try parse(text)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func readsWhatJSONHas() throws {
        let value = try parse(
            #"{"a": [1, -2.5e3, "x\n\u00e9\ud83d\ude00", true, false, null], "b": {"c": ""}}"#)
        guard case .array(let items)? = value["a"]?.content else { return #expect(Bool(false), "no array") }
        #expect(items.map(\.scalarText) == ["1", "-2.5e3", "x\n\u{E9}\u{1F600}", "true", "false", nil])
        #expect(value["b"]?["c"]?.scalarText == "")
    }

    @Test func readsWhatJSON5Adds() throws {
        let value = try parse(
            """
            // a comment
            { unquoted: 'single "quotes"', $money: +1, hex: 0xFF, half: .5, "mux-rate": Infinity, /* and */
              long: 'one \\
            line', list: [1, 2,], }
            """)
        #expect(value["unquoted"]?.scalarText == "single \"quotes\"")
        #expect(value["$money"]?.scalarText == "+1")
        #expect(value["hex"]?.scalarText == "0xFF")
        #expect(value["half"]?.scalarText == ".5")
        #expect(value["long"]?.scalarText == "one line")
        #expect(value["mux-rate"]?.scalarText == "Infinity")
    }

    @Test func valuesKnowTheirPlace() throws {
        let value = try parse("{\n  a: 1,\n  'ü': [ 2,\n 3 ] }")
        #expect(value["a"]?.location == TextLocation(file: "test.json5", line: 2, column: 6))
        guard case .array(let items)? = value["ü"]?.content else { return #expect(Bool(false), "no array") }
        #expect(items[0].location.column == 10)
        #expect(items[1].location == TextLocation(file: "test.json5", line: 4, column: 2))
    }

    @Test func errorsNameThePlaceAndTheCause() {
        #expect(error("{ a: 1 b: 2 }") == "test.json5:1:8: expected ',' or '}', not 'b'")
        #expect(error("{ a 1 }") == "test.json5:1:5: ':' is missing after 'a'")
        #expect(error("[1, 2") == "test.json5:1:1: this '[' is not closed")
        #expect(error("{ a: 'x") == "test.json5:1:6: this string has no closing quote")
        #expect(error("{ a: yes }") == "test.json5:1:6: 'yes' is not a value; put text in quotes")
        #expect(error("{ a: 1, a: 2 }") == "test.json5:1:9: 'a' stands here a second time")
        #expect(error("{} x") == "test.json5:1:4: unexpected 'x' after the end of the value")
        #expect(error("/* x") == "test.json5:1:1: this comment has no end")
        #expect(error("") == "test.json5:1:1: a value is missing at the end of the text")
        #expect(error("{ a: 1.2.3 }").hasSuffix("'1.2.3' is not a value; put text in quotes"))
        #expect(error("'\\u12'").hasSuffix("expected 4 hexadecimal digits"))
    }

    @Test func deepNestingIsRefused() {
        #expect(error(String(repeating: "[", count: 1000)).hasSuffix("nested more than 64 levels deep"))
    }

    @Test func randomTextNeverTraps() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("{}[]:,'\"\\/*\n abc0123.+-eEx$\u{FFFD}ütruefalsnl")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0..<40, using: &generator)).map { _ in alphabet.randomElement() ?? " " })
            _ = try? parse(text)
        }
    }
}
