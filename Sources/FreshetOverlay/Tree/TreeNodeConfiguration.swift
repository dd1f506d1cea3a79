public import FreshetCore
public import FreshetWire

/// Every parameter of a ``TreeNode``: meaning, unit, default.
public struct TreeNodeConfiguration: Sendable {
    /// What it tells the coordinator of itself when it joins.
    public var join = JoinMessage()
    /// The coordinator's host as the member reaches it, whose mirrors it asks where it is when seen from outside; `nil`
    /// asks nobody.
    public var coordinator: PeerAddress?
    /// A stripe is silent after so long without a packet or a pulse…
    public var silenceLimit: Nanoseconds = .milliseconds(100)
    /// …or after so many of its usual gaps, whichever is longer.
    public var silentGapCount: Int64 = 3
    /// A stripe that has nothing to forward tells its children that it is there, so often.
    public var pulseInterval: Nanoseconds = .milliseconds(40)
    /// While nothing comes, who is above is said so often with the pulses.
    public var pathInterval: Nanoseconds = .milliseconds(200)
    /// A called backup must send or refuse within this span before the next is called.
    public var activationTimeout: Nanoseconds = .milliseconds(200)
    /// A node whose parent says "stay" waits so long for the branch's top before it looks for another parent itself…
    public var stayLimit: Nanoseconds = .milliseconds(350)
    /// …and so much longer for every level between it and that top, so that the upper ones move first.
    public var stayStep: Nanoseconds = .milliseconds(100)
    /// Handshakes are repeated after this span, doubled each time.
    public var retryInterval: Nanoseconds = .milliseconds(100)
    /// Tries of a handshake before the offer is given up.
    public var retryLimit = 5
    /// Neighbours are asked for a sign of life so often; keeps NAT mappings open too (they last 15 s and more).
    public var pingInterval: Nanoseconds = .seconds(2)
    /// A neighbour that said nothing for so long is forgotten.
    public var neighbourLimit: Nanoseconds = .seconds(7)
    /// While backups do not help, the coordinator is told so often.
    public var starvingInterval: Nanoseconds = .milliseconds(500)
    /// A node that leaves goes on forwarding for so long.
    public var handoverInterval: Nanoseconds = .seconds(1)
    /// The coordinator's word for the end of the stream counts when no parent has said it for so long.
    public var endPatience: Nanoseconds = .milliseconds(1_500)
    /// Neighbours at most; a subscription beyond is refused.
    public var linkLimit = 4_096
    /// Datagrams that wait to be sent at most; what is beyond is dropped and tried again later.
    public var transmitLimit = 16_384
    /// Packets that are remembered to tell new ones from copies; a power of two.
    public var windowPacketCount = 8_192

    /// The defaults.
    public init() {}
}
