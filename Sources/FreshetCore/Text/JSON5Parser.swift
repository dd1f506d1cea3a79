/// Reads JSON5 (json5.org, the 1.0.0 specification): JSON with comments, unquoted names, single quotes and
/// trailing commas.
///
/// Our own, because every error and every value must know its line and column, which Foundation's reader does
/// not tell. Nesting is limited to 64 levels.
public struct JSON5Parser {
    private let bytes: [UInt8]
    private let file: String
    private var index = 0
    private var line = 1
    private var lineStart = 0
    private var depth = 0

    private init(_ text: String, file: String) {
        bytes = Array(text.utf8)
        self.file = file
    }

    /// The value of `text`; errors name `file`.
    public static func parse(_ text: String, file: String) throws(TextError) -> JSON5Value {
        var parser = JSON5Parser(text, file: file)
        try parser.skipSpace()
        let value = try parser.value()
        try parser.skipSpace()
        if let extra = parser.peek {
            throw parser.error("unexpected '\(parser.show(extra))' after the end of the value")
        }
        return value
    }

    // MARK: Characters

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func advance() {
        if bytes[index] == UInt8(ascii: "\n") {
            line += 1
            lineStart = index + 1
        }
        index += 1
    }

    private var location: TextLocation {
        let column = String(decoding: bytes[lineStart..<index], as: UTF8.self).count + 1
        return TextLocation(file: file, line: line, column: column)
    }

    private func error(_ message: String) -> TextError { TextError(message, at: location) }

    private func show(_ byte: UInt8) -> String {
        let rest = String(decoding: bytes[index...].prefix(4), as: UTF8.self)
        return rest.first.map { String($0) } ?? String(UnicodeScalar(byte))
    }

    private mutating func skipSpace() throws(TextError) {
        while let byte = peek {
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D:
                advance()
            case 0xC2 where bytes[index...].starts(with: [0xC2, 0xA0]):
                index += 2
            case 0xEF where bytes[index...].starts(with: [0xEF, 0xBB, 0xBF]):
                index += 3
            case 0xE2
            where bytes[index...].starts(with: [0xE2, 0x80, 0xA8])
                || bytes[index...].starts(with: [0xE2, 0x80, 0xA9]):
                index += 3
            case UInt8(ascii: "/"):
                guard try skipComment() else { return }
            default:
                return
            }
        }
    }

    /// Skips a comment; false when the slash does not begin one.
    private mutating func skipComment() throws(TextError) -> Bool {
        guard index + 1 < bytes.count else { return false }
        if bytes[index + 1] == UInt8(ascii: "/") {
            while let byte = peek, byte != UInt8(ascii: "\n") { advance() }
            return true
        }
        guard bytes[index + 1] == UInt8(ascii: "*") else { return false }
        let start = location
        index += 2
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "*") && bytes[index + 1] == UInt8(ascii: "/") {
                index += 2
                return true
            }
            advance()
        }
        throw TextError("this comment has no end", at: start)
    }

    // MARK: Values

    private mutating func value() throws(TextError) -> JSON5Value {
        guard let byte = peek else { throw error("a value is missing at the end of the text") }
        let start = location
        switch byte {
        case UInt8(ascii: "{"):
            return JSON5Value(content: .object(try object()), location: start)
        case UInt8(ascii: "["):
            return JSON5Value(content: .array(try array()), location: start)
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return JSON5Value(content: .string(try string()), location: start)
        default:
            return JSON5Value(content: try word(), location: start)
        }
    }

    private mutating func enter() throws(TextError) {
        depth += 1
        if depth > 64 { throw error("this is nested more than 64 levels deep") }
        advance()
    }

    private mutating func object() throws(TextError) -> [JSON5Member] {
        let start = location
        try enter()
        var members: [JSON5Member] = []
        while true {
            try skipSpace()
            guard let byte = peek else { throw TextError("this '{' has no '}'", at: start) }
            if byte == UInt8(ascii: "}") { break }
            let nameLocation = location
            let name = try memberName()
            if members.contains(where: { $0.name == name }) {
                throw TextError("'\(name)' stands here a second time", at: nameLocation)
            }
            try skipSpace()
            guard peek == UInt8(ascii: ":") else { throw error("':' is missing after '\(name)'") }
            advance()
            try skipSpace()
            members.append(JSON5Member(name: name, location: nameLocation, value: try value()))
            guard try separator(closing: UInt8(ascii: "}"), opened: start) else { break }
        }
        advance()
        depth -= 1
        return members
    }

    private mutating func array() throws(TextError) -> [JSON5Value] {
        let start = location
        try enter()
        var values: [JSON5Value] = []
        while true {
            try skipSpace()
            guard let byte = peek else { throw TextError("this '[' has no ']'", at: start) }
            if byte == UInt8(ascii: "]") { break }
            values.append(try value())
            guard try separator(closing: UInt8(ascii: "]"), opened: start) else { break }
        }
        advance()
        depth -= 1
        return values
    }

    /// Passes a comma; false at the closing bracket.
    private mutating func separator(closing: UInt8, opened: TextLocation) throws(TextError) -> Bool {
        try skipSpace()
        guard let byte = peek else {
            throw TextError("this '\(closing == UInt8(ascii: "}") ? "{" : "[")' is not closed", at: opened)
        }
        if byte == closing { return false }
        guard byte == UInt8(ascii: ",") else {
            throw error("expected ',' or '\(UnicodeScalar(closing))', not '\(show(byte))'")
        }
        advance()
        return true
    }

    private mutating func memberName() throws(TextError) -> String {
        guard let byte = peek else { throw error("a name is missing") }
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") { return try string() }
        let name = identifier()
        if name.isEmpty { throw error("expected a name, not '\(show(byte))'") }
        return name
    }

    /// Letters, digits, `_`, `$`, `-` and every character beyond ASCII. (JSON5 has no `-` in names;
    /// parameters do.)
    private mutating func identifier() -> String {
        let start = index
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"),
                UInt8(ascii: "-"), 0x80...:
                index += 1
            default:
                return String(decoding: bytes[start..<index], as: UTF8.self)
            }
        }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func word() throws(TextError) -> JSON5Value.Content {
        let start = location
        let begin = index
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"),
                UInt8(ascii: "-"),
                UInt8(ascii: "."):
                index += 1
                continue
            default: break
            }
            break
        }
        let text = String(decoding: bytes[begin..<index], as: UTF8.self)
        switch text {
        case "": throw error("expected a value, not '\(show(bytes[index]))'")
        case "null": return .null
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        default:
            guard JSON5Parser.isNumber(text) else {
                throw TextError("'\(text)' is not a value; put text in quotes", at: start)
            }
            return .number(text)
        }
    }

    private static func isNumber(_ text: String) -> Bool {
        let body = text.drop { $0 == "+" || $0 == "-" }
        if text.count - body.count > 1 { return false }
        if body == "Infinity" || body == "NaN" { return true }
        if body.hasPrefix("0x") || body.hasPrefix("0X") {
            return body.count > 2 && body.dropFirst(2).allSatisfy(\.isHexDigit)
        }
        return Double(body) != nil
    }

    // MARK: Strings

    private mutating func string() throws(TextError) -> String {
        let start = location
        let quote = bytes[index]
        advance()
        var text: [UInt8] = []
        while let byte = peek {
            if byte == quote {
                advance()
                return String(decoding: text, as: UTF8.self)
            }
            if byte == UInt8(ascii: "\n") { break }
            if byte == UInt8(ascii: "\\") {
                advance()
                try escape(into: &text)
            } else {
                text.append(byte)
                advance()
            }
        }
        throw TextError("this string has no closing quote", at: start)
    }

    private mutating func escape(into text: inout [UInt8]) throws(TextError) {
        guard let byte = peek else { throw error("the text ends inside a string") }
        switch byte {
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "v"): text.append(0x0B)
        case UInt8(ascii: "0"): text.append(0)
        case UInt8(ascii: "\n"): break
        case UInt8(ascii: "x"):
            advance()
            return text.append(contentsOf: utf8(try hexadecimal(2)))
        case UInt8(ascii: "u"):
            advance()
            return text.append(contentsOf: utf8(try codePoint()))
        default: text.append(byte)
        }
        advance()
    }

    private func utf8(_ value: UInt32) -> [UInt8] {
        Array(String(Character(UnicodeScalar(value) ?? "\u{FFFD}")).utf8)
    }

    /// Four hexadecimal digits, or two groups of them for a surrogate pair.
    private mutating func codePoint() throws(TextError) -> UInt32 {
        let first = try hexadecimal(4)
        guard (0xD800..<0xDC00).contains(first), bytes[index...].starts(with: [0x5C, 0x75]) else {
            return first
        }
        index += 2
        let second = try hexadecimal(4)
        guard (0xDC00..<0xE000).contains(second) else { return 0xFFFD }
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
    }

    private mutating func hexadecimal(_ digitCount: Int) throws(TextError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<digitCount {
            guard let byte = peek, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
                throw error("expected \(digitCount) hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
