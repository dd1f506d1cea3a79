import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// IPv4 or IPv6.
    public enum Family: Sendable {
        /// 32-bit addresses.
        case ipv4
        /// 128-bit addresses.
        case ipv6

        var code: Int32 { self == .ipv4 ? Int32(CLINUX_IPV4) : Int32(CLINUX_IPV6) }
    }

    /// The bytes as the kernel wants them; unused ones are zero.
    var raw: clinux_address

    init(raw: clinux_address) { self.raw = raw }

    /// The IPv4 or IPv6 `sockaddr` at `address`; `nil` for any other family.
    init?(copying address: UnsafeRawPointer) {
        raw = clinux_address()
        let family = address.loadUnaligned(as: sa_family_t.self)
        guard family == AF_INET || family == AF_INET6 else { return nil }
        raw.length = family == AF_INET ? 16 : 28
        withUnsafeMutableBytes(of: &raw.bytes) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(raw.length)))
        }
    }

    /// The address `text` in numbers (`239.77.1.1`, `ff15::7`, `fe80::1%eth0`) with `port`; `nil` when it is
    /// none.
    public init?(_ text: String, port: UInt16) {
        var host = text
        var scope: UInt32 = 0
        if let percent = text.firstIndex(of: "%") {
            host = String(text[..<percent])
            let zone = String(text[text.index(after: percent)...])
            guard let index = UInt32(zone) ?? (try? NetworkInterface.named(zone))?.index else { return nil }
            scope = index
        }
        var ip = [UInt8](repeating: 0, count: 16)
        if scope == 0 && clinux_ip_parse(Int32(CLINUX_IPV4), host, &ip) == 0 {
            raw = clinux_address_make(Int32(CLINUX_IPV4), ip, port, 0)
        } else if clinux_ip_parse(Int32(CLINUX_IPV6), host, &ip) == 0 {
            raw = clinux_address_make(Int32(CLINUX_IPV6), ip, port, scope)
        } else {
            return nil
        }
    }

    /// The first address of the host called `name`, by number or by the system's resolver, which may wait for
    /// a server.
    public static func resolve(_ name: String, port: UInt16) -> SocketAddress? {
        if let address = SocketAddress(name, port: port) { return address }
        var raw = clinux_address()
        guard clinux_resolve(name, &raw) == 0 else { return nil }
        return SocketAddress(raw: raw).with(port: port)
    }

    /// "Any address of this host" in `family`.
    public static func any(_ family: Family, port: UInt16) -> SocketAddress {
        SocketAddress(raw: clinux_address_make(family.code, [UInt8](repeating: 0, count: 16), port, 0))
    }

    /// IPv4 or IPv6.
    public var family: Family { raw.bytes.0 == UInt8(CLINUX_IPV6) ? .ipv6 : .ipv4 }

    /// The port.
    public var port: UInt16 { withUnsafePointer(to: raw) { clinux_address_port($0) } }

    /// The interface that a link-local IPv6 address belongs to; 0 for none.
    public var scope: UInt32 { withUnsafePointer(to: raw) { clinux_address_scope($0) } }

    /// The same address with another port.
    public func with(port: UInt16) -> SocketAddress {
        var copy = self
        copy.raw.bytes.2 = UInt8(truncatingIfNeeded: port >> 8)
        copy.raw.bytes.3 = UInt8(truncatingIfNeeded: port)
        return copy
    }

    /// The 4 or 16 bytes of the address, in network order.
    public var ipBytes: [UInt8] {
        withUnsafePointer(to: raw) { raw in
            Array(UnsafeBufferPointer(start: clinux_address_ip(raw), count: family == .ipv4 ? 4 : 16))
        }
    }

    /// The address as the 16 bytes of an IPv6 one, IPv4 mapped into it (RFC 4291 §2.5.5.2), in two numbers.
    public var mapped: (high: UInt64, low: UInt64) {
        withUnsafeBytes(of: raw.bytes) { bytes in
            if family == .ipv4 {
                let v4 = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                return (0, 0xFFFF_0000_0000 | UInt64(v4))
            }
            return (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            )
        }
    }

    /// The address that ``mapped`` gives as these numbers, with `port`.
    public init(mapped high: UInt64, _ low: UInt64, port: UInt16) {
        var bytes = [UInt8](repeating: 0, count: 16)
        if high == 0, low >> 32 == 0xFFFF {
            for place in 0..<4 { bytes[place] = UInt8(truncatingIfNeeded: low >> UInt64(24 - 8 * place)) }
            raw = clinux_address_make(Int32(CLINUX_IPV4), bytes, port, 0)
        } else {
            for place in 0..<8 {
                bytes[place] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * place))
                bytes[place + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * place))
            }
            raw = clinux_address_make(Int32(CLINUX_IPV6), bytes, port, 0)
        }
    }

    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        family == .ipv4 ? raw.bytes.4 == 127 : mapped == (0, 1)
    }

    /// A group: 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool {
        family == .ipv4 ? raw.bytes.4 & 0xF0 == 0xE0 : raw.bytes.8 == 0xFF
    }

    /// A group meant for source-specific joins: 232.0.0.0/8 or ff3x::/32 (RFC 4607).
    public var isSourceSpecific: Bool {
        family == .ipv4 ? raw.bytes.4 == 232 : raw.bytes.8 == 0xFF && raw.bytes.9 & 0xF0 == 0x30
    }

    /// 255.255.255.255. The broadcast address of one network is known to its ``NetworkInterface`` only.
    public var isLimitedBroadcast: Bool {
        family == .ipv4 && raw.bytes.4 & raw.bytes.5 & raw.bytes.6 & raw.bytes.7 == 255
    }

    /// No address in particular: 0.0.0.0 or ::.
    public var isAny: Bool { ipBytes.allSatisfy { $0 == 0 } }

    /// True when both are the same host's address, whatever the ports.
    public func isSameHost(as other: SocketAddress) -> Bool { with(port: 0) == other.with(port: 0) }

    /// The address in numbers, without the port.
    public var host: String {
        var text = [CChar](repeating: 0, count: 64)
        _ = withUnsafePointer(to: raw) { clinux_ip_print(family.code, clinux_address_ip($0), &text) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `239.77.1.1:5004` or `[ff15::7]:5004`.
    public var description: String { family == .ipv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    /// True when all bytes are equal.
    @inline(__always)
    public static func == (a: SocketAddress, b: SocketAddress) -> Bool { a.words == b.words }

    /// Hashes all bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    /// The address bytes as four numbers: a compare of addresses per packet is four compares of words.
    @inline(__always)
    private var words: (UInt64, UInt64, UInt64, UInt32) {
        withUnsafeBytes(of: raw.bytes) { bytes in
            (
                bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self)
            )
        }
    }
}
