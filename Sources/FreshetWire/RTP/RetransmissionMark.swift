/// Tells retransmissions of one source by the lowest bit of the SSRC, where that bit means anything.
///
/// RIST sends a packet first with the bit clear. A sender that knows nothing of RIST takes any SSRC at
/// random, and half of the time the bit is set in all it sends. So a set bit says "retransmission" only once
/// a packet of the source came without it.
public struct RetransmissionMark: Sendable {
    @usableFromInline var hasSeenOriginal = false

    /// For a source that nothing has come from.
    @inlinable public init() {}

    /// True when a packet of the source with `ssrc` in its header is a retransmission.
    @inlinable public mutating func read(_ ssrc: UInt32) -> Bool {
        if ssrc & 1 == 0 {
            hasSeenOriginal = true
            return false
        }
        return hasSeenOriginal
    }
}
