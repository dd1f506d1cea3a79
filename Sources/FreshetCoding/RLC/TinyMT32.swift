/// The generator of coding coefficients: TinyMT32 with the parameters of RFC 8682 §2.
///
/// Both ends draw the same numbers from the same seed, so a repair packet carries a key of 16 bits and not
/// its coefficients.
struct TinyMT32 {
    private static let matrix1: UInt32 = 0x8F70_11EE
    private static let matrix2: UInt32 = 0xFC78_FF1F
    private static let temper: UInt32 = 0x3793_FDFF

    private var s0: UInt32
    private var s1: UInt32
    private var s2: UInt32
    private var s3: UInt32

    /// A generator whose sequence follows from `seed`.
    init(seed: UInt32) {
        var state: InlineArray<4, UInt32> = [seed, TinyMT32.matrix1, TinyMT32.matrix2, TinyMT32.temper]
        for index in 1..<8 {
            let last = state[(index &- 1) & 3]
            state[index & 3] ^= UInt32(index) &+ 1_812_433_253 &* (last ^ (last >> 30))
        }
        s0 = state[0]
        s1 = state[1]
        s2 = state[2]
        s3 = state[3]
        for _ in 0..<8 { step() }
    }

    private mutating func step() {
        var y = s3
        var x = (s0 & 0x7FFF_FFFF) ^ s1 ^ s2
        x ^= x << 1
        y ^= (y >> 1) ^ x
        s0 = s1
        s1 = s2
        s2 = x ^ (y << 10)
        s3 = y
        if y & 1 != 0 {
            s1 ^= TinyMT32.matrix1
            s2 ^= TinyMT32.matrix2
        }
    }

    /// The next 32 bits.
    mutating func next() -> UInt32 {
        step()
        let sum = s0 &+ (s2 >> 8)
        return s3 ^ sum ^ (sum & 1 != 0 ? TinyMT32.temper : 0)
    }

    /// A number from 0 to 15 (RFC 8681 §3.5).
    mutating func next16() -> UInt8 { UInt8(truncatingIfNeeded: next() & 0xF) }

    /// A number from 0 to 255 (RFC 8681 §3.5).
    mutating func next256() -> UInt8 { UInt8(truncatingIfNeeded: next() & 0xFF) }
}
