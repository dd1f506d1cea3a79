import FreshetCore

/// How many bytes of a stream go by per tick of its clock, measured over the last one to two seconds.
///
/// Two sums that take turns, never divided or decayed: on a constant-rate stream the quotient is then exact
/// to the one tick by which its clock references are rounded.
struct ByteRate: Sendable {
    private var byteCounts = (old: Int64(0), new: Int64(0))
    private var tickCounts = (old: Int64(0), new: Int64(0))

    /// True once something was measured.
    var isKnown: Bool { tickCounts.new > 0 || tickCounts.old > 0 }

    /// Takes in that `byteCount` bytes went by in `ticks` of 27 MHz.
    mutating func add(byteCount: Int64, ticks: Int64) {
        guard byteCount > 0, ticks > 0 else { return }
        if tickCounts.new >= MediaTime.ticksPerSecond {
            byteCounts = (byteCounts.new, 0)
            tickCounts = (tickCounts.new, 0)
        }
        byteCounts.new &+= byteCount
        tickCounts.new &+= ticks
    }

    /// The ticks of 27 MHz that `byteCount` bytes (negative: backwards) take at this rate, rounded to the
    /// nearest; 0 while the rate is not known.
    func ticks(for byteCount: Int64) -> Int64 {
        let bytes = byteCounts.old &+ byteCounts.new
        guard bytes > 0 else { return 0 }
        return roundedQuotient(byteCount, tickCounts.old &+ tickCounts.new, by: bytes)
    }

    /// A rate of `bitsPerSecond`.
    init(bitsPerSecond: Int) {
        add(byteCount: Int64(max(1, bitsPerSecond)), ticks: 8 &* MediaTime.ticksPerSecond)
    }

    /// A rate not known yet.
    init() {}
}

/// `a * b / divisor`, rounded to the nearest (halves up), exact for every 64-bit product and beyond.
func roundedQuotient(_ a: Int64, _ b: Int64, by divisor: Int64) -> Int64 {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    if overflow || product.magnitude > UInt64(Int64.max / 2) {
        let wide = Int128(a) * Int128(b) * 2 + Int128(divisor)
        let twice = Int128(divisor) * 2
        let quotient = wide / twice
        return Int64(truncatingIfNeeded: wide % twice < 0 ? quotient - 1 : quotient)
    }
    let shifted = product &+ divisor / 2
    let quotient = shifted / divisor
    return shifted % divisor < 0 ? quotient &- 1 : quotient
}
