public import FreshetCore

extension TSPacketizer {
    /// Where the schedule comes from.
    public enum Clock: Sendable {
        /// The stream's own clock references.
        case reference
        /// The instants at which packets arrive; nothing is held and the cut into datagrams is kept.
        case arrival
    }

    /// Which byte of a datagram its time is that of.
    public enum Anchor: Sendable {
        /// Always its first one (RFC 2250 §2).
        case firstByte
        /// That of the first clock reference inside, where there is one. A datagram leaves as one: so it is
        /// the reference that is in time at the receiver, which recovers the clock from it, not the up to six
        /// packets before it.
        case reference
    }

    /// What a packetizer is told.
    public struct Configuration: Sendable {
        /// TS packets to a datagram, 1 to 7.
        public var packetsPerDatagram = 7
        /// Where the schedule comes from.
        public var clock = Clock.reference
        /// Which byte of a datagram its time is that of.
        public var anchor = Anchor.firstByte
        /// Bits per second where nothing else says how time goes by.
        public var fallbackBitRate = 4_000_000
        /// Most datagrams held. 2048 of 1316 bytes are 359 ms at 60 Mbit/s, or a picture of 2.7 MB between
        /// two references.
        public var holdLimit = 2048
        /// How long a datagram waits for a reference while no input comes.
        public var holdTimeout = Nanoseconds.milliseconds(250)
        /// SSRC; the lowest bit is cleared.
        public var ssrc: UInt32 = 0
        /// The first sequence number, extended; its low 16 bits go on the wire.
        public var firstSequence: Int64 = 0
        /// The RTP timestamp of media time 0.
        public var timestampOffset: UInt32 = 0
        /// The epoch noted in ``PacketInfo``.
        public var epoch: UInt32 = 0

        /// The defaults, with nothing random: identifiers are 0.
        public init() {}

        /// The defaults with identifiers as RFC 3550 §5.1 wants them: random.
        public init(random: inout PRNG) {
            ssrc = UInt32(truncatingIfNeeded: random.next()) & ~1
            firstSequence = Int64(random.below(1 << 15))
            timestampOffset = UInt32(truncatingIfNeeded: random.next())
        }
    }
}
