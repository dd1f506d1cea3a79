public import FreshetCore

/// What a run must hold at every moment.
public enum Invariant: String, Sendable {
    /// A player is given packets in the order in which they were sent.
    case order
    /// A player is given no packet twice.
    case duplicate
    /// What a player is given is what was sent under that number.
    case content
    /// No packet waits longer than the latency.
    case deadline
    /// Nothing, or little, is asked for that cannot come in time.
    case hopeless
    /// Nobody asks more than the losses are worth.
    case storm
    /// Repairs stay within their share of the media's bytes.
    case budget
    /// Nobody holds more than latency and bit rate make necessary.
    case memory
    /// After the last fault everybody is given everything again.
    case healing
    /// Players miss no more than allowed.
    case residual
    /// Nobody wants to be called again and again at one moment.
    case rest
    /// Nobody receives from itself, by whatever way.
    case cycle
    /// Nobody is without packets for long while the stream goes on.
    case split
    /// Nobody sends to more than its uplink carries.
    case slots
    /// Nobody is farther from the source than allowed.
    case depth
    /// Packets come in time.
    case timely
    /// Viewers see no gap.
    case whole
}

/// An invariant that was broken: where and when.
public struct Violation: Sendable, CustomStringConvertible {
    /// Which.
    public var invariant: Invariant
    /// When, in the world's time.
    public var time: Instant
    /// At whom.
    public var host: String
    /// What was seen.
    public var detail: String

    /// One sentence.
    public var description: String {
        "\(invariant.rawValue): \(detail); at \(Violation.seconds(time)), \(host)"
    }

    /// `time` in seconds with microseconds.
    static func seconds(_ time: Instant) -> String {
        let micros = time.nanoseconds / 1000
        let fraction = String(micros % 1_000_000)
        return "\(micros / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction) s"
    }
}
