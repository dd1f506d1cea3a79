extension RTCPPacket {
    /// How many sources a BYE says goodbye for, as far as its bytes reach; 0 in other kinds (RFC 3550 §6.6).
    public var goodbyeCount: Int {
        kind == Kind.goodbye ? min(count, (bytes.byteCount &- 4) / 4) : 0
    }

    /// Source `index` of a BYE; `nil` when there is none.
    public func goodbyeSource(at index: Int) -> UInt32? {
        guard index >= 0, index < goodbyeCount else { return nil }
        return bytes.uint32(at: 4 &+ 4 &* index)
    }

    /// True when a BYE names `ssrc`, RIST's retransmission bit left aside: senders that know nothing of that
    /// bit have it set half of the time, while a source is known here with it cleared.
    public func saysGoodbye(for ssrc: UInt32) -> Bool {
        for index in 0..<goodbyeCount {
            guard let source = goodbyeSource(at: index) else { break }
            if RTPHeader.originalSSRC(source) == RTPHeader.originalSSRC(ssrc) { return true }
        }
        return false
    }

    /// Why the sources of a BYE leave, in UTF-8; `nil` when it does not say.
    public var goodbyeReason: RawSpan? {
        @_lifetime(copy self)
        get {
            guard kind == Kind.goodbye else { return nil }
            var reader = ByteReader(bytes)
            guard reader.skip(4 &+ 4 &* count), let length = reader.uint8(), length > 0 else { return nil }
            return reader.take(Int(length))
        }
    }
}
