public import FreshetCore

/// Where a stream goes to or comes from: `rtp://ADDRESS:PORT?key=value&…`, `rist://…` or
/// `udp://…`.
///
/// As a source, a group is joined and any other address is the local one to listen on; as a destination it is
/// sent to. IPv6 addresses stand in brackets.
public struct StreamURL: Equatable, Sendable, CustomStringConvertible {
    /// How the packets look on the wire.
    public enum Scheme: String, Sendable {
        /// RTP with MPEG-TS in it, RTCP on the port after it.
        case rtp
        /// Bare MPEG-TS.
        case udp
        /// RTP with MPEG-TS in it and what is lost asked for again: RIST Simple Profile (VSF TR-06-1).
        case rist
    }

    /// RTP or bare TS.
    public var scheme: Scheme
    /// The address and port.
    public var address: SocketAddress
    /// `interface=`: name or address of the interface to use.
    public var interface: String?
    /// `source=`: the one sender to listen to (source-specific multicast, RFC 4607).
    public var source: SocketAddress?
    /// `ttl=`: routers a datagram may pass (hop limit), 0 to 255.
    public var ttl: Int?
    /// `latency=`: how long a receiver waits for order; `watch` and `record` take it for their own.
    public var latency: Nanoseconds?
    /// `control=on|off`: RTCP on the next port.
    public var hasControl: Bool?
    /// `dscp=`: the differentiated services code point, 0 to 63.
    public var dscp: Int?
    /// `hello=`: how long a sender to `rist://` waits for an answer before it begins.
    public var hello: Nanoseconds?
    /// `loopback=on|off`: receivers on the sending host get multicast too.
    public var hasLoopback: Bool?

    /// The query keys, for messages.
    static let keys = ["interface", "source", "ttl", "latency", "control", "dscp", "loopback", "hello"]

    /// A place without options.
    public init(scheme: Scheme, address: SocketAddress) {
        self.scheme = scheme
        self.address = address
    }

    /// The place that `text` names; without a scheme it is taken as one of `defaultScheme`. Host names are
    /// looked up.
    public init(_ text: String, defaultScheme: Scheme? = nil) throws(StageError) {
        var rest = Substring(text)
        if let mark = text.range("://") {
            guard let scheme = Scheme(rawValue: String(text[..<mark.lowerBound])) else {
                throw .usage("'\(text)': the address must begin with rtp://, rist:// or udp://")
            }
            self.scheme = scheme
            rest = text[mark.upperBound...]
        } else if let defaultScheme {
            scheme = defaultScheme
        } else {
            throw .usage("'\(text)': the address must begin with rtp://, rist:// or udp://")
        }
        var query = Substring()
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if rest.last == "/" { rest = rest.dropLast() }
        // multicat and VLC write udp://@GROUP:PORT for "listen here"; it says nothing more.
        if rest.first == "@" { rest = rest.dropFirst() }
        address = try StreamURL.address(rest, in: text)
        // TR-06-1 §5.1.1: media on an even port, RTCP on the odd one above it.
        if scheme == .rist && address.port % 2 != 0 {
            throw .usage("'\(text)': the port of a rist:// address must be even, not \(address.port)")
        }
        for pair in query.split(separator: "&") { try apply(pair, in: text) }
    }

    private static func address(_ rest: Substring, in text: String) throws(StageError) -> SocketAddress {
        guard let colon = rest.lastIndex(of: ":"), rest.last != "]" else {
            throw .usage("'\(text)': the port is missing; write ADDRESS:PORT")
        }
        let portText = rest[rest.index(after: colon)...]
        guard let port = UInt16(portText), port > 0 else {
            throw .usage("'\(text)': the port must be a number from 1 to 65535, not '\(portText)'")
        }
        var host = rest[..<colon]
        if host.first == "[" && host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .usage("'\(text)': an IPv6 address must stand in brackets, as in [ff15::7]:5004")
        }
        if host.isEmpty || host == "*" { return .any(.ipv4, port: port) }
        guard let address = SocketAddress.resolve(String(host), port: port) else {
            throw .usage("'\(text)': '\(host)' is neither an address nor the name of a host")
        }
        return address
    }

    private mutating func apply(_ pair: Substring, in text: String) throws(StageError) {
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let key = String(parts[0])
        let value = parts.count > 1 ? String(parts[1]) : ""
        switch key {
        case "interface": interface = value
        case "source":
            guard let address = SocketAddress(value, port: 0) else {
                throw .usage("'\(text)': source must be an address, not '\(value)'")
            }
            if address.isMulticast {
                throw .usage("'\(text)': source must be the address of a host, not the group '\(value)'")
            }
            source = address
        case "ttl": ttl = try StreamURL.number(value, 0...255, key, text)
        case "dscp": dscp = try StreamURL.number(value, 0...63, key, text)
        case "latency":
            // What fits itself to the link is no number to tell here.
            if value == "auto" { return }
            guard let span = ParameterReader.duration(value) else {
                throw .usage(
                    "'\(text)': latency must be a time such as 200 (ms) or 1.5s, or auto, not '\(value)'")
            }
            latency = span
        case "hello":
            guard let span = ParameterReader.duration(value) else {
                throw .usage("'\(text)': hello must be a time such as 500 (ms) or 2s, not '\(value)'")
            }
            hello = span
        case "control": hasControl = try StreamURL.flag(value, key, text)
        case "loopback": hasLoopback = try StreamURL.flag(value, key, text)
        default:
            let known = StreamURL.keys.joined(separator: ", ")
            throw .usage("'\(text)': there is no option '\(key)'; there are: \(known)")
        }
    }

    private static func number(
        _ value: String, _ range: ClosedRange<Int>, _ key: String, _ text: String
    ) throws(StageError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw .usage(
                "'\(text)': \(key) must be a number from \(range.lowerBound) to \(range.upperBound), not '\(value)'"
            )
        }
        return number
    }

    private static func flag(_ value: String, _ key: String, _ text: String) throws(StageError) -> Bool {
        switch value {
        case "on", "true", "yes", "1": return true
        case "off", "false", "no", "0": return false
        default: throw .usage("'\(text)': \(key) must be on or off, not '\(value)'")
        }
    }

    /// The scheme, address and port.
    public var description: String { "\(scheme.rawValue)://\(address)" }

    /// Where RTCP goes: the next port (RFC 3550 §11); `nil` when there is none.
    public var controlAddress: SocketAddress? {
        address.port < .max ? address.with(port: address.port + 1) : nil
    }
}

extension String {
    /// Where `part` first stands; a plain search, for short texts.
    fileprivate func range(_ part: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}
