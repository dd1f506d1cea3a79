public import FreshetCore

/// What is known of the way to a peer and back: a smoothed round trip and its spread (RFC 6298 §2, in
/// integers), and the shortest seen lately.
public struct RoundTrip: Sendable {
    /// The smoothed round trip; `nil` before the first measurement.
    public private(set) var smoothed: Nanoseconds?
    /// The mean deviation from it.
    public private(set) var variation = Nanoseconds.zero
    private var shortest = Nanoseconds.zero

    /// Longer answers are not believed: the other side, or the network, is making fun of us.
    public static let limit = Nanoseconds.seconds(10)

    /// Nothing measured.
    public init() {}

    /// An answer came after `span`.
    public mutating func note(_ span: Nanoseconds) {
        guard span.count >= 0, span <= RoundTrip.limit else { return }
        guard let old = smoothed else {
            smoothed = span
            shortest = span
            variation = span / 4
            return
        }
        let difference = Nanoseconds(abs((span - old).count))
        variation = variation + (difference - variation) / 4
        smoothed = old + (span - old) / 8
        // The shortest creeps up by 1/32 of its distance, so that a longer route is learnt too.
        shortest = span < shortest ? span : shortest + (span - shortest) / 32
    }

    /// The soonest an answer can come; `fallback` before the first measurement.
    public func soonest(_ fallback: Nanoseconds) -> Nanoseconds { smoothed == nil ? fallback : shortest }

    /// By when nearly every answer has come: four deviations and `margin` over the mean; `fallback` before the first
    /// measurement.
    public func latest(margin: Nanoseconds, _ fallback: Nanoseconds) -> Nanoseconds {
        guard let smoothed else { return fallback }
        return smoothed + variation * 4 + margin
    }
}
