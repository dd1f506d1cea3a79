public import FreshetCore

/// A wall-clock time in NTP's 64-bit format: seconds since 1 January 1900 and a fraction of 2⁻³² s (RFC 3550 §4,
/// RFC 5905 §6). Seconds wrap in 2036.
public struct NTPTime: Equatable, Hashable, Sendable {
    /// Seconds in the high 32 bits, the fraction in the low.
    public var bits: UInt64

    /// The time as it stands on the wire.
    public init(bits: UInt64) { self.bits = bits }

    /// From 1 January 1900 to 1 January 1970: 70 years with 17 leap days.
    private static let secondsToUnix: UInt64 = 2_208_988_800

    /// The time `unixNanoseconds` after 1 January 1970 UTC; the fraction is rounded down.
    public init(unixNanoseconds: Int64) {
        let second =
            unixNanoseconds >= 0
            ? unixNanoseconds / 1_000_000_000 : (unixNanoseconds &+ 1) / 1_000_000_000 &- 1
        let rest = UInt64(truncatingIfNeeded: unixNanoseconds &- second &* 1_000_000_000)
        let seconds = UInt64(truncatingIfNeeded: second) &+ NTPTime.secondsToUnix
        bits = seconds << 32 | (rest << 32) / 1_000_000_000
    }

    /// Nanoseconds since 1 January 1970 UTC. Seconds below 2³¹ are taken to be after the wrap of 2036 (RFC 4330 §3).
    public var unixNanoseconds: Int64 {
        var seconds = Int64(bits >> 32)
        if seconds < 1 << 31 { seconds &+= 1 << 32 }
        let fraction = (bits & 0xFFFF_FFFF) &* 1_000_000_000
        // Rounded up: a nanosecond survives the way there and back.
        let rest = Int64((fraction &+ 0xFFFF_FFFF) >> 32)
        return (seconds &- Int64(NTPTime.secondsToUnix)) &* 1_000_000_000 &+ rest
    }

    /// The middle 32 bits, in 2⁻¹⁶ s: what LSR and round trips are told in (RFC 3550 §6.4.1).
    public var middle: UInt32 { UInt32(truncatingIfNeeded: bits >> 16) }

    /// `span` in 2⁻¹⁶ s, as DLSR is told (RFC 3550 §6.4.1); at most 18 hours, never negative.
    public static func middle(of span: Nanoseconds) -> UInt32 {
        if span.count <= 0 { return 0 }
        return UInt32(clamping: Int128(span.count) * 65_536 / 1_000_000_000)
    }

    /// The span of `middle` ticks of 2⁻¹⁶ s, rounded down.
    public static func span(ofMiddle middle: UInt32) -> Nanoseconds {
        Nanoseconds(Int64(middle) &* 1_000_000_000 / 65_536)
    }

    /// The round trip told by a report block that came in at `now`: now − LSR − DLSR, in wrapping 2⁻¹⁶ s
    /// (RFC 3550 §6.4.1). `nil` when the block answers no report, or is older than its own delay.
    public static func roundTrip(now: NTPTime, lastReport: UInt32, delay: UInt32) -> Nanoseconds? {
        guard lastReport != 0 else { return nil }
        let ticks = Int32(truncatingIfNeeded: now.middle &- lastReport &- delay)
        return ticks >= 0 ? span(ofMiddle: UInt32(ticks)) : nil
    }
}
