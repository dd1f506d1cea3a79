import FreshetCore

/// A 64-bit fingerprint of all that happened, in order. The same on every machine: it mixes numbers, never
/// addresses or hash values of the run.
public struct Digest: Sendable, Equatable, CustomStringConvertible {
    /// The fingerprint so far.
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Of nothing.
    public init() {}

    /// Mixes `word` in.
    @inline(__always)
    mutating func mix(_ word: UInt64) {
        var mixed = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
        value = mixed &* 0xD6E8_FEB8_6659_FD93 &+ word
    }

    /// Mixes an event in: when, what, from where, to where, how long.
    @inline(__always)
    mutating func mix(_ time: Instant, _ what: UInt64, _ from: Int32, _ to: Int32, _ byteCount: Int32) {
        mix(UInt64(bitPattern: time.nanoseconds))
        mix(UInt64(UInt32(bitPattern: from)) << 32 | UInt64(UInt32(bitPattern: to)))
        mix(what << 32 | UInt64(UInt32(bitPattern: byteCount)))
    }

    /// Mixes bytes in.
    mutating func mix(_ bytes: RawSpan) {
        var word: UInt64 = 0
        for index in 0..<bytes.byteCount {
            word = word << 8 | UInt64(bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self))
            if index & 7 == 7 {
                mix(word)
                word = 0
            }
        }
        mix(word ^ UInt64(bytes.byteCount))
    }

    /// Sixteen hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
