internal import FreshetCore
internal import FreshetMedia
internal import FreshetWire

/// Puts a line into a ring so that a player can start at each keyframe: with the tables that stand in front of
/// it or, where
/// none do, with the last ones as the ring's head.
///
/// A transport stream may come cut anywhere. Bytes that are none are passed on as they come, and readers start
/// at the end.
struct StreamFeed: ~Copyable {
    /// What the line is, once its first bytes have come.
    enum Kind: Sendable {
        case transportStream
        case bytes
    }

    private static let size = TSPacket.byteCount

    let kind: Kind
    let ring: BroadcastRing
    /// Packets that were missing, by their continuity counters, modulo 16 at each gap.
    private(set) var missingCount = 0
    /// Bytes outside packets; dropped.
    private(set) var strayByteCount = 0
    private var cutter = StreamCutter(lengthMicroseconds: 0)
    private var continuity = ContinuityChecker()
    private let carry: UnsafeMutableRawBufferPointer
    private var carriedByteCount = 0
    /// Bytes from the last PAT to here, where nothing but tables and such came since.
    private var tableRunByteCount: Int?
    private var hasStart = false

    /// A feed for a line whose first packet is `first`, into a new ring of `capacity` bytes.
    init(first: borrowing Packet, capacity: Int) {
        let bytes = first.bytes
        let isStream =
            bytes.byteCount > 0 && bytes.uint8(at: 0) == TSPacket.syncByte
            && (bytes.byteCount <= StreamFeed.size || bytes.uint8(at: StreamFeed.size) == TSPacket.syncByte)
        kind = isStream ? .transportStream : .bytes
        ring = BroadcastRing(capacity: capacity, joints: .every(isStream ? StreamFeed.size : 1))
        carry = .allocate(byteCount: StreamFeed.size, alignment: 16)
    }

    deinit { carry.deallocate() }

    /// Adds a packet's bytes.
    mutating func take(_ packet: borrowing Packet) {
        guard kind == .transportStream else { return ring.append(packet.unsafeBytes) }
        var bytes = packet.unsafeBytes
        if carriedByteCount > 0 {
            bytes = completeCarried(bytes)
            if carriedByteCount > 0 { return }
        }
        while bytes.count >= StreamFeed.size {
            let run = takeRun(bytes)
            bytes = UnsafeRawBufferPointer(rebasing: bytes[run...])
        }
        // What is carried over begins with a sync byte.
        let start = bytes.firstIndex(of: TSPacket.syncByte) ?? bytes.count
        strayByteCount += start
        carriedByteCount = bytes.count - start
        carry.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start...]))
    }

    /// Fills up the packet that began in the bytes before; gives what is behind it.
    private mutating func completeCarried(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let count = min(StreamFeed.size - carriedByteCount, bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: carry[carriedByteCount...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        carriedByteCount += count
        if carriedByteCount == StreamFeed.size {
            _ = takeRun(UnsafeRawBufferPointer(carry))
            carriedByteCount = 0
        }
        return UnsafeRawBufferPointer(rebasing: bytes[count...])
    }

    /// Adds the whole packets at the front of `bytes`, up to the next place that needs a mark; or drops what
    /// is in front of
    /// the next sync byte. Gives how many bytes it went over.
    private mutating func takeRun(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes[0] == TSPacket.syncByte else {
            let next = bytes.firstIndex(of: TSPacket.syncByte) ?? bytes.count
            strayByteCount += next
            return next
        }
        var place = 0
        while place + StreamFeed.size <= bytes.count, bytes[place] == TSPacket.syncByte {
            let packet = UnsafeRawBufferPointer(rebasing: bytes[place..<place + StreamFeed.size])
            if cutter.cutsBefore(packet) {
                ring.append(UnsafeRawBufferPointer(rebasing: bytes[..<place]))
                markStart()
                look(at: packet)
                ring.append(packet)
                return place + StreamFeed.size
            }
            look(at: packet)
            place += StreamFeed.size
        }
        ring.append(UnsafeRawBufferPointer(rebasing: bytes[..<place]))
        return place
    }

    private mutating func markStart() {
        hasStart = true
        ring.setHead(cutter.tables)
        ring.mark(back: tableRunByteCount ?? 0, isStart: true, needsHead: tableRunByteCount == nil)
    }

    /// Watches the counters, and whether tables stand right here.
    private mutating func look(at bytes: UnsafeRawBufferPointer) {
        let span = RawSpan(_unsafeBytes: bytes)
        guard let packet = TSPacket(parsing: span) else { return }
        if case .gap(let count) = continuity.check(packet) { missingCount += count }
        if packet.pid == TSPacket.programAssociationPID, packet.flags.contains(.startsUnit) {
            tableRunByteCount = StreamFeed.size
            // Until there was a keyframe, a reader who starts at the end gets what is known.
            if !hasStart { ring.setHead(cutter.tables) }
        } else if let count = tableRunByteCount {
            let isTable = packet.pid < 0x20 || packet.pid == TSPacket.nullPID || isMap(packet, span)
            tableRunByteCount = isTable || !packet.flags.contains(.hasPayload) ? count + StreamFeed.size : nil
        }
    }

    private func isMap(_ packet: TSPacket, _ span: RawSpan) -> Bool {
        guard packet.flags.contains(.startsUnit), packet.payloadByteCount > 1 else { return false }
        let table = packet.payloadOffset + 1 + Int(span.uint8(at: packet.payloadOffset))
        return table < StreamFeed.size && span.uint8(at: table) == TableSection.programMap
    }
}
