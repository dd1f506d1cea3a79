import FreshetCore

/// How far apart the packets of a stream are on average, to say where one must stand whose timestamp cannot
/// be believed.
struct PacketPace: Sendable {
    private static let reach: UInt64 = 1000

    private var lastSequence: Int64 = 0
    private var lastMedia: MediaTime?
    /// Mean ticks of 27 MHz between two packets, with 8 bits of fraction.
    private var meanTicks: Int64?

    /// Where the packet with `sequence` is expected; `nil` while that cannot be said.
    @inline(__always)
    func expected(_ sequence: Int64) -> MediaTime? {
        guard let lastMedia, let meanTicks else { return nil }
        let distance = sequence &- lastSequence
        guard distance.magnitude <= PacketPace.reach else { return nil }
        return MediaTime(ticks: lastMedia.ticks &+ (distance &* meanTicks) >> 8)
    }

    /// The packet with `sequence` stands at `media`.
    @inline(__always)
    mutating func note(_ sequence: Int64, _ media: MediaTime) {
        guard let lastMedia else {
            lastSequence = sequence
            self.lastMedia = media
            return
        }
        let distance = sequence &- lastSequence
        if distance <= 0 && distance.magnitude <= PacketPace.reach { return }
        let ticks = media.ticks &- lastMedia.ticks
        if distance > 0 && distance.magnitude <= PacketPace.reach && ticks.magnitude <= 1 << 40 {
            let step = (ticks << 8) / distance
            if let mean = meanTicks { meanTicks = mean &+ (step &- mean) / 64 } else { meanTicks = step }
        }
        lastSequence = sequence
        self.lastMedia = media
    }
}
