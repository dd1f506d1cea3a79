/// Watches the continuity counters of all PIDs (ISO/IEC 13818-1 §2.4.3.3) and tells losses from what is allowed.
///
/// 8192 bytes, taken once. Null packets and damaged ones are not looked at.
public struct ContinuityChecker: ~Copyable {
    /// How a packet follows the one before it on its PID.
    public enum Verdict: Equatable, Sendable {
        /// As it should, or nothing can be said: the first of its PID, an announced discontinuity, no payload.
        case inOrder
        /// The same counter once more, which is allowed once.
        case duplicate
        /// This many packets are missing, modulo 16; 1 to 15.
        case gap(missingCount: Int)
    }

    // Per PID: 0xFF unseen, else the counter in the low bits and 0x10 when it has come twice.
    private var last = [UInt8](repeating: 0xFF, count: 8192)

    /// Gaps so far.
    public private(set) var gapCount = 0
    /// Allowed duplicates so far.
    public private(set) var duplicateCount = 0

    /// A checker that has seen nothing.
    public init() {}

    /// Looks at the next packet of the stream.
    public mutating func check(_ packet: TSPacket) -> Verdict {
        let pid = Int(packet.pid & 0x1FFF)
        guard pid != Int(TSPacket.nullPID), !packet.flags.contains(.hasTransportError) else {
            return .inOrder
        }
        let counter = packet.continuityCounter
        let before = last[pid]
        if before == 0xFF || packet.flags.contains(.isDiscontinuity) {
            last[pid] = counter
            return .inOrder
        }
        // Without a payload the counter stands still, and says nothing new.
        guard packet.flags.contains(.hasPayload) else { return .inOrder }
        if before == counter {
            last[pid] = counter | 0x10
            duplicateCount += 1
            return .duplicate
        }
        last[pid] = counter
        let missing = (counter &- (before & 0x0F) &- 1) & 0x0F
        if missing == 0 { return .inOrder }
        gapCount += 1
        return .gap(missingCount: Int(missing))
    }

    /// Forgets the counters, as a stream that starts anew requires; the counts stand.
    public mutating func reset() {
        for pid in last.indices { last[pid] = 0xFF }
    }
}
