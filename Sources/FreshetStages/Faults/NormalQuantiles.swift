/// The normal distribution in integers: quantiles at every 64th, from −3 to +3 standard deviations, as shares
/// of 65536.
enum NormalQuantiles {
    private static let table: InlineArray<65, UInt32> = [
        0, 9242, 12422, 14462, 16011, 17282, 18372, 19335, 20203, 20999, 21736, 22427, 23078, 23697, 24287,
        24854,
        25401, 25929, 26442, 26942, 27429, 27906, 28374, 28834, 29288, 29735, 30177, 30615, 31050, 31482,
        31912, 32340,
        32768, 33196, 33624, 34054, 34486, 34921, 35359, 35801, 36248, 36702, 37162, 37630, 38107, 38594,
        39094, 39607,
        40135, 40682, 41249, 41839, 42458, 43109, 43800, 44537, 45333, 46201, 47164, 48254, 49525, 51074,
        53114, 56294,
        65536,
    ]

    /// The share of the range (of 65536) that a 64-bit die stands for: interpolated between two quantiles.
    static func share(_ die: UInt64) -> UInt32 {
        let index = Int(die >> 58)
        let fraction = UInt32(truncatingIfNeeded: (die >> 42) & 0xFFFF)
        let low = table[index]
        return low + ((table[index + 1] - low) * fraction) >> 16
    }
}
