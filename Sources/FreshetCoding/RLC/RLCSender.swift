public import FreshetCore

/// Sends parity ahead of need: says after each packet whether a repair is due, of which window.
///
/// Repairs are spread evenly, one for so many packets, and each covers all packets of the last ``Configuration/window``.
/// So every packet is in many repairs, and a burst is mended by those that follow it, however long it is, as
/// soon as as many have come as packets were lost. How many follow the losses that receivers report.
public struct RLCSender: ~Copyable {
    /// How much is sent, and of what.
    public struct Configuration: Sendable, Equatable {
        /// Repairs per million packets at least, and at most.
        public var floor: Int
        /// See `floor`.
        public var cap: Int
        /// How far back a repair reaches: the delay that receivers can mend within.
        public var window: Nanoseconds
        /// Packets that a repair reaches back at most.
        public var packetLimit: Int
        /// Bytes of the longest packet.
        public var packetByteCount: Int

        /// From `floor` to `cap` repairs per million packets, of the packets of `window`.
        public init(
            floor: Int, cap: Int, window: Nanoseconds, packetLimit: Int = 512, packetByteCount: Int = 1472
        ) {
            self.floor = floor
            self.cap = cap
            self.window = window
            self.packetLimit = packetLimit
            self.packetByteCount = packetByteCount
        }
    }

    private let configuration: Configuration
    private var encoder: RLCEncoder
    /// When each of the last packets departed.
    private var departures: FixedRing<Instant>
    private var credit = 0
    private var key: UInt16
    private var ssrc: UInt32 = 0
    private var dueCount = 0
    /// Repairs per million packets now.
    public private(set) var rate: Int

    private static let million = 1_000_000

    /// A sender whose repair keys begin at `key`.
    public init(_ configuration: Configuration, key: UInt16) {
        self.configuration = configuration
        encoder = RLCEncoder(
            maximumWindow: configuration.packetLimit, symbolByteCount: configuration.packetByteCount + 2)
        departures = FixedRing(capacity: configuration.packetLimit)
        rate = configuration.floor
        self.key = key
    }

    /// Learns that `packet`, a whole RTP packet, departs at `now`.
    public mutating func add(_ packet: borrowing Packet, now: Instant) {
        let info = packet.info
        guard info.flags.contains(.hasSequence), !info.flags.contains(.isRetransmission) else { return }
        let former = encoder.highest
        if info.ssrc != ssrc {
            ssrc = info.ssrc
            departures.removeAll()
        }
        encoder.add(packet)
        guard encoder.highest != former else { return }
        if departures.isFull { _ = departures.popFirst() }
        departures.append(now)
        while let first = departures.popFirst() {
            if now - first <= configuration.window {
                departures.prepend(first)
                break
            }
        }
        credit &+= rate
        if credit >= RLCSender.million {
            credit &-= RLCSender.million
            dueCount &+= 1
        }
    }

    /// Writes the next repair that is due, header and symbol, into `target`; 0 when none is. Ask after each
    /// packet, until 0.
    public mutating func next(into target: inout MutableRawSpan) -> Int {
        guard dueCount > 0, let last = encoder.highest else { return 0 }
        dueCount &-= 1
        let count = encoder.run(endingAt: last, limit: max(1, departures.count))
        key &+= 1
        return encoder.repair(
            first: last &- Int64(count) &+ 1, count: count, key: key,
            density: CoefficientGenerator.fullDensity, into: &target)
    }

    /// The stream is over: the last packets get the repairs that others would have brought them.
    public mutating func finish() {
        dueCount = (departures.count &* rate &+ RLCSender.million - 1) / RLCSender.million
    }

    /// Follows the worst loss that a receiver reports, in parts per million: twice that and a little, between
    /// floor and cap. Whoever claims more than there is gains no more than the cap.
    public mutating func follow(loss: Int) {
        let wanted = max(0, min(loss, RLCSender.million)) &* 2 &+ 10_000
        rate = max(configuration.floor, min(wanted, configuration.cap))
    }
}
