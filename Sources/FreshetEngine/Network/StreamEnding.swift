internal import FreshetCore
internal import FreshetNet
internal import FreshetWire

/// What the chosen source has said beside the stream: how far it has come, and whether it is over.
struct StreamEnding {
    /// How long packets that are still under way may take after the goodbye; what is asked for again has its own
    /// latency on top.
    static let grace = Nanoseconds.milliseconds(250)

    /// The highest sequence number announced.
    private(set) var announcedSequence: Int64?
    /// The number of packets announced with it.
    private(set) var announcedCount: UInt64 = 0
    /// When the stream is taken to be over; `nil` before a goodbye.
    private(set) var deadline: Instant?

    /// Reads an RTCP datagram of the chosen source's host. With RTP, only what is said of `ssrc` counts.
    /// What is missing may come up to `repairLatency` later than the grace.
    mutating func read(
        _ datagram: RawSpan, ssrc: UInt32?, repairLatency: Nanoseconds = .zero, now: Instant
    ) {
        guard var compound = CompoundPacket(parsing: datagram) else { return }
        var isOver = false
        while let packet = compound.next() {
            if let heartbeat = Heartbeat(packet), ssrc == nil || heartbeat.ssrc == ssrc {
                announcedSequence = heartbeat.highestSequence
                announcedCount = heartbeat.packetCount
            }
            if packet.goodbyeCount > 0, let ssrc {
                isOver = isOver || packet.saysGoodbye(for: ssrc)
            } else if packet.goodbyeCount > 0 {
                isOver = true
            }
        }
        if isOver && deadline == nil { deadline = now + StreamEnding.grace + repairLatency }
    }

    /// Media came at `arrival`. A goodbye that names no source (bare TS) may be another program's of the same
    /// host: media in the second half of the grace shows that ours goes on.
    mutating func disbelieve(after arrival: Instant) {
        guard let end = deadline, arrival > end - StreamEnding.grace / 2 else { return }
        deadline = nil
    }

    /// True when the stream is over and every packet of it has come, or may no longer be waited for.
    /// `highest` is the highest sequence number that came, where there are any. Unless all came in order,
    /// duplicates may be among those `received`, and the number shows nothing.
    /// `isWhole` says that nothing before it is missing.
    func isOver(
        received: Int, highest: Int64?, isInOrder: Bool = true, isWhole: Bool = false, now: Instant
    ) -> Bool {
        guard let deadline else { return false }
        if now >= deadline { return true }
        if isWhole, announcedSequence != nil, let highest, lostTail(after: highest) == 0 { return true }
        guard isInOrder, announcedSequence != nil, UInt64(received) >= announcedCount else { return false }
        return highest.map { lostTail(after: $0) == 0 } ?? true
    }

    /// How many packets after `highest` were sent and never came (the gaps before it are the reorder buffer's
    /// to count).
    func lostTail(after highest: Int64) -> Int {
        guard let announcedSequence else { return 0 }
        // Both count the same packets, but may begin at different multiples of 65536.
        let distance = Int16(truncatingIfNeeded: announcedSequence &- highest)
        return distance > 0 ? Int(distance) : 0
    }

    /// Forgets everything: a new source was chosen.
    mutating func reset() { self = StreamEnding() }
}
