import FreshetCore
import FreshetWire

/// As much of a stream's programme tables as the choice of a clock needs: the PCR PID of the first programme
/// (ISO/IEC 13818-1 §2.4.4). Both numbers lie in the first packet of their sections, so nothing is put
/// together.
struct ProgrammeTables: Sendable {
    private var mapPID: UInt16 = 0x1FFF
    /// The first programme's PCR PID; 0x1FFF while it is not known.
    private(set) var clockPID: UInt16 = 0x1FFF
    /// True since the tables named another PID than before, until somebody has acted on it.
    var isClockNew = false

    /// Looks at a packet of `pid` that begins a section or a PES packet at `payload`; true when it was a
    /// table's.
    mutating func take(_ packet: RawSpan, pid: UInt16, payload: Int) -> Bool {
        guard pid == 0 || pid == mapPID else { return false }
        let section = payload &+ 1 &+ Int(packet.uint8(at: payload))
        guard section &+ 12 <= packet.byteCount else { return true }
        let tableID = packet.uint8(at: section)
        if pid == 0, tableID == 0 {
            mapPID = firstMapPID(packet, at: section)
        } else if pid == mapPID, tableID == 2 {
            let named = packet.uint16(at: section &+ 8) & 0x1FFF
            if named != clockPID, named != 0x1FFF {
                clockPID = named
                isClockNew = true
            }
        }
        return true
    }

    private func firstMapPID(_ packet: RawSpan, at section: Int) -> UInt16 {
        let length = Int(packet.uint16(at: section &+ 1) & 0x0FFF)
        // The section's length counts what follows it, the four bytes of its checksum included.
        let end = min(section &+ 3 &+ length &- 4, packet.byteCount)
        var entry = section &+ 8
        while entry &+ 4 <= end {
            // Programme 0 is the network information table.
            if packet.uint16(at: entry) != 0 { return packet.uint16(at: entry &+ 2) & 0x1FFF }
            entry &+= 4
        }
        return mapPID
    }
}

/// The start of a PES packet (ISO/IEC 13818-1 §2.4.3.6), as far as a clock needs it.
struct PESHead {
    /// True for a video stream's.
    var isVideo: Bool
    /// The DTS, or the PTS where they are the same, in ticks of 27 MHz, wrapped; `nil` without any.
    var decodingTime: Int64?

    /// The PES packet that begins at `offset`; `nil` when none does.
    init?(_ packet: RawSpan, at offset: Int) {
        guard offset &+ 9 <= packet.byteCount, packet.uint16(at: offset) == 0,
            packet.uint8(at: offset &+ 2) == 1
        else { return nil }
        let streamID = packet.uint8(at: offset &+ 3)
        isVideo = streamID & 0xF0 == 0xE0
        let isMedia = isVideo || streamID & 0xE0 == 0xC0 || streamID == 0xBD || streamID == 0xFD
        guard isMedia, packet.uint8(at: offset &+ 6) & 0xC0 == 0x80 else { return }
        let stamps = packet.uint8(at: offset &+ 7) >> 6
        // 10: a PTS; 11: a PTS and a DTS behind it.
        let place = offset &+ (stamps == 3 ? 14 : 9)
        guard stamps >= 2, place &+ 5 <= packet.byteCount else { return }
        decodingTime = packet.timestamp33(at: place) &* 300
    }
}

extension RawSpan {
    /// The PCR at `offset` in ticks of 27 MHz, wrapped (§2.4.3.5); traps outside the span.
    func clockReference(at offset: Int) -> Int64 {
        let base = Int64(uint32(at: offset)) << 1 | Int64(uint8(at: offset &+ 4) >> 7)
        return base &* 300 &+ Int64(uint16(at: offset &+ 4) & 0x1FF)
    }

    /// The 33 bits of a PTS or DTS at `offset` (§2.4.3.7); traps outside the span.
    func timestamp33(at offset: Int) -> Int64 {
        let high = Int64(uint8(at: offset) >> 1 & 7) << 30
        let middle = Int64(uint16(at: offset &+ 1) >> 1) << 15
        return high | middle | Int64(uint16(at: offset &+ 3) >> 1)
    }
}
