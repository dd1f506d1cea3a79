import Foundation

/// A network of a test's own: a namespace whose loopback interface takes multicast, for peers that send and join where
/// the routing table says. Gone when the test lets go of it. Needs no privileges where user namespaces are allowed.
public final class Namespace: Sendable {
    private let keeper: Running

    /// A new one, up and with a route for groups; with a network that has a broadcast address too when asked.
    public init(hasBroadcast: Bool = false) async throws {
        let loopback = """
            ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && ip -6 route add local ff00::/8 dev lo \
            table local
            """
        // Only when asked: with an address of its own, senders to groups would take that as their source.
        let network = """
            ip link add v0 type veth peer name v1 && ip addr add 10.77.0.1/24 broadcast 10.77.0.255 dev v0 \
            && ip link set v0 up && ip link set v1 up
            """
        let commands = [loopback] + (hasBroadcast ? [network] : []) + ["echo ready", "exec sleep 300"]
        keeper = try Running("unshare", ["-Urn", "sh", "-c", commands.joined(separator: " && ")])
        try await wait(for: "a network namespace") {
            if keeper.hasEnded { throw TimedOut("a network namespace: \(keeper.errors)") }
            return keeper.output.contains("ready")
        }
    }

    /// Starts a program in it.
    public func start(_ program: String, _ arguments: [String], input: String? = nil) throws -> Running {
        let enter = ["-t", "\(keeper.identifier)", "-U", "-n", "--preserve-credentials", program]
        return try Running("nsenter", enter + arguments, input: input)
    }

    /// Starts a program in it that refuses to be root.
    public func startAsUser(_ program: String, _ arguments: [String]) throws -> Running {
        try start("unshare", ["-U", "--map-user=1000", "--map-group=1000", program] + arguments)
    }
}
