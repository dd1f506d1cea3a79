import FreshetCore
import FreshetWire

/// Datagrams of a bare transport stream that wait for their playout, placed on the stream's own timeline by
/// the clock references (PCR) inside.
///
/// A datagram's time is known when the reference behind it has come; times between two references run
/// linearly with the bytes. While no reference comes, the last rate serves; without any rate a datagram has
/// no time.
struct TransportQueue: ~Copyable {
    /// A datagram and where it stands in the stream.
    struct Entry: ~Copyable {
        var packet: Packet
        var position: Int64
        var arrival: Instant
        var media: MediaTime?
    }

    /// How long the last rate serves when references stop.
    private static let guessInterval = Nanoseconds.seconds(1)

    private var entries: FixedRing<Entry>
    private var timedCount = 0
    private var finder = ClockFinder()
    private var timeline = PCRTimeline(fallbackBitRate: 4_000_000)
    private var position: Int64 = 0
    private var lastReference = Instant.zero

    /// Times that the stream's clock jumped.
    private(set) var jumpCount = 0

    /// An empty queue for `capacity` datagrams.
    init(capacity: Int) {
        entries = FixedRing(capacity: capacity)
    }

    var isEmpty: Bool { entries.isEmpty }
    var isFull: Bool { entries.isFull }
    var count: Int { entries.count }

    /// Takes a datagram in; `observe` learns of every datagram whose time is known now, in order. Traps when
    /// full.
    mutating func append(_ packet: consuming Packet, clock: inout SourceClock) {
        let arrival = packet.info.arrival
        let byteCount = packet.byteCount
        examine(packet, arrival)
        entries.append(Entry(packet: packet, position: position, arrival: arrival, media: nil))
        position &+= Int64(byteCount)
        setTimes(&clock)
    }

    private mutating func examine(_ packet: borrowing Packet, _ arrival: Instant) {
        let bytes = packet.bytes
        var offset = 0
        while offset &+ TSFramer.packetByteCount <= bytes.byteCount {
            if bytes.uint8(at: offset) == 0x47 {
                let end = offset &+ TSFramer.packetByteCount
                note(
                    finder.examine(bytes.extracting(offset..<end), at: position &+ Int64(offset)),
                    at: position &+ Int64(offset), arrival)
            }
            offset &+= TSFramer.packetByteCount
        }
    }

    private mutating func note(_ finding: ClockFinder.Finding, at position: Int64, _ arrival: Instant) {
        switch finding {
        case .none:
            return
        case .reference(let value, let isDiscontinuity):
            if timeline.add(value, at: position, isDiscontinuity: isDiscontinuity) { jumpCount += 1 }
        case .changed(let first, let last):
            timeline.changeClock()
            _ = timeline.add(first.value, at: first.position)
            if let last { _ = timeline.add(last.value, at: last.position) }
        }
        lastReference = arrival
    }

    private mutating func setTimes(_ clock: inout SourceClock) {
        guard let known = timeline.knownPosition else { return }
        while timedCount < entries.count, entries[timedCount].position <= known {
            let media = timeline.time(at: entries[timedCount].position)
            clock.observe(media, arrival: entries[timedCount].arrival)
            entries[timedCount].media = media
            timedCount &+= 1
        }
    }

    /// The datagram at the front: when it came, and its time if that is known.
    var front: (arrival: Instant, media: MediaTime?)? {
        if entries.isEmpty { return nil }
        return (entries[0].arrival, entries[0].media)
    }

    /// The front datagram cannot wait for a reference any longer: gives it the time that the last rate says,
    /// when there is one and it is not too old.
    mutating func guess(clock: inout SourceClock) {
        guard timedCount == 0, !entries.isEmpty, timeline.isRateKnown,
            entries[0].arrival - lastReference < TransportQueue.guessInterval
        else { return }
        timeline.extend(to: entries[0].position)
        setTimes(&clock)
    }

    /// Takes the front datagram.
    mutating func popFirst() -> Packet? {
        guard let entry = entries.popFirst() else { return nil }
        if timedCount > 0 { timedCount &-= 1 }
        return entry.packet
    }
}
