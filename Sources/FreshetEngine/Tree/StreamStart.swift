internal import FreshetCore
internal import FreshetWire

/// Finds where in the stream a decoder can start: the packet with the last program table at or before the last random
/// access point of the video (of anything, where there is no video).
struct StreamStart {
    /// The packet to start with; `nil` before there was one.
    private(set) var sequence: Int64?
    private var lastTable: Int64?
    private var hasVideo = false
    private var firstKeyframe: Int64?
    /// True once a picture has come behind the first keyframe: that is whole, and can be decoded.
    private(set) var hasWholeFrame = false

    /// A table further back than this does not belong to the keyframe: the next one comes soon.
    private static let tableReach: Int64 = 512

    /// Looks at an RTP packet of transport stream, whose payload begins at `offset`. In order, more or less.
    @inline(__always)
    mutating func note(_ bytes: RawSpan, from offset: Int, sequence: Int64) {
        var place = offset
        while place &+ TSPacket.byteCount <= bytes.byteCount {
            let head = bytes.uint32(at: place)
            // Only a packet that starts a unit can begin a table or a picture.
            if head & 0xFF40_0000 == 0x4740_0000 { look(bytes, place, head, sequence) }
            place &+= TSPacket.byteCount
        }
    }

    private mutating func look(_ bytes: RawSpan, _ place: Int, _ head: UInt32, _ sequence: Int64) {
        if head >> 8 & 0x1FFF == UInt32(TSPacket.programAssociationPID) {
            lastTable = max(lastTable ?? sequence, sequence)
            return
        }
        guard let packet = TSPacket(parsing: bytes, at: place) else { return }
        let isVideo =
            packet.payloadByteCount >= 4
            && bytes.uint32(at: place &+ packet.payloadOffset) & 0xFFFF_FFF0 == 0x0000_01E0
        if isVideo { hasVideo = true }
        if isVideo, let firstKeyframe, sequence > firstKeyframe { hasWholeFrame = true }
        guard packet.flags.contains(.isRandomAccess), isVideo || !hasVideo else { return }
        if isVideo, firstKeyframe == nil { firstKeyframe = sequence }
        var start = sequence
        if let table = lastTable, table <= sequence, sequence &- table < StreamStart.tableReach {
            start = table
        }
        self.sequence = max(self.sequence ?? start, start)
    }

    /// Forgets the stream.
    mutating func reset() { self = StreamStart() }
}
