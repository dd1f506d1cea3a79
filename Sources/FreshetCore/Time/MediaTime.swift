/// A point on a stream's own clock, in ticks of 27 MHz (the MPEG system clock, ISO/IEC 13818-1 §2.4.2),
/// already unwrapped to 64 bits.
///
/// It is a third kind of time beside ``Instant`` (this host's clock) and the wall clock: the three never mix
/// without a named conversion.
public struct MediaTime: Comparable, Hashable, Sendable {
    /// Ticks of 27 MHz.
    public var ticks: Int64

    /// The time `ticks` of 27 MHz after the stream's zero.
    @inlinable public init(ticks: Int64) { self.ticks = ticks }
    /// The time given in ticks of 90 kHz (PTS, DTS, RTP timestamps of MPEG-TS).
    @inlinable public init(ticks90k: Int64) { self.ticks = ticks90k &* 300 }

    /// Ticks of 27 MHz in one second.
    @inlinable public static var ticksPerSecond: Int64 { 27_000_000 }

    /// This time in ticks of 90 kHz, rounded down.
    @inlinable public var ticks90k: Int64 { ticks >= 0 ? ticks / 300 : -((-ticks + 299) / 300) }

    /// Orders media times.
    @inlinable public static func < (a: MediaTime, b: MediaTime) -> Bool { a.ticks < b.ticks }

    /// The span from `earlier` to this time at the nominal clock rate (1 tick = 1000/27 ns), rounded down.
    ///
    /// Exact for any span.
    @inlinable public func since(_ earlier: MediaTime) -> Nanoseconds {
        let difference = ticks &- earlier.ticks
        // 64 bits do for ten years; the wide division costs 150 instructions.
        if difference.magnitude < 1 << 53 { return Nanoseconds(difference &* 1000 / 27) }
        let product = Int128(difference) * 1000
        return Nanoseconds(Int64(truncatingIfNeeded: product / 27))
    }

    /// This time moved by `span` at the nominal clock rate.
    @inlinable public func advanced(by span: Nanoseconds) -> MediaTime {
        if span.count.magnitude < 1 << 58 { return MediaTime(ticks: ticks &+ span.count &* 27 / 1000) }
        let product = Int128(span.count) * 27
        return MediaTime(ticks: ticks &+ Int64(truncatingIfNeeded: product / 1000))
    }
}

/// Unwraps a counter that the wire carries in `bitCount` bits (RTP timestamp 32, PTS/DTS and PCR base 33, RTP
/// sequence number 16) to 64 bits.
///
/// Each value is placed at the point nearest to the last one, so a counter may step back by almost half its
/// range (reordering) without being taken for a wrap (RFC 3550 appendix A.1).
public struct CounterUnwrapper: Sendable {
    /// How many bits the wire carries.
    public let bitCount: Int
    /// The last value given out; `nil` before the first.
    public private(set) var last: Int64?

    /// An unwrapper for counters of `bitCount` bits (1 to 62).
    public init(bitCount: Int) {
        precondition((1...62).contains(bitCount))
        self.bitCount = bitCount
    }

    /// The 64-bit value of `wrapped` nearest to the last one; remembers it.
    public mutating func unwrap(_ wrapped: UInt64) -> Int64 {
        let value = peek(wrapped)
        last = value
        return value
    }

    /// The 64-bit value that ``unwrap(_:)`` would give, without remembering it.
    public func peek(_ wrapped: UInt64) -> Int64 {
        let modulus = Int64(1) << Int64(bitCount)
        let low = Int64(truncatingIfNeeded: wrapped) & (modulus - 1)
        guard let last else { return low }
        var step = (low &- last) & (modulus - 1)
        if step > modulus / 2 { step -= modulus }
        return last &+ step
    }

    /// Forgets the past: the next value stands as it is.
    public mutating func reset() { last = nil }

    /// Forgets the past; the next value is the one nearest to `value`.
    public mutating func reset(to value: Int64) { last = value }
}
