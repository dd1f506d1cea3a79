import CLinux

/// The system's randomness, for seeds. Everything else is drawn from a seeded generator.
public enum SystemRandom {
    /// Sixty-four bits that nobody can guess; the clock's when the system has none.
    public static func next() -> UInt64 {
        var value: UInt64 = 0
        if clinux_random(&value) == 0 { return value }
        return UInt64(bitPattern: clinux_monotonic_nanoseconds())
    }
}
