import FreshetCore

/// How many times something that happens with probability p does not happen before it does: draws the whole
/// run of misses at once, so that only hits cost anything.
///
/// Integers only. The bits of a geometric number are independent: bit j is set with probability
/// q^(2^j) / (1 + q^(2^j)), q = 1 − p, so a number is drawn with one die per bit and no logarithm, whose last
/// digit would differ from machine to machine.
struct GeometricSkip {
    /// For each bit, the die below which it is set.
    private var thresholds: [UInt64] = []
    private let isNever: Bool

    /// For a probability of `threshold` / 2⁶⁴; all ones means 1.
    init(threshold: UInt64) {
        isNever = threshold == 0
        if threshold == 0 || threshold == .max { return }
        // q^(2^j) as a fraction of 2⁶⁴.
        var power = 0 &- threshold
        while thresholds.count < 48 {
            let die = (UInt128(power) << 64) / ((UInt128(1) << 64) + UInt128(power))
            if die == 0 { break }
            thresholds.append(UInt64(truncatingIfNeeded: die))
            power = power.multipliedFullWidth(by: power).high
        }
    }

    /// For a probability of `part` in `whole`.
    init(_ part: Int, of whole: Int) {
        if part <= 0 || whole <= 0 {
            self.init(threshold: 0)
        } else if part >= whole {
            self.init(threshold: .max)
        } else {
            self.init(threshold: UInt64(truncatingIfNeeded: (UInt128(part) << 64) / UInt128(whole)))
        }
    }

    /// The misses before the next hit; `Int.max` when it never comes.
    func next(_ random: inout PRNG) -> Int {
        if isNever { return .max }
        var value = 0
        for bit in thresholds.indices where random.next() < thresholds[bit] { value |= 1 << bit }
        return value
    }
}
