/// Writes JSON, member by member, into an array of its own. The caller says where objects and arrays begin and end; the
/// commas come by themselves.
public struct JSONWriter: ~Copyable {
    /// The text so far, UTF-8.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// A writer that has written nothing.
    public init() { bytes.reserveCapacity(512) }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func name(_ name: StaticString) {
        quote(name.description)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                bytes.append(contentsOf: Array("\\u00".utf8))
                bytes.append(JSONWriter.digit(byte >> 4))
                bytes.append(JSONWriter.digit(byte & 0xF))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &+ value &- 10
    }

    private mutating func open(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = false
    }

    private mutating func close(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = true
    }

    private mutating func append(_ number: Int64) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    /// An object as an element, or as the whole text; `body` writes its members.
    public mutating func object(_ body: (inout JSONWriter) -> Void) {
        separate()
        open("{")
        body(&self)
        close("}")
    }

    /// The member `name`, an array; `body` writes its elements.
    public mutating func array(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        separate()
        self.name(name)
        open("[")
        body(&self)
        close("]")
    }

    /// The member `name`, a string.
    public mutating func member(_ name: StaticString, _ text: String) {
        separate()
        self.name(name)
        quote(text)
    }

    /// The member `name`, a whole number.
    public mutating func member<Number: FixedWidthInteger>(_ name: StaticString, _ number: Number) {
        separate()
        self.name(name)
        append(Int64(truncatingIfNeeded: number))
    }

    /// The member `name`, a truth value.
    public mutating func member(_ name: StaticString, _ flag: Bool) {
        separate()
        self.name(name)
        bytes.append(contentsOf: Array((flag ? "true" : "false").utf8))
    }

    /// The member `name`, an array of whole numbers.
    public mutating func member<Number: FixedWidthInteger>(_ name: StaticString, _ numbers: [Number]) {
        array(name) { writer in
            for number in numbers {
                writer.separate()
                writer.append(Int64(truncatingIfNeeded: number))
            }
        }
    }

    /// The member `name`, an array of strings.
    public mutating func member(_ name: StaticString, _ texts: [String]) {
        array(name) { writer in
            for text in texts {
                writer.separate()
                writer.quote(text)
            }
        }
    }
}
