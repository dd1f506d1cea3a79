/// Tells a transport stream of 188-byte packets from anything else by its first bytes.
enum TransportStreamProbe {
    /// Bytes of one packet (ISO/IEC 13818-1 §2.4.3.2).
    static let packetByteCount = 188
    /// What every packet begins with.
    static let syncByte: UInt8 = 0x47
    /// Bytes that are enough to tell when the stream starts with a packet.
    static let quickByteCount = 5 * packetByteCount
    /// Bytes that are enough to find packets behind a cut one.
    static let fullByteCount = 16 * packetByteCount

    /// Where the first packet begins; `nil` when `head` is no transport stream. `isWhole` says that nothing
    /// follows.
    ///
    /// At the very start five packets in a row are asked for (fewer when there are no more bytes), further in
    /// ten: chance must not make a stream of what is none.
    static func firstPacket(in head: [UInt8], isWhole: Bool) -> Int? {
        if isRun(head, from: 0, atLeast: isWhole ? 1 : 5, ofWhole: isWhole) { return 0 }
        // Behind a cut packet, or behind bytes that are none.
        let last = max(1, head.count - 10 * packetByteCount)
        for offset in 1...last where isRun(head, from: offset, atLeast: 10, ofWhole: false) {
            return offset
        }
        return nil
    }

    private static func isRun(_ head: [UInt8], from offset: Int, atLeast wanted: Int, ofWhole: Bool) -> Bool {
        let count = (head.count - offset) / packetByteCount
        guard count >= wanted else { return false }
        for packet in 0..<(ofWhole ? min(count, 5) : wanted)
        where head[offset + packet * packetByteCount] != syncByte { return false }
        // So few packets must fill the input exactly, or be many.
        return !ofWhole || count >= 5 || (head.count - offset) % packetByteCount == 0
    }
}
