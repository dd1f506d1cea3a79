internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// The parameters that both stages of a tree have, read.
enum TreePlace {
    static let parameters = [
        StageParameter(
            "children", .integer(0...4000), default: "",
            "members to forward to, at most; left out: the coordinator decides"),
        StageParameter(
            "history", .duration, default: "4s",
            "how long packets are kept for those who join or miss something; at most 4096 packets"),
        StageParameter(
            "repair-budget", .integer(0...1000), default: "100",
            "repair bytes per hundred bytes of media, at most, for one child"),
        StageParameter(
            "address", .text, default: "",
            "ADDRESS:PORT of the UDP port for neighbours, and what others are told; left out: any"),
    ]

    /// A member's options by `arguments`; the socket's family is that of `coordinator`.
    static func options(
        _ arguments: StageArguments, stream: String, token: String, coordinator: SocketAddress
    ) throws(StageError) -> TreeMember.Options {
        var options = TreeMember.Options()
        options.node.join.stream = stream
        options.node.join.token = token
        if let children = arguments.integer("children") {
            options.node.join.childLimit = UInt32(children)
            if children == 0 { options.node.join.forwards = false }
        }
        options.repair.historyDuration = arguments.duration("history") ?? .zero
        options.repair.budgetPercent = arguments.integer("repair-budget") ?? 100
        options.address = .any(coordinator.family, port: 0)
        let text = arguments.text("address")
        if !text.isEmpty { options.address = try address(text, "address", of: arguments.descriptor.name) }
        options.node.join.addresses = [advertised(options.address, coordinator)]
        return options
    }

    static func address(_ text: String, _ parameter: String, of stage: String) throws(StageError)
        -> SocketAddress
    {
        let wrong = StageError.usage("\(stage): \(parameter) must be ADDRESS:PORT, not '\(text)'")
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw wrong
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        if host.isEmpty || host == "*" { return .any(.ipv4, port: port) }
        guard let address = SocketAddress(String(host), port: port) else { throw wrong }
        return address
    }

    /// The address that others are told: the socket's own, or of those of this host one by which others reach it. The
    /// coordinator knows better unless it is on this host too.
    private static func advertised(_ address: SocketAddress, _ coordinator: SocketAddress) -> PeerAddress {
        if !address.isAny { return address.peerAddress }
        if coordinator.isLoopback { return coordinator.with(port: address.port).peerAddress }
        if !coordinator.isAny, NetworkInterface.isLocal(coordinator) {
            return coordinator.with(port: address.port).peerAddress
        }
        let outside = NetworkInterface.outside(coordinator.family)
        return (outside ?? coordinator).with(port: address.port).peerAddress
    }
}

extension NetworkInterface {
    /// True for an address of this host.
    static func isLocal(_ address: SocketAddress) -> Bool {
        guard let all = try? list() else { return false }
        return all.contains { $0.addresses.contains { $0.isSameHost(as: address) } }
    }

    /// The first address of this host by which others can reach it.
    static func outside(_ family: SocketAddress.Family) -> SocketAddress? {
        guard let all = try? list() else { return nil }
        for interface in all where interface.isUp && !interface.isLoopback {
            if let found = interface.addresses.first(where: { $0.family == family && $0.scope == 0 }) {
                return found
            }
        }
        return nil
    }
}
