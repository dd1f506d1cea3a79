/// A seeded generator of pseudo-random integers: xoshiro256** (Blackman and Vigna, "Scrambled linear
/// pseudorandom number generators", 2021), seeded by SplitMix64.
///
/// Integers only, so the same seed gives the same numbers on every machine. Chances are ratios, never floats.
public struct PRNG: RandomNumberGenerator, Sendable {
    @usableFromInline var s0: UInt64
    @usableFromInline var s1: UInt64
    @usableFromInline var s2: UInt64
    @usableFromInline var s3: UInt64

    /// A generator whose whole sequence follows from `seed`.
    public init(seed: UInt64) {
        var state = seed
        s0 = PRNG.splitMix(&state)
        s1 = PRNG.splitMix(&state)
        s2 = PRNG.splitMix(&state)
        s3 = PRNG.splitMix(&state)
    }

    private static func splitMix(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The next 64 random bits.
    @inlinable public mutating func next() -> UInt64 {
        let scrambled = PRNG.rotate(s1 &* 5, by: 7) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = PRNG.rotate(s3, by: 45)
        return scrambled
    }

    @inlinable static func rotate(_ value: UInt64, by bits: UInt64) -> UInt64 {
        (value << bits) | (value >> (64 - bits))
    }

    /// A number in `0 ..< bound`, each equally likely but for a bias below 2⁻³² (Lemire's multiply-shift).
    @inlinable public mutating func below(_ bound: UInt64) -> UInt64 {
        precondition(bound > 0)
        return next().multipliedFullWidth(by: bound).high
    }

    /// True `numerator` times in `denominator`.
    @inlinable public mutating func chance(_ numerator: UInt64, in denominator: UInt64) -> Bool {
        if numerator == 0 { return false }
        return below(denominator) < numerator
    }

    /// A generator of its own for the part called `label`: adding a part never changes another's numbers.
    public func split(by label: UInt64) -> PRNG {
        var mixed = s0 ^ (label &* 0xD6E8_FEB8_6659_FD93)
        return PRNG(seed: PRNG.splitMix(&mixed) ^ s3)
    }
}
