import Foundation
import Synchronization

/// Where a test's stream goes: an address and an even port that no other test uses.
public struct Place: Sendable {
    /// The address, without brackets.
    public let address: String
    /// The media port; the odd one after it is for control.
    public let port: Int

    private static let next = Mutex(0)

    /// The port of the next place. Ports start at a place that depends on the process, so that two runs of the tests
    /// on one machine seldom meet, and stay below the range that the system hands out by itself.
    private static func nextNumber() -> Int {
        next.withLock { next in
            next += 1
            return (Int(getpid()) % 60 * 100 + next) % 6000
        }
    }

    private init(number: Int, address: String) {
        self.address = address
        port = 20_000 + 2 * number
    }

    /// A multicast group of IPv4 (the site's scope).
    public static func group() -> Place {
        let number = nextNumber()
        return Place(number: number, address: "239.77.\(number / 250).\(1 + number % 250)")
    }

    /// A group of the source-specific range of IPv4.
    public static func sourceSpecificGroup() -> Place {
        let number = nextNumber()
        return Place(number: number, address: "232.77.\(number / 250).\(1 + number % 250)")
    }

    /// A multicast group of IPv6 (the site's scope, not a registered one).
    public static func group6() -> Place {
        let number = nextNumber()
        return Place(number: number, address: "ff15::77:\(String(number + 1, radix: 16))")
    }

    /// The loopback address.
    public static func local() -> Place { Place(number: nextNumber(), address: "127.0.0.1") }

    /// Everybody on the network that a ``Namespace`` has when asked.
    public static func everybody() -> Place { Place(number: nextNumber(), address: "10.77.0.255") }

    /// True for an address of IPv6.
    public var isIPv6: Bool { address.contains(":") }
    /// True for a group.
    public var isGroup: Bool { address.hasPrefix("23") || address.hasPrefix("ff") }
    /// The address as URLs write it.
    public var host: String { isIPv6 ? "[\(address)]" : address }

    /// The place as a URL on the loopback interface; `more` is appended to the query.
    public func url(_ scheme: String = "rtp", _ more: String = "") -> String {
        let interface = isGroup ? "interface=lo" : ""
        let query = [interface, more].filter { !$0.isEmpty }.joined(separator: "&")
        return "\(scheme)://\(host):\(port)" + (query.isEmpty ? "" : "?" + query)
    }

    /// Waits until `receiver`, or a process that it started, has bound so many sockets to the media port and, for a
    /// group, a membership exists.
    public func isHeard(by receiver: Running, sockets: Int = 1) async throws {
        try await wait(for: "a receiver of \(address):\(port)", within: 30) {
            if receiver.hasEnded {
                throw TimedOut("\(receiver.command) to listen; it ended: \(receiver.errors.suffix(1000))")
            }
            // The tables of the receiver's own network.
            let tables = "/proc/\(receiver.identifier)/net/"
            let bound = boundSockets(tables)
            guard bound.count >= sockets, try hasMembership(tables) else { return false }
            return bound.intersection(OpenSockets.ofFamily(receiver.identifier)).count >= sockets
        }
    }

    /// The inodes of the sockets that are bound to the media port.
    private func boundSockets(_ tables: String) -> Set<Substring> {
        let wanted = ":" + String(format: "%04X", port)
        var inodes: Set<Substring> = []
        for table in ["udp", "udp6"] {
            let text = (try? String(contentsOfFile: tables + table, encoding: .utf8)) ?? ""
            for line in text.split(separator: "\n") {
                // Number, own address, peer, state, queues, timer, retransmissions, user, time-out, inode.
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                if fields.count > 9, fields[1].hasSuffix(wanted) { inodes.insert(fields[9]) }
            }
        }
        return inodes
    }

    private func hasMembership(_ tables: String) throws -> Bool {
        guard isGroup else { return true }
        let table = isIPv6 ? "igmp6" : "igmp"
        return try String(contentsOfFile: tables + table, encoding: .utf8).lowercased().contains(
            kernelSpelling)
    }

    /// The address as the kernel's tables of memberships spell it.
    private var kernelSpelling: String {
        if isIPv6 {
            var bytes = in6_addr()
            inet_pton(AF_INET6, address, &bytes)
            return withUnsafeBytes(of: &bytes) { $0.map { String(format: "%02x", $0) }.joined() }
        }
        let parts = address.split(separator: ".").compactMap { UInt8($0) }
        return parts.reversed().map { String(format: "%02x", $0) }.joined()
    }
}
