/// Another party on the network, as a pure room knows it: a number that the edge gives and understands.
///
/// The edge keeps the table of addresses behind the numbers; a simulator uses its own.
public struct Peer: Hashable, Sendable {
    /// The edge's number.
    public var number: UInt32
    /// The peer with that number.
    @inlinable public init(_ number: UInt32) { self.number = number }
}

/// Where a datagram that a node gives is to go.
public enum Destination: Hashable, Sendable {
    /// To one peer's control port.
    case peer(Peer)
    /// To the group's control port: every member hears it, as far as the hop limit lets it.
    case group
    /// To the group's control port with a hop limit that keeps it in this segment.
    case segment
}
