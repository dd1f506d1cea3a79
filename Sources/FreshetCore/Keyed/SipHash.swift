/// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a keyed 64-bit tag over short
/// messages, for tickets and cookies. Without the key nobody can make a tag, or say anything about it.
///
/// Fed in whole 64-bit words, which every message here is made of; the length in words closes it. The value is the
/// state: start one per message.
public struct SipHash: Sendable {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    private var byteCount: UInt64 = 0

    /// A tag under `key` over nothing yet.
    public init(key: SipKey) {
        v0 = key.low ^ 0x736f_6d65_7073_6575
        v1 = key.high ^ 0x646f_7261_6e64_6f6d
        v2 = key.low ^ 0x6c79_6765_6e65_7261
        v3 = key.high ^ 0x7465_6462_7974_6573
    }

    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        value << bits | value >> (64 &- bits)
    }

    private mutating func round() {
        v0 &+= v1
        v2 &+= v3
        v1 = SipHash.rotate(v1, 13) ^ v0
        v3 = SipHash.rotate(v3, 16) ^ v2
        v0 = SipHash.rotate(v0, 32)
        v2 &+= v1
        v0 &+= v3
        v1 = SipHash.rotate(v1, 17) ^ v2
        v3 = SipHash.rotate(v3, 21) ^ v0
        v2 = SipHash.rotate(v2, 32)
    }

    private mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    /// Adds the eight bytes of `word`, least significant first.
    public mutating func combine(_ word: UInt64) {
        byteCount &+= 8
        compress(word)
    }

    /// Closes the message with up to seven more bytes, `tail`'s lowest `count`, and gives the tag.
    public func tag(tail: UInt64 = 0, count: Int = 0) -> UInt64 {
        var copy = self
        let rest = count == 0 ? 0 : tail & (1 << (8 &* UInt64(count)) &- 1)
        copy.compress((byteCount &+ UInt64(count)) << 56 | rest)
        copy.v2 ^= 0xFF
        for _ in 0..<4 { copy.round() }
        return copy.v0 ^ copy.v1 ^ copy.v2 ^ copy.v3
    }
}

/// A secret of 128 bits for ``SipHash``.
public struct SipKey: Hashable, Sendable {
    /// The first eight bytes of the key, least significant first.
    public var low: UInt64
    /// The last eight.
    public var high: UInt64

    /// The key of these halves.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// A key for `label` that follows from this one and tells nothing about it.
    public func derived(for label: UInt64) -> SipKey {
        var first = SipHash(key: self)
        first.combine(label)
        var second = first
        second.combine(~label)
        return SipKey(low: first.tag(), high: second.tag())
    }
}
