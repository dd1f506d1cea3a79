import FreshetCore

/// How often each value occurred, in classes whose width is 1/32 of the value: quantiles in constant memory.
public struct DelayHistogram: Sendable {
    private var counts = [UInt64](repeating: 0, count: 64 * 32)
    /// How many values.
    public private(set) var count: UInt64 = 0
    /// The largest value; 0 when there is none.
    public private(set) var maximum: Int64 = 0
    private var sum: Int128 = 0

    /// Of nothing.
    public init() {}

    /// Counts `value`; a negative one counts as 0.
    mutating func add(_ value: Int64) {
        let value = max(0, value)
        counts[DelayHistogram.index(of: UInt64(value))] += 1
        count += 1
        sum += Int128(value)
        if value > maximum { maximum = value }
    }

    /// Values up to 31 have a class each; beyond, each doubling has 32.
    private static func index(of value: UInt64) -> Int {
        if value < 32 { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 4) * 32 + Int((value >> UInt64(exponent - 5)) & 31)
    }

    private static func upperEnd(of index: Int) -> Int64 {
        if index < 32 { return Int64(index) }
        let exponent = index / 32 + 4
        let width = Int64(1) << Int64(exponent - 5)
        return (Int64(32 + index % 32) &+ 1) &* width &- 1
    }

    /// The value that `part` of `whole` values do not exceed (the upper end of its class); 0 when there is
    /// none.
    public func quantile(_ part: UInt64, of whole: UInt64) -> Int64 {
        if count == 0 { return 0 }
        let rank = UInt64((UInt128(count) * UInt128(part) + UInt128(whole) - 1) / UInt128(whole))
        var seen: UInt64 = 0
        for index in counts.indices {
            seen += counts[index]
            if seen >= max(rank, 1) { return min(DelayHistogram.upperEnd(of: index), maximum) }
        }
        return maximum
    }

    /// The mean in thousandths; 0 when there is none.
    public var meanThousandths: Int64 { count == 0 ? 0 : Int64(sum * 1000 / Int128(count)) }
}
