import FreshetCore
import FreshetWire

/// As much of a stream's program tables as the choice of a clock needs: the PCR PID of the first program
/// (ISO/IEC 13818-1 §2.4.4). Both numbers lie in the first packet of their sections, so nothing is put
/// together.
struct ProgramClock: Sendable {
    private var mapPID: UInt16 = 0x1FFF
    /// The first program's PCR PID; 0x1FFF while it is not known.
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
            // Program 0 is the network information table.
            if packet.uint16(at: entry) != 0 { return packet.uint16(at: entry &+ 2) & 0x1FFF }
            entry &+= 4
        }
        return mapPID
    }
}
