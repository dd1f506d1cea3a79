/// True when `prefix`, the first bytes of a stream or the whole of a datagram, is MPEG-TS in packets of 188 bytes: a sync
/// byte wherever a packet starts, in five packets or in all there are. Fewer than 188 bytes tell nothing, so they are not.
public func isTransportStream(_ prefix: RawSpan) -> Bool {
    guard prefix.byteCount >= TSPacket.byteCount else { return false }
    var offset = 0
    while offset < min(prefix.byteCount, 5 &* TSPacket.byteCount) {
        if prefix.uint8(at: offset) != TSPacket.syncByte { return false }
        offset &+= TSPacket.byteCount
    }
    return true
}
