/// Finds where a transport stream can be cut so that what follows plays alone: in front of the packet that
/// begins a keyframe of the first programme's video (of its first stream where it has no video).
struct StreamCutter {
    private static let size = TransportStreamProbe.packetByteCount
    /// Microseconds of stream that the part before the last cut held.
    private(set) var completedMicroseconds: Int64?
    /// The last PAT and PMT as they came: what a new file begins with.
    private(set) var tables: [UInt8] = []
    private let length: Int64
    private var associationTable: [UInt8] = []
    private var mapTable: [UInt8] = []
    private var mapPID = -1
    private var leadingPID = -1
    private var codec: UInt8 = 0
    private var partStart: Int64?
    private var latest: Int64?

    /// A cutter of parts of at least `lengthMicroseconds`.
    init(lengthMicroseconds: Int64) { length = lengthMicroseconds * 9 / 100 }

    /// Looks at the next packet; true when a new part begins with it.
    mutating func cutsBefore(_ packet: UnsafeRawBufferPointer) -> Bool {
        guard packet[0] == TransportStreamProbe.syncByte else { return false }
        let pid = Int(packet[1] & 0x1F) << 8 | Int(packet[2])
        let isStart = packet[1] & 0x40 != 0
        if pid == 0, isStart { noteAssociation(packet) }
        if pid == mapPID, isStart { noteMap(packet) }
        guard pid == leadingPID, isStart, let payload = StreamCutter.payload(of: packet) else { return false }
        guard let time = StreamCutter.presentationTime(packet, payload) else { return false }
        let start = partStart ?? time
        partStart = start
        // 33 bits, nearest to the last one.
        let step = StreamCutter.wrapped(time - (latest ?? time))
        let now = (latest ?? time) + step
        latest = now
        let span = now - start
        guard isKeyframe(packet, payload), span >= length || span < 0 else { return false }
        completedMicroseconds = max(0, span) * 100 / 9
        partStart = now
        return true
    }

    private static func wrapped(_ span: Int64) -> Int64 {
        let modulus = Int64(1) << 33
        var span = span % modulus
        if span > modulus / 2 { span -= modulus }
        if span < -modulus / 2 { span += modulus }
        return span
    }

    private static func payload(of packet: UnsafeRawBufferPointer) -> Int? {
        guard packet[3] & 0x10 != 0 else { return nil }
        let start = packet[3] & 0x20 != 0 ? 5 + Int(packet[4]) : 4
        return start < size ? start : nil
    }

    /// The tables are taken where they fit one packet, as they do but for programmes of dozens of streams.
    private mutating func noteAssociation(_ packet: UnsafeRawBufferPointer) {
        guard let payload = StreamCutter.payload(of: packet) else { return }
        var place = payload + 1 + Int(packet[payload])
        guard place + 8 <= StreamCutter.size, packet[place] == 0 else { return }
        let end =
            min(StreamCutter.size, place + 3 + (Int(packet[place + 1] & 0x0F) << 8 | Int(packet[place + 2])))
            - 4
        place += 8
        while place + 4 <= end {
            let number = Int(packet[place]) << 8 | Int(packet[place + 1])
            if number != 0 {
                mapPID = Int(packet[place + 2] & 0x1F) << 8 | Int(packet[place + 3])
                associationTable = Array(packet)
                tables = associationTable + mapTable
                return
            }
            place += 4
        }
    }

    private mutating func noteMap(_ packet: UnsafeRawBufferPointer) {
        guard let payload = StreamCutter.payload(of: packet) else { return }
        var place = payload + 1 + Int(packet[payload])
        guard place + 12 <= StreamCutter.size, packet[place] == 2 else { return }
        let end =
            min(StreamCutter.size, place + 3 + (Int(packet[place + 1] & 0x0F) << 8 | Int(packet[place + 2])))
            - 4
        place += 12 + (Int(packet[place + 10] & 0x0F) << 8 | Int(packet[place + 11]))
        var first: (pid: Int, type: UInt8)?
        var video: (pid: Int, type: UInt8)?
        while place + 5 <= end {
            let stream = (Int(packet[place + 1] & 0x1F) << 8 | Int(packet[place + 2]), packet[place])
            if first == nil { first = stream }
            if video == nil, [0x01, 0x02, 0x10, 0x1B, 0x24].contains(stream.1) { video = stream }
            place += 5 + (Int(packet[place + 3] & 0x0F) << 8 | Int(packet[place + 4]))
        }
        if let leading = video ?? first {
            leadingPID = leading.pid
            codec = leading.type
        }
        mapTable = Array(packet)
        tables = associationTable + mapTable
    }

    private static func presentationTime(_ packet: UnsafeRawBufferPointer, _ payload: Int) -> Int64? {
        guard payload + 14 <= size, packet[payload] == 0, packet[payload + 1] == 0, packet[payload + 2] == 1,
            packet[payload + 7] & 0x80 != 0
        else { return nil }
        let place = payload + 9
        let high = Int64(packet[place] >> 1 & 7)
        let middle = Int64(packet[place + 1]) << 7 | Int64(packet[place + 2] >> 1)
        let low = Int64(packet[place + 3]) << 7 | Int64(packet[place + 4] >> 1)
        return high << 30 | middle << 15 | low
    }

    /// True when a decoder can start with this packet: it says so itself (random access indicator), or what
    /// it begins with does: parameter sets or an IDR picture (H.264, HEVC), a sequence header (MPEG-2). Audio
    /// always can.
    private func isKeyframe(_ packet: UnsafeRawBufferPointer, _ payload: Int) -> Bool {
        if packet[3] & 0x20 != 0, packet[4] > 0, packet[5] & 0x40 != 0 { return true }
        guard [0x01, 0x02, 0x10, 0x1B, 0x24].contains(codec) else { return true }
        var place = payload + 9 + Int(packet[payload + 8])
        while place + 4 < StreamCutter.size {
            guard packet[place] == 0, packet[place + 1] == 0, packet[place + 2] == 1 else {
                place += 1
                continue
            }
            let unit = packet[place + 3]
            switch codec {
            case 0x1B: if [5, 7].contains(unit & 0x1F) { return true }
            case 0x24: if (16...21).contains(unit >> 1 & 0x3F) || unit >> 1 & 0x3F == 32 { return true }
            case 0x10: if unit == 0xB0 || unit == 0xB5 && packet[place + 4] == 0x09 { return true }
            default: if unit == 0xB3 { return true }
            }
            place += 3
        }
        return false
    }
}
