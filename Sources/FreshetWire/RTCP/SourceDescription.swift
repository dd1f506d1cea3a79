/// A source's canonical name (CNAME, RFC 3550 §6.5.1) in fixed storage, so that control packets are built without
/// allocation. Longer names are cut at ``capacity`` bytes.
public struct CanonicalName: Sendable, CustomStringConvertible {
    private var storage: InlineArray<64, UInt8>
    /// Bytes in use.
    public let byteCount: Int

    /// The most bytes a name keeps.
    public static let capacity = 64

    /// The UTF-8 bytes of `name`, cut at ``capacity`` and never inside a character.
    public init(_ name: String) {
        storage = .init(repeating: 0)
        var count = 0
        for scalar in name.unicodeScalars {
            let encoded = UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            if count &+ encoded.count > CanonicalName.capacity { break }
            for byte in encoded {
                storage[count] = byte
                count &+= 1
            }
        }
        byteCount = count
    }

    /// A copy of `bytes`, cut at ``capacity``.
    public init(copying bytes: RawSpan) {
        storage = .init(repeating: 0)
        byteCount = min(bytes.byteCount, CanonicalName.capacity)
        for index in 0..<byteCount { storage[index] = bytes.uint8(at: index) }
    }

    /// Byte `index` of the name; traps past the last.
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < byteCount)
        return storage[index]
    }

    /// True when `bytes` spell this name, so that a source can be told by it.
    public func matches(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount == byteCount else { return false }
        for index in 0..<byteCount where bytes.uint8(at: index) != storage[index] { return false }
        return true
    }

    /// The name as text; bytes that are not UTF-8 show as U+FFFD. Allocates: for people, not for the packet path.
    public var description: String {
        String(decoding: (0..<byteCount).map { storage[$0] }, as: UTF8.self)
    }
}

extension RTCPPacket {
    /// The CNAME that an SDES gives for `ssrc` (RFC 3550 §6.5); `nil` when it gives none or is not well
    /// formed up to it.
    @_lifetime(copy self)
    public func canonicalName(of ssrc: UInt32) -> RawSpan? {
        guard kind == Kind.sourceDescription else { return nil }
        var reader = ByteReader(bytes)
        guard reader.skip(4) else { return nil }
        for _ in 0..<count {
            guard let source = reader.uint32() else { return nil }
            // Items up to a zero; the chunk then goes on to the next multiple of 4.
            while let item = reader.uint8(), item != 0 {
                guard let length = reader.uint8(), let value = reader.take(Int(length)) else { return nil }
                if item == 1, source == ssrc { return value }
            }
            guard reader.skip((4 &- reader.position % 4) % 4) else { return nil }
        }
        return nil
    }
}
