/// What a member has and has not, as a bitmap: an RTCP APP packet named "FRSH", subtype 12, sent to the
/// designated receiver in groups where nobody asks aloud (RMTP; Lin and Paul, INFOCOM 1996). Its layout is
/// in the WireProtocol page.
public struct AckDigest: Equatable, Sendable {
    /// Whose digest it is.
    public var senderSSRC: UInt32
    /// The source whose packets it is about, retransmission bit clear.
    public var mediaSSRC: UInt32
    /// The extended sequence number of the first bit; all packets before it are there or given up.
    public var base: Int64
    /// How many packets from `base` on the bits tell of, up to ``bitLimit``.
    public private(set) var bitCount: Int
    private var words: InlineArray<32, UInt32>

    /// A digest from `base` on that tells of no packet yet.
    public init(senderSSRC: UInt32, mediaSSRC: UInt32, base: Int64) {
        self.senderSSRC = senderSSRC
        self.mediaSSRC = mediaSSRC
        self.base = base
        bitCount = 0
        words = .init(repeating: 0)
    }

    /// Tells of the next packet; false when the digest is full.
    public mutating func append(isMissing: Bool) -> Bool {
        guard bitCount < AckDigest.bitLimit else { return false }
        if isMissing { words[bitCount / 32] |= 1 << UInt32(31 &- bitCount % 32) }
        bitCount &+= 1
        return true
    }

    /// True when the packet `base + index` is missing; false past the last bit.
    public func isMissing(_ index: Int) -> Bool {
        guard index >= 0, index < bitCount else { return false }
        return words[index / 32] & 1 << UInt32(31 &- index % 32) != 0
    }

    /// The APP subtype of a digest.
    public static let subtype = 12
    /// Bytes in front of the bits.
    public static let headerByteCount = 32
    /// The most packets one digest tells of.
    public static let bitLimit = 1024
    /// Bytes of the whole packet.
    public var byteCount: Int { AckDigest.headerByteCount &+ (bitCount &+ 31) / 32 &* 4 }

    /// The digest in `packet`; `nil` when it is something else, too short for its bits, or of a version that is not
    /// understood.
    public init?(_ packet: borrowing RTCPPacket) {
        guard packet.isGroupMessage(AckDigest.subtype, byteCount: AckDigest.headerByteCount) else {
            return nil
        }
        let bytes = packet.bytes
        let count = Int(bytes.uint16(at: 14))
        guard count <= AckDigest.bitLimit else { return nil }
        self.init(
            senderSSRC: bytes.uint32(at: 4), mediaSSRC: RTPHeader.originalSSRC(bytes.uint32(at: 16)),
            base: Int64(bitPattern: bytes.uint64(at: 24)))
        bitCount = count
        guard bytes.byteCount >= byteCount else { return nil }
        for word in 0..<(count &+ 31) / 32 {
            words[word] = bytes.uint32(at: AckDigest.headerByteCount &+ 4 &* word)
        }
        // Bits past the last are nothing.
        if count % 32 != 0 { words[count / 32] &= UInt32.max << UInt32(32 &- count % 32) }
    }

    /// Two digests are the same when every field and every bit is.
    public static func == (a: AckDigest, b: AckDigest) -> Bool {
        guard a.senderSSRC == b.senderSSRC, a.mediaSSRC == b.mediaSSRC, a.base == b.base else { return false }
        guard a.bitCount == b.bitCount else { return false }
        for word in 0..<32 where a.words[word] != b.words[word] { return false }
        return true
    }

    fileprivate func word(_ index: Int) -> UInt32 { words[index] }
}

extension CompoundWriter {
    /// Writes a digest.
    @_lifetime(self: copy self)
    public mutating func write(_ digest: AckDigest) {
        let total = digest.byteCount
        guard beginGroupMessage(AckDigest.subtype, ssrc: digest.senderSSRC, flags: 0, byteCount: total) else {
            return
        }
        writer.write(UInt16(truncatingIfNeeded: digest.bitCount))
        writer.write(digest.mediaSSRC)
        writer.write(0 as UInt32)
        writer.write(UInt64(bitPattern: digest.base))
        for word in 0..<(digest.bitCount &+ 31) / 32 { writer.write(digest.word(word)) }
    }
}
