import Foundation

/// Hosts on a street, and homes behind routers with the kernel's own NAT, in network namespaces. Gone when the test lets go
/// of it. Needs no privileges where user namespaces are allowed, and `nft`.
///
/// The street is 203.0.113.0/24 (RFC 5737): host n of it is `street1`, `street2` … at 203.0.113.n. Home h has its router at
/// 203.0.113.(100 + h) and hosts `home1-1`, `home1-2` … at 192.168.h.2, 192.168.h.3 …. A router lets in what it has seen
/// the other way, from the same address and port, and turns nothing back in that it sent itself (no hairpin).
public final class NatNetwork: Sendable {
    /// How a home's router maps a port, in RFC 4787's terms.
    public enum Kind: String, Sendable {
        /// Endpoint-independent mapping, the port kept; filtering by address and port: a port-restricted cone.
        case cone = ""
        /// Another outside port for everybody who is sent to: symmetric.
        case symmetric = "random,fully-random"
    }

    private let keeper: Running

    /// `streetHosts` hosts outside, and homes of a kind with so many hosts each.
    public init(streetHosts: Int, homes: [(kind: Kind, hosts: Int)]) async throws {
        var lines = [NatNetwork.prologue]
        for host in 1...streetHosts { lines.append("host street\(host) \(NatNetwork.street(host))") }
        for (index, home) in homes.enumerated() {
            let number = index + 1
            lines.append("router home\(number) \(number) '\(home.kind.rawValue)'")
            for host in 1...home.hosts {
                lines.append("inside home\(number)-\(host) home\(number) \(number) \(host)")
            }
        }
        lines += ["echo ready", "exec sleep 300"]
        keeper = try Running("unshare", ["-Urnm", "sh", "-ec", lines.joined(separator: "\n")])
        try await wait(for: "a network with NAT", within: 20) {
            if keeper.hasEnded { throw TimedOut("a network with NAT: \(keeper.errors)") }
            return keeper.output.contains("ready")
        }
    }

    /// The address of a host on the street.
    public static func street(_ host: Int) -> String { "203.0.113.\(host)" }

    /// The outside address of a home.
    public static func router(_ home: Int) -> String { "203.0.113.\(100 + home)" }

    /// Starts a program on the host of this name.
    public func start(_ host: String, _ program: String, _ arguments: [String]) throws -> Running {
        let enter = ["-t", "\(keeper.identifier)", "-U", "-n", "-m", "--preserve-credentials"]
        return try Running("nsenter", enter + ["ip", "netns", "exec", host, program] + arguments)
    }

    /// Starts the program under test on the host of this name.
    public func start(_ host: String, _ arguments: String...) throws -> Running {
        try start(host, Freshet.path, arguments)
    }

    private static let prologue = """
        mount -t tmpfs none /run
        ip link set dev lo up
        ip link add name street type bridge
        ip link set dev street up
        host() {
            ip netns add $1
            ip -n $1 link set dev lo up
            ip link add name $1 type veth peer name e0 netns $1
            ip link set dev $1 master street up
            ip -n $1 addr add $2/24 dev e0
            ip -n $1 link set dev e0 up
        }
        router() {
            ip netns add $1
            ip -n $1 link set dev lo up
            ip link add name $1 type veth peer name wan netns $1
            ip link set dev $1 master street up
            ip -n $1 addr add 203.0.113.$((100 + $2))/24 dev wan
            ip -n $1 link set dev wan up
            ip -n $1 link add name lan type bridge
            ip -n $1 addr add 192.168.$2.1/24 dev lan
            ip -n $1 link set dev lan up
            ip netns exec $1 sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
            ip netns exec $1 nft -f - <<END
        table ip home {
            chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade $3; }
            chain entering { type filter hook input priority 0; iifname "wan" ct state new drop; }
            chain passing { type filter hook forward priority 0; iifname "wan" ct state new drop; }
        }
        END
        }
        inside() {
            ip netns add $1
            ip -n $1 link set dev lo up
            ip -n $2 link add name $1 type veth peer name e0 netns $1
            ip -n $2 link set dev $1 master lan up
            ip -n $1 addr add 192.168.$3.$((1 + $4))/24 dev e0
            ip -n $1 link set dev e0 up
            ip -n $1 route add default via 192.168.$3.1
        }
        """
}
