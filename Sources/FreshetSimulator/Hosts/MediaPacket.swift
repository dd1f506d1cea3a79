import FreshetCore
import FreshetWire

/// A simulated media packet: a real RTP header, then the packet's number and a check of it, then as much
/// filling as the scenario wants carried. The number tells the checkers what the packet is, whatever the
/// protocol makes of its header.
enum MediaPacket {
    private static func check(_ number: Int64) -> UInt64 {
        (UInt64(bitPattern: number) ^ 0x5851_F42D_4C95_7F2D) &* 0x2545_F491_4F6C_DD1D
    }

    /// Writes packet `number` of the stream `ssrc` into the empty `packet`.
    static func write(
        _ number: Int64, ssrc: UInt32, timestamp: UInt32, carriedByteCount: Int, into packet: inout Packet
    ) {
        packet.append(byteCount: RTPHeader.fixedByteCount + max(16, carriedByteCount)) { bytes in
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: timestamp, ssrc: ssrc,
                into: &bytes)
            bytes.write(UInt64(bitPattern: number), at: 12)
            bytes.write(check(number), at: 20)
            var place = 28
            while place + 8 <= bytes.byteCount {
                bytes.write(check(number &+ Int64(place)), at: place)
                place += 8
            }
        }
    }

    /// The number of the packet `bytes`; `nil` when it is none or was damaged.
    static func number(of bytes: RawSpan) -> Int64? {
        guard bytes.byteCount >= 28 else { return nil }
        let number = Int64(bitPattern: bytes.uint64(at: 12))
        return bytes.uint64(at: 20) == check(number) ? number : nil
    }

    /// True when the packet is marked as a retransmission.
    static func isRetransmission(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= 12 && bytes.uint8(at: 11) & 1 != 0
    }
}
