import FreshetWire
import Testing

@Suite struct JSONWriterTests {
    @Test func commasComeByThemselves() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("a", 1)
            writer.member("b", "x\"\\\n")
            writer.array("c") { writer in
                writer.object { $0.member("d", true) }
                writer.object { _ in }
            }
            writer.member("e", [Int64.min, 0, Int64.max])
            writer.member("f", [String]())
            writer.member("g", ["p", "q"])
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"a":1,"b":"x\"\\\u000a","c":[{"d":true},{}],"e":[-9223372036854775808,0,9223372036854775807],"#
                + #""f":[],"g":["p","q"]}"#)
    }
}
