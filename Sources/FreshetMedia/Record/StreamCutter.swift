import FreshetCore
import FreshetWire

/// Finds where a transport stream can be cut so that what follows plays alone: in front of the packet that
/// begins a keyframe of the first programme's video (of its first stream where it has no video).
public struct StreamCutter {
    /// Microseconds of stream that the part before the last cut held.
    private(set) var completedMicroseconds: Int64?
    /// The last PAT and PMT as they came: what a new file begins with. Those that fit one packet, as they do but
    /// for programmes of dozens of streams.
    public var tables: [UInt8] { associationTable + mapTable }
    private let length: Int64
    private var associationTable: [UInt8] = []
    private var mapTable: [UInt8] = []
    private var mapPID = TSPacket.nullPID
    private var leadingPID = TSPacket.nullPID
    private var streamType: UInt8 = 0
    private var isVideo = false
    private var partStart: Int64?
    private var clock = CounterUnwrapper(bitCount: ClockReference.timestampBitCount)

    /// A cutter of parts of at least `lengthMicroseconds`.
    public init(lengthMicroseconds: Int64) { length = lengthMicroseconds * 9 / 100 }

    /// Looks at the next packet; true when a new part begins with it.
    public mutating func cutsBefore(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let packet = TSPacket(parsing: bytes.bytes), packet.flags.contains(.startsUnit),
            packet.payloadByteCount > 0
        else { return false }
        let payload = bytes.bytes.extracting(packet.payloadOffset..<TSPacket.byteCount)
        if packet.pid == TSPacket.programAssociationPID {
            noteAssociation(payload, bytes)
        } else if packet.pid == mapPID {
            noteMap(payload, bytes)
        }
        guard packet.pid == leadingPID, let header = PESHeader(parsing: payload),
            let time = header.presentationTime
        else { return false }
        let now = clock.unwrap(UInt64(time))
        let start = partStart ?? now
        partStart = start
        let span = now - start
        // A clock that went back began anew: so does the part.
        guard span >= length || span < -length,
            packet.flags.contains(.isRandomAccess) || beginsKeyframe(payload, from: header.headerByteCount)
        else { return false }
        completedMicroseconds = max(0, span) * 100 / 9
        partStart = now
        return true
    }

    private mutating func noteAssociation(_ payload: RawSpan, _ packet: UnsafeRawBufferPointer) {
        guard let table = TableSection.first(inPayload: payload), let program = table.firstProgram else {
            return
        }
        mapPID = program.mapPID
        associationTable = Array(packet)
    }

    private mutating func noteMap(_ payload: RawSpan, _ packet: UnsafeRawBufferPointer) {
        guard let table = TableSection.first(inPayload: payload), table.tableID == TableSection.programMap
        else {
            return
        }
        mapTable = Array(packet)
        leadingPID = TSPacket.nullPID
        var streams = table.streams
        while let stream = streams.next() {
            guard leadingPID == TSPacket.nullPID || stream.isVideo else { continue }
            leadingPID = stream.pid
            streamType = stream.streamType
            isVideo = stream.isVideo
            if isVideo { return }
        }
    }

    /// True when a decoder can start with what begins here: parameter sets or an IDR picture (H.264, HEVC), a
    /// sequence header (MPEG video). Audio always can.
    private func beginsKeyframe(_ payload: RawSpan, from start: Int) -> Bool {
        if !isVideo { return true }
        var place = start
        while place + 3 < payload.byteCount {
            guard payload.uint8(at: place) == 0, payload.uint8(at: place + 1) == 0,
                payload.uint8(at: place + 2) == 1
            else {
                place += 1
                continue
            }
            let unit = payload.uint8(at: place + 3)
            switch streamType {
            case 0x1B: if unit & 0x1F == 5 || unit & 0x1F == 7 { return true }
            case 0x24: if (16...21).contains(unit >> 1 & 0x3F) || unit >> 1 & 0x3F == 32 { return true }
            case 0x10: if unit == 0xB0 { return true }
            default: if unit == 0xB3 { return true }
            }
            place += 3
        }
        return false
    }
}
