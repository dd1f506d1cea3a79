/// A UDP address as the tree's messages and nodes know it: an IPv6 address, or an IPv4 one mapped into it (RFC 4291
/// §2.5.5.2), and a port. The edge turns it into a socket address and back.
public struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
    /// The first eight bytes of the IPv6 address, most significant first.
    public var high: UInt64
    /// The last eight.
    public var low: UInt64
    /// The UDP port.
    public var port: UInt16

    /// The address of these numbers.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// The IPv4 address `v4`, most significant byte first.
    public init(v4: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(v4), port: port)
    }

    /// The IPv4 address; `nil` when it is none.
    public var v4: UInt32? { high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil }

    /// 127.0.0.0/8 or ::1: reached from its own host only.
    public var isLoopback: Bool { v4.map { $0 >> 24 == 127 } ?? (high == 0 && low == 1) }

    /// True when both are on one host, whatever the port.
    public func isSameHost(as other: PeerAddress) -> Bool { high == other.high && low == other.low }

    /// An address that means something within one network only: RFC 1918, RFC 6598's shared ones, and RFC 4193.
    public var isPrivate: Bool {
        guard let v4 else { return high >> 57 == 0x7E }
        return v4 >> 24 == 10 || v4 >> 20 == 0xAC1 || v4 >> 16 == 0xC0A8 || v4 >> 22 == 0x191
    }

    /// The network it is in as far as the number tells: /24 of IPv4, /48 of IPv6.
    public var subnet: UInt64 { v4.map { UInt64($0 >> 8) } ?? high & ~0xFFFF }

    /// The address that `text` spells: `192.0.2.1:5004` or `[2001:db8::1]:5004`; `nil` when it is none.
    public init?(_ text: String) {
        guard text.utf8.count <= 64, let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")),
            let port = PeerAddress.number(text[text.index(after: colon)...], radix: 10)
        else { return nil }
        let host = text[..<colon]
        if host.first == "[", host.last == "]" {
            guard let (high, low) = PeerAddress.parseV6(host.dropFirst().dropLast()) else { return nil }
            self.init(high: high, low: low, port: port)
        } else {
            guard let v4 = PeerAddress.parseV4(host) else { return nil }
            self.init(v4: v4, port: port)
        }
    }

    /// Digits alone: no sign, no blank.
    private static func number(_ text: Substring, radix: Int) -> UInt16? {
        text.first == "+" || text.first == "-" ? nil : UInt16(text, radix: radix)
    }

    private static func parseV4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, let byte = number(part, radix: 10), byte < 256 else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }

    private static func parseV6(_ text: Substring) -> (UInt64, UInt64)? {
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.hasPrefix("::") {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let group = rest.prefix { $0 != ":" }
            guard groups.count < 8, group.utf8.count <= 4, let value = number(group, radix: 16) else {
                return nil
            }
            groups.append(value)
            rest = rest.dropFirst(group.count)
            if rest.isEmpty { break }
            rest = rest.dropFirst()
            if rest.first == ":" {
                if gap != nil { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: [UInt16](repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        let high = groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }
        return (high, groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }

    /// The address as it is written in messages.
    public var description: String {
        if let v4 { return "\(v4 >> 24).\(v4 >> 16 & 0xFF).\(v4 >> 8 & 0xFF).\(v4 & 0xFF):\(port)" }
        let groups = (0..<8).map { index in
            let half = index < 4 ? high : low
            return String(half >> UInt64(48 - 16 * (index % 4)) & 0xFFFF, radix: 16)
        }
        return "[\(groups.joined(separator: ":"))]:\(port)"
    }
}
