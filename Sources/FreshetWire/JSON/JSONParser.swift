/// Reads JSON (RFC 8259) strictly and within bounds, for texts that strangers send.
///
/// A text longer than ``byteCountLimit``, nested deeper than ``depthLimit`` or with more than ``valueCountLimit`` values
/// is refused before it costs more than its own length. Time grows with the text's length and nothing else: names of one
/// object are compared with each other, which ``memberCountLimit`` bounds.
public struct JSONParser: ~Copyable, ~Escapable {
    /// The longest text that is read, in bytes.
    public static let byteCountLimit = 65_536
    /// How deep arrays and objects may nest.
    public static let depthLimit = 8
    /// How many values a text may have in all.
    public static let valueCountLimit = 8_192
    /// How many members one object may have.
    public static let memberCountLimit = 64

    private let bytes: RawSpan
    private let valueCountLimit: Int
    private var index = 0
    private var depth = 0
    private var valueCount = 0

    @_lifetime(copy bytes)
    private init(_ bytes: RawSpan, _ valueCountLimit: Int) {
        self.bytes = bytes
        self.valueCountLimit = valueCountLimit
    }

    /// The value that `text`, in UTF-8, spells. Somebody who trusts its sender may allow more than the usual.
    public static func parse(
        _ text: RawSpan, byteCountLimit: Int = JSONParser.byteCountLimit,
        valueCountLimit: Int = JSONParser.valueCountLimit
    ) throws(JSONError) -> JSONValue {
        guard text.byteCount <= byteCountLimit else {
            throw JSONError("a message is longer than \(byteCountLimit) bytes")
        }
        var parser = JSONParser(text, valueCountLimit)
        let value = try parser.value()
        parser.skipSpace()
        if parser.index < text.byteCount { throw parser.error("something stands after the end of the value") }
        return value
    }

    private var peek: UInt8? { index < bytes.byteCount ? bytes.uint8(at: index) : nil }

    private func error(_ message: String) -> JSONError { JSONError(message, at: index) }

    @_lifetime(self: copy self)
    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index &+= 1 }
    }

    @_lifetime(self: copy self)
    private mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        valueCount &+= 1
        if valueCount > valueCountLimit {
            throw error("there are more than \(valueCountLimit) values")
        }
        switch peek {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"): return try number()
        case let byte? where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"): return try number()
        case nil: throw error("the text ends where a value should be")
        default: throw error("a value is expected here")
        }
    }

    @_lifetime(self: copy self)
    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for expected in text.description.utf8 {
            guard peek == expected else { throw error("a value is expected here") }
            index &+= 1
        }
        return value
    }

    @_lifetime(self: copy self)
    private mutating func enter() throws(JSONError) {
        depth &+= 1
        if depth > JSONParser.depthLimit { throw error("nested more than \(JSONParser.depthLimit) deep") }
        index &+= 1
        skipSpace()
    }

    @_lifetime(self: copy self)
    private mutating func leave() {
        depth &-= 1
        index &+= 1
    }

    @_lifetime(self: copy self)
    private mutating func object() throws(JSONError) -> [JSONMember] {
        var members: [JSONMember] = []
        try enter()
        while peek != UInt8(ascii: "}") {
            if !members.isEmpty { try expect(",") }
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw error("a name in double quotes is expected here") }
            let name = try string()
            if members.contains(where: { $0.name == name }) { throw error("a name stands a second time") }
            if members.count == JSONParser.memberCountLimit {
                throw error("an object has more than \(JSONParser.memberCountLimit) members")
            }
            skipSpace()
            try expect(":")
            members.append(JSONMember(name: name, value: try value()))
            skipSpace()
        }
        leave()
        return members
    }

    @_lifetime(self: copy self)
    private mutating func array() throws(JSONError) -> [JSONValue] {
        var values: [JSONValue] = []
        try enter()
        while peek != UInt8(ascii: "]") {
            if !values.isEmpty { try expect(",") }
            values.append(try value())
            skipSpace()
        }
        leave()
        return values
    }

    @_lifetime(self: copy self)
    private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
        guard peek == UInt8(ascii: character) else { throw error("'\(character)' is expected here") }
        index &+= 1
    }

    // MARK: Numbers

    @_lifetime(self: copy self)
    private mutating func number() throws(JSONError) -> JSONValue {
        let start = index
        if peek == UInt8(ascii: "-") { index &+= 1 }
        let leadsWithZero = peek == UInt8(ascii: "0")
        let digitCount = skipDigits()
        if digitCount == 0 || (leadsWithZero && digitCount > 1) { throw error("this is not a number") }
        var isWhole = true
        if peek == UInt8(ascii: ".") {
            isWhole = false
            index &+= 1
            if skipDigits() == 0 { throw error("a digit is expected here") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            isWhole = false
            index &+= 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { index &+= 1 }
            if skipDigits() == 0 { throw error("a digit is expected here") }
        }
        let text = text(from: start)
        if isWhole, let number = Int64(text) { return .integer(number) }
        return .decimal(text)
    }

    @_lifetime(self: copy self)
    private mutating func skipDigits() -> Int {
        let start = index
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { index &+= 1 }
        return index &- start
    }

    private func text(from start: Int) -> String {
        var copy: [UInt8] = []
        copy.reserveCapacity(index &- start)
        for place in start..<index { copy.append(bytes.uint8(at: place)) }
        return String(decoding: copy, as: UTF8.self)
    }

    // MARK: Strings

    @_lifetime(self: copy self)
    private mutating func string() throws(JSONError) -> String {
        index &+= 1
        let start = index
        // Nearly every string has no escape and is one copy.
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
            index &+= 1
        }
        if peek == UInt8(ascii: "\"") {
            let plain = text(from: start)
            index &+= 1
            return plain
        }
        var copy: [UInt8] = []
        for place in start..<index { copy.append(bytes.uint8(at: place)) }
        while let byte = peek, byte != UInt8(ascii: "\"") {
            if byte < 0x20 { throw error("a control character stands in a string") }
            index &+= 1
            if byte == UInt8(ascii: "\\") {
                try escape(into: &copy)
            } else {
                copy.append(byte)
            }
        }
        guard peek != nil else { throw error("a string has no end") }
        index &+= 1
        return String(decoding: copy, as: UTF8.self)
    }

    @_lifetime(self: copy self)
    private mutating func escape(into copy: inout [UInt8]) throws(JSONError) {
        guard let byte = peek else { throw error("a string has no end") }
        index &+= 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): copy.append(byte)
        case UInt8(ascii: "n"): copy.append(0x0A)
        case UInt8(ascii: "t"): copy.append(0x09)
        case UInt8(ascii: "r"): copy.append(0x0D)
        case UInt8(ascii: "b"): copy.append(0x08)
        case UInt8(ascii: "f"): copy.append(0x0C)
        case UInt8(ascii: "u"): append(try codePoint(), to: &copy)
        default: throw error("an unknown escape stands in a string")
        }
    }

    private func append(_ codePoint: UInt32, to copy: inout [UInt8]) {
        let scalar = Unicode.Scalar(codePoint) ?? "\u{FFFD}"
        copy.append(contentsOf: Array(String(Character(scalar)).utf8))
    }

    /// Four hexadecimal digits, or two groups of them for a surrogate pair; half a pair is U+FFFD.
    @_lifetime(self: copy self)
    private mutating func codePoint() throws(JSONError) -> UInt32 {
        let first = try fourDigits()
        guard (0xD800..<0xDC00).contains(first), peek == UInt8(ascii: "\\"),
            index &+ 1 < bytes.byteCount, bytes.uint8(at: index &+ 1) == UInt8(ascii: "u")
        else { return first }
        index &+= 2
        let second = try fourDigits()
        guard (0xDC00..<0xE000).contains(second) else { return 0xFFFD }
        return 0x10000 &+ ((first &- 0xD800) << 10) &+ (second &- 0xDC00)
    }

    @_lifetime(self: copy self)
    private mutating func fourDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80
            else {
                throw error("four hexadecimal digits are expected here")
            }
            value = value << 4 | UInt32(digit)
            index &+= 1
        }
        return value
    }
}
