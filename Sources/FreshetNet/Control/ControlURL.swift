/// Where a stream's coordinator is: `freshet://HOST:PORT/NAME?pin=…&token=…`, for its source with `&source=…`.
///
/// The pin is the SHA-256 of the coordinator's public key (SubjectPublicKeyInfo, as in RFC 7469 §2.4) in base64url
/// without padding (RFC 4648 §5): whoever has the URL knows whom to talk to, without any authority.
public struct ControlURL: Equatable, Sendable, CustomStringConvertible {
    /// A name or an address in numbers; IPv6 without its brackets.
    public var host: String
    /// The TCP port.
    public var port: UInt16
    /// The stream's name.
    public var name: String
    /// The 32 bytes of the pin; `nil` when the system's authorities are to vouch for the host.
    public var pin: [UInt8]?
    /// What lets one in; empty where the stream is open.
    public var token: String
    /// What lets one be the stream's source; empty in the URLs of viewers.
    public var sourceToken: String

    /// The port that is meant when none is given.
    public static let defaultPort: UInt16 = 7400
    /// Bytes of a name at most.
    public static let nameByteCountLimit = 128
    /// Bytes of a token at most.
    public static let tokenByteCountLimit = 1024

    /// The place of these parts.
    public init(
        host: String, port: UInt16 = ControlURL.defaultPort, name: String, pin: [UInt8]? = nil,
        token: String = "", sourceToken: String = ""
    ) {
        self.host = host
        self.port = port
        self.name = name
        self.pin = pin
        self.token = token
        self.sourceToken = sourceToken
    }

    /// The place that `text` names.
    public init(_ text: String) throws(ControlError) {
        guard text.hasPrefix("freshet://") else {
            throw .usage("'\(text)': the address of a stream's coordinator begins with freshet://")
        }
        var rest = text.dropFirst("freshet://".count)
        var query = Substring()
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        guard let slash = rest.firstIndex(of: "/"), rest.index(after: slash) < rest.endIndex else {
            throw .usage("'\(text)': the stream's name is missing; write freshet://HOST:PORT/NAME")
        }
        name = try ControlURL.unescape(rest[rest.index(after: slash)...], "name", in: text)
        guard !name.isEmpty, name.utf8.count <= ControlURL.nameByteCountLimit, !name.contains("/") else {
            throw .usage(
                "'\(text)': a stream's name has 1 to \(ControlURL.nameByteCountLimit) bytes and no slash")
        }
        (host, port) = try ControlURL.place(rest[..<slash], in: text)
        if host.isEmpty || port == 0 {
            throw .usage("'\(text)': the host or its port is missing; write freshet://HOST:PORT/NAME")
        }
        pin = nil
        token = ""
        sourceToken = ""
        for pair in query.split(separator: "&") { try apply(pair, in: text) }
    }

    /// The host and the port that `rest` names, an IPv6 address in brackets.
    public static func place(_ rest: Substring, in text: String) throws(ControlError) -> (String, UInt16) {
        var host = rest
        var port = ControlURL.defaultPort
        if let colon = rest.lastIndex(of: ":"), rest.last != "]" {
            let digits = rest[rest.index(after: colon)...]
            guard let number = UInt16(digits), digits.first != "+" else {
                throw .usage("'\(text)': the port must be a number from 0 to 65535, not '\(digits)'")
            }
            port = number
            host = rest[..<colon]
        }
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .usage("'\(text)': an IPv6 address must stand in brackets, as in [2001:db8::1]:7400")
        }
        return (String(host), port)
    }

    private mutating func apply(_ pair: Substring, in text: String) throws(ControlError) {
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count > 1 ? parts[1] : ""
        switch parts[0] {
        case "pin":
            guard let bytes = Base64URL.decode(value), bytes.count == 32 else {
                throw .usage(
                    "'\(text)': a pin has 43 letters, digits, - and _; this one was not copied whole")
            }
            pin = bytes
        case "token":
            token = try ControlURL.unescapeToken(value, in: text)
        case "source":
            sourceToken = try ControlURL.unescapeToken(value, in: text)
        default: throw .usage("'\(text)': there is no option '\(parts[0])'; there are: pin, token, source")
        }
    }

    private static func unescapeToken(
        _ value: Substring, in text: String
    ) throws(ControlError) -> String {
        let token = try unescape(value, "token", in: text)
        guard token.utf8.count <= tokenByteCountLimit else {
            throw .usage("'\(text)': a token has at most \(tokenByteCountLimit) bytes")
        }
        return token
    }

    /// `text` with its percent escapes resolved; `nil` when that is no text.
    public static func plain(_ text: Substring) -> String? {
        PercentText.decode(text).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// `text` with its percent escapes (RFC 3986 §2.1) resolved.
    private static func unescape(
        _ text: Substring, _ part: String, in whole: String
    ) throws(ControlError) -> String {
        guard let bytes = PercentText.decode(text), let plain = String(validating: bytes, as: UTF8.self),
            !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F })
        else { throw .usage("'\(whole)': the \(part) is not plain text") }
        return plain
    }

    /// The pin as it stands in the URL; empty without one.
    public var pinText: String { pin.map { Base64URL.encode($0) } ?? "" }

    /// The URL.
    public var description: String {
        let shown = host.contains(":") ? "[\(host)]" : host
        var query: [String] = []
        if pin != nil { query.append("pin=\(pinText)") }
        if !token.isEmpty { query.append("token=\(PercentText.encode(token))") }
        if !sourceToken.isEmpty { query.append("source=\(PercentText.encode(sourceToken))") }
        let text = "freshet://\(shown):\(port)/\(PercentText.encode(name))"
        return query.isEmpty ? text : "\(text)?\(query.joined(separator: "&"))"
    }
}
