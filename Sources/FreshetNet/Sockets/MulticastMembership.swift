import CLinux

/// A socket's membership of a group on one interface, from any source or from one (RFC 3678). Ends with the
/// socket.
public struct MulticastMembership: Sendable {
    /// The group, port of no meaning.
    public let group: SocketAddress
    /// The one source wanted; `nil` for any.
    public let source: SocketAddress?
    /// A source not wanted, where any other is.
    public let blockedSource: SocketAddress?
    /// The interface's name, so that it is found again when it comes back with another index; `nil` for the
    /// system's choice by route.
    public let interfaceName: String?
    /// The index of the interface joined on last; 0 for the system's choice.
    public private(set) var interfaceIndex: UInt32 = 0
    /// True while the kernel holds the membership, as far as we know.
    public private(set) var isJoined = false

    /// A membership not taken up yet.
    public init(
        group: SocketAddress, source: SocketAddress?, except blockedSource: SocketAddress? = nil,
        interfaceName: String?
    ) {
        self.blockedSource = blockedSource
        self.group = group
        self.source = source
        self.interfaceName = interfaceName
    }

    /// Joins, on the interface that has the name now.
    public mutating func join(_ socket: borrowing UDPSocket) throws(SystemCallError) {
        interfaceIndex = 0
        if let interfaceName { interfaceIndex = try NetworkInterface.named(interfaceName).index }
        try change(socket, isJoin: true)
        isJoined = true
        block(socket)
    }

    /// Leaves; routers stop the flow when nobody else listens.
    public mutating func leave(_ socket: borrowing UDPSocket) {
        try? change(socket, isJoin: false)
        isJoined = false
    }

    /// Leaves and joins again, so that a new report goes to the routers: repairs a membership that a switch
    /// forgot or that went with its interface. False when the interface is not there now.
    public mutating func rejoin(_ socket: borrowing UDPSocket) -> Bool {
        leave(socket)
        return (try? join(socket)) != nil
    }

    /// Joins if the membership has gone, as it does with its interface, and leaves one that stands as it is:
    /// not a packet is missed. False when the interface is not there now.
    public mutating func confirm(_ socket: borrowing UDPSocket) -> Bool {
        if let interfaceName {
            guard let index = try? NetworkInterface.named(interfaceName).index else { return false }
            if index != interfaceIndex { return rejoin(socket) }
        }
        do { try change(socket, isJoin: true) } catch {
            // The kernel has it already: a group's second join is the one, a source's the other.
            isJoined = error.errno == .addressInUse || error.errno == .addressNotAvailable
            return isJoined
        }
        isJoined = true
        block(socket)
        return true
    }

    /// Where the kernel cannot, more comes than was wanted.
    private func block(_ socket: borrowing UDPSocket) {
        guard var blocked = blockedSource?.raw else { return }
        var group = group.raw
        let number = socket.number
        _ = systemCall { clinux_block_source(number, &group, &blocked, interfaceIndex) }
    }

    private func change(
        _ socket: borrowing UDPSocket, isJoin: Bool
    ) throws(SystemCallError) {
        var group = group.raw
        let number = socket.number
        let place = interfaceName.map { " on \($0)" } ?? ""
        let origin = source.map { " from \($0.host)" } ?? ""
        if var source = source?.raw {
            try check("cannot join \(self.group.host)\(origin)\(place)") {
                clinux_group_change(number, &group, &source, interfaceIndex, isJoin ? 1 : 0)
            }
        } else {
            try check("cannot join \(self.group.host)\(place)") {
                clinux_group_change(number, &group, nil, interfaceIndex, isJoin ? 1 : 0)
            }
        }
    }
}
