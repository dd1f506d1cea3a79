public import FreshetCore

/// How long to wait before asking, so that of thousands who miss the same packet only a few do: a random
/// time in a window, late instants far likelier than early ones, the more so the larger the group (RFC 5401
/// §3.2.2, truncated exponential).
///
/// The wait is `window × (1 - x / λ)`, where λ = ln(group size) + 1 and x is exponentially distributed with
/// mean 1, drawn again until it is below λ. Integers only, so that a seed gives the same waits everywhere.
public enum NackBackoff {
    /// A wait in `0 ... window` for one of about `groupSize` members.
    public static func draw(
        window: Nanoseconds, groupSize: UInt64, random: inout PRNG
    ) -> Nanoseconds {
        if window <= .zero { return .zero }
        let lambda = naturalLogarithm(of: max(groupSize, 1)) &+ (1 << fractionBitCount)
        var part = exponential(&random)
        // At λ = 1, the smallest, one draw in e is too large; 64 of them in a row never happen.
        var tries = 0
        while part >= lambda, tries < 64 {
            part = exponential(&random)
            tries &+= 1
        }
        let early = window.count.multipliedReportingOverflow(by: min(part, lambda))
        let lead = early.overflow ? window.count / lambda &* part : early.partialValue / lambda
        return Nanoseconds(max(0, window.count &- lead))
    }

    /// Bits behind the point in the logarithms below.
    public static let fractionBitCount: Int64 = 16

    /// ln `value` in 1/65536, rounded down; 0 for 0.
    public static func naturalLogarithm(of value: UInt64) -> Int64 {
        // ln 2 is 45426 / 65536.
        (binaryLogarithm(of: value) &* 45_426) >> fractionBitCount
    }

    /// log₂ `value` in 1/65536, rounded down; 0 for 0. One squaring gives one bit behind the point.
    static func binaryLogarithm(of value: UInt64) -> Int64 {
        if value == 0 { return 0 }
        let zeros = value.leadingZeroBitCount
        var mantissa = (value << UInt64(zeros)) >> 32
        var result = Int64(63 &- zeros)
        for _ in 0..<fractionBitCount {
            mantissa = (mantissa &* mantissa) >> 31
            result <<= 1
            if mantissa >> 32 != 0 {
                result |= 1
                mantissa >>= 1
            }
        }
        return result
    }

    /// Exponentially distributed with mean 1, in 1/65536: minus the logarithm of a uniform number.
    private static func exponential(_ random: inout PRNG) -> Int64 {
        let uniform = random.next() | 1
        return (((64 << fractionBitCount) &- binaryLogarithm(of: uniform)) &* 45_426) >> fractionBitCount
    }
}
