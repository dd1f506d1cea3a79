internal import FreshetCore
internal import FreshetWire

/// Whether a source may be asked for what is missing: because the user says so, or because it has said that it answers.
struct RepairConsent {
    /// So many packets of a source are followed before it has said that it answers, so that what is missing among them
    /// can be asked for then.
    private static let unansweredLimit = 1000

    private let mode: RepairMode
    /// The source may be asked.
    private(set) var isGiven: Bool
    private var unansweredCount = 0

    /// Consent by `mode` alone: nothing was heard yet.
    init(_ mode: RepairMode) {
        self.mode = mode
        isGiven = mode == .on
    }

    /// Another source begins.
    mutating func reset() { self = RepairConsent(mode) }

    /// A packet came; true when it is to be followed.
    @inline(__always)
    mutating func follows() -> Bool {
        if isGiven { return true }
        if unansweredCount == RepairConsent.unansweredLimit { return false }
        unansweredCount += 1
        return true
    }

    /// A control datagram of the source `ssrc` came: a heartbeat may say that it answers.
    mutating func read(_ datagram: RawSpan, ssrc: UInt32) {
        guard !isGiven, var compound = CompoundPacket(parsing: datagram) else { return }
        while let packet = compound.next() {
            if let heartbeat = Heartbeat(packet), heartbeat.ssrc == ssrc {
                isGiven = heartbeat.flags.contains(.answersRequests)
                return
            }
        }
    }
}
