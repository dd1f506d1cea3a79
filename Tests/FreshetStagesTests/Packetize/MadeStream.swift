import FreshetCore

/// A transport stream made for tests: 188-byte packets with seeded payload, and references where they are
/// asked for.
struct MadeStream {
    var bytes: [UInt8] = []
    var random: PRNG
    private var counters: [UInt16: UInt8] = [:]

    init(seed: UInt64) { random = PRNG(seed: seed) }

    /// The byte position of the next packet.
    var position: Int64 { Int64(bytes.count) }

    private mutating func header(_ pid: UInt16, starts: Bool, control: UInt8) -> [UInt8] {
        let hasPayload = control & 0x10 != 0
        let counter = counters[pid, default: 15]
        let next = hasPayload ? (counter + 1) & 15 : counter
        counters[pid] = next
        let high = UInt8(pid >> 8) | (starts ? 0x40 : 0)
        return [0x47, high, UInt8(pid & 0xFF), control | next]
    }

    private mutating func close(_ packet: [UInt8]) {
        var packet = packet
        while packet.count < 188 { packet.append(UInt8(truncatingIfNeeded: random.next())) }
        bytes += packet
    }

    /// A packet of payload.
    mutating func payload(pid: UInt16) { close(header(pid, starts: false, control: 0x10)) }

    /// A packet with a reference (27 MHz ticks, wrapped here), and payload behind it.
    mutating func reference(
        pid: UInt16, ticks: Int64, isDiscontinuity: Bool = false, isRandomAccess: Bool = false
    ) {
        var packet = header(pid, starts: false, control: 0x30)
        packet += [7, 0x10 | (isDiscontinuity ? 0x80 : 0) | (isRandomAccess ? 0x40 : 0)]
        packet += MadeStream.clockField(ticks)
        close(packet)
    }

    /// A packet that begins a PES packet with a PTS (90 kHz).
    mutating func unit(pid: UInt16, streamID: UInt8, pts: Int64, isRandomAccess: Bool = false) {
        var packet = header(pid, starts: true, control: isRandomAccess ? 0x30 : 0x10)
        if isRandomAccess { packet += [1, 0x40] }
        packet += [0, 0, 1, streamID, 0, 0, 0x80, 0x80, 5]
        let wrapped = pts & ((1 << 33) - 1)
        packet += [
            0x21 | UInt8(wrapped >> 30) << 1, UInt8(wrapped >> 22 & 0xFF), UInt8(wrapped >> 14 & 0xFE) | 1,
            UInt8(wrapped >> 7 & 0xFF), UInt8(wrapped << 1 & 0xFE) | 1,
        ]
        close(packet)
    }

    /// A PAT that names `maps` (programme, PMT PID).
    mutating func programmes(_ maps: [(UInt16, UInt16)]) {
        var packet = header(0, starts: true, control: 0x10)
        packet += [0, 0, 0xB0, UInt8(9 + 4 * maps.count), 0, 1, 0xC1, 0, 0]
        for (number, pid) in maps {
            packet += [UInt8(number >> 8), UInt8(number & 0xFF), 0xE0 | UInt8(pid >> 8), UInt8(pid & 0xFF)]
        }
        packet += [0, 0, 0, 0]
        close(packet)
    }

    /// A PMT on `pid` that names `clockPID`.
    mutating func map(pid: UInt16, clockPID: UInt16) {
        var packet = header(pid, starts: true, control: 0x10)
        packet += [
            0, 2, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0xE0 | UInt8(clockPID >> 8), UInt8(clockPID & 0xFF), 0xF0, 0,
        ]
        packet += [0, 0, 0, 0]
        close(packet)
    }

    /// A null packet.
    mutating func null() { close([0x47, 0x1F, 0xFF, 0x10]) }

    /// The six bytes of a PCR.
    static func clockField(_ ticks: Int64) -> [UInt8] {
        let modulus: Int64 = (1 << 33) * 300
        let wrapped = ((ticks % modulus) + modulus) % modulus
        let base = wrapped / 300
        let fraction = wrapped % 300
        return [
            UInt8(base >> 25 & 0xFF), UInt8(base >> 17 & 0xFF), UInt8(base >> 9 & 0xFF),
            UInt8(base >> 1 & 0xFF),
            UInt8(base & 1) << 7 | 0x7E | UInt8(fraction >> 8), UInt8(fraction & 0xFF),
        ]
    }

    /// The ticks that `byteCount` bytes take at `bitRate`, rounded to the nearest.
    static func ticks(_ byteCount: Int64, at bitRate: Int64) -> Int64 {
        (byteCount * 8 * 27_000_000 + bitRate / 2) / bitRate
    }

    /// Adds `packetCount` packets at a constant rate with a reference every `spacing` packets, from `origin`
    /// ticks at the stream's first byte.
    mutating func constant(
        _ packetCount: Int, bitRate: Int64, spacing: Int, pid: UInt16 = 256, origin: Int64 = 0
    ) {
        for index in 0..<packetCount {
            if index % spacing == 0 {
                reference(pid: pid, ticks: origin + MadeStream.ticks(position, at: bitRate))
            } else if random.chance(1, in: 9) {
                null()
            } else {
                payload(pid: pid)
            }
        }
    }
}
