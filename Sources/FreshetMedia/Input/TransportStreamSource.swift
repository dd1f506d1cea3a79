import CFFmpeg
import FreshetCore

/// Gives a transport stream as it is, byte for byte (played again, with its clock going on:
/// ``StreamRestamper``): whole packets of 188 bytes, seven to a packet of ours where they are there already,
/// fewer rather than wait. A file's are read to where they stay (``ScatteredRead``).
///
/// Bytes that are no packet (in front of the first one, damage in the middle, a packet cut at the end) go in
/// packets of their own, in their place, so that nothing is lost and what follows is aligned again. They are
/// counted as malformed and told once.
final class TransportStreamSource {
    private let name: String
    private let bytes: MediaBytes
    private let buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    private var restamper = StreamRestamper()
    private let isRepeated: Bool
    private var roundsLeft: Int?
    private var isNewRound = false
    private var hasToldOfDamage = false
    private var canScatter = true
    private var scattered = ScatteredRead(packetLimit: 64, byteCountEach: fullByteCount)
    /// True when the last call of ``read(into:context:)`` gave nothing because nothing came.
    private(set) var isIdle = false

    private static let packetByteCount = TransportStreamProbe.packetByteCount
    private static let fullByteCount = 7 * packetByteCount

    /// A source of `bytes`, played `rounds` times (`nil` for ever; more than once only where they can be
    /// sought in).
    init(name: String, bytes: MediaBytes, rounds: Int?) {
        self.name = name
        self.bytes = bytes
        roundsLeft = rounds.map { $0 - 1 }
        isRepeated = rounds != 1
        buffer = .allocate(byteCount: 128 * 1024, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Puts packets in `output` until it is full or what was read at once is used up; false at the end.
    func read(into output: inout PacketBatch, context: inout StageContext) throws(StageError) -> Bool {
        if output.isFull || context.pool.freeCount == 0 { return true }
        if canScatter, start == end, !isAtEnd, try readScattered(into: &output, context: &context) {
            return true
        }
        var byteCount = nextPiece(context: &context)
        // A call that gives nothing says that it is idle or at the end: nobody would call again.
        while byteCount == 0 {
            if isAtEnd {
                if try !beginNextRound() { return false }
            }
            // A pipe that gives nothing must not keep the thread from what else it has to do.
            isIdle = !bytes.isReady(within: 50)
            if isIdle { return true }
            try refill()
            byteCount = nextPiece(context: &context)
        }
        while byteCount > 0, !output.isFull, var packet = context.allocate() {
            let piece = UnsafeRawBufferPointer(rebasing: buffer[start..<start + byteCount])
            packet.unsafeWritableBytes.copyMemory(from: piece)
            packet.setByteCount(byteCount)
            start += byteCount
            give(packet, into: &output, context: &context)
            byteCount = nextPiece(context: &context)
        }
        return true
    }

    /// Reads whole datagrams' worth of packets where they will stay; false when there is none, and what was read
    /// instead lies in the buffer.
    private func readScattered(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        let size = TransportStreamSource.fullByteCount
        let limit = min(output.freeCount, context.pool.freeCount)
        guard var left = try scattered.read(bytes, limit: limit, context: &context) else {
            canScatter = false
            return false
        }
        if left == 0 { isAtEnd = true }
        let given = output.count
        while left >= size, hasOnlyPackets(UnsafeRawBufferPointer(scattered.firstBytes)),
            let packet = scattered.take()
        {
            left -= size
            give(packet, into: &output, context: &context)
        }
        scattered.spill(left, to: buffer)
        start = 0
        end = left
        return output.count > given
    }

    private func hasOnlyPackets(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for offset in stride(from: 0, to: bytes.count, by: TransportStreamSource.packetByteCount)
        where bytes[offset] != TransportStreamProbe.syncByte { return false }
        return true
    }

    private func give(
        _ packet: consuming Packet, into output: inout PacketBatch, context: inout StageContext
    ) {
        if isRepeated {
            restamper.pass(
                UnsafeMutableRawBufferPointer(rebasing: packet.unsafeWritableBytes[..<packet.byteCount]))
        }
        packet.info.arrival = context.now
        if isNewRound {
            packet.info.flags.insert(.isDiscontinuity)
            isNewRound = false
        }
        context.counters.add(.packetsOut)
        context.counters.add(.bytesOut, packet.byteCount)
        output.append(packet)
    }

    /// How many bytes at `start` go into the next packet; 0 when more must be read first.
    private func nextPiece(context: inout StageContext) -> Int {
        let size = TransportStreamSource.packetByteCount
        var count = 0
        while count < TransportStreamSource.fullByteCount, end - start >= count + size,
            buffer[start + count] == TransportStreamProbe.syncByte
        {
            count += size
        }
        if count == TransportStreamSource.fullByteCount { return count }
        let isShort = end - start - count < size
        // A file is read in large pieces: only its last packets come in a short run.
        if isShort && !isAtEnd { return bytes.canSeek ? 0 : count }
        return count > 0 ? count : strayByteCount(context: &context)
    }

    /// How many bytes at `start` are no packet: up to where packets begin again, at most a full datagram.
    private func strayByteCount(context: inout StageContext) -> Int {
        let size = TransportStreamSource.packetByteCount
        let limit = min(end - start, TransportStreamSource.fullByteCount)
        if limit == 0 { return 0 }
        if !hasToldOfDamage {
            hasToldOfDamage = true
            let isTail = isAtEnd && end - start < size
            context.report(
                .notice(
                    isTail
                        ? "\(name) ends inside a packet; its last \(end - start) bytes pass as they are"
                        : "\(name) is damaged: it has bytes that are no packets; they pass as they are"
                ))
        }
        context.counters.add(.malformed)
        for count in 1..<max(2, limit) {
            let place = start + count
            let next = place + size
            if place < end, buffer[place] == TransportStreamProbe.syncByte,
                next < end ? buffer[next] == TransportStreamProbe.syncByte : next == end || !isAtEnd
            {
                return count
            }
        }
        return limit
    }

    private func refill() throws(StageError) {
        if start > 0 {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
            end -= start
            start = 0
        }
        let count = try bytes.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
        end += count
        if count == 0 { isAtEnd = true }
    }

    private func beginNextRound() throws(StageError) -> Bool {
        if roundsLeft == 0 || MediaInterrupt.isRequested { return false }
        guard bytes.seek(to: 0) else {
            throw .failure("\(name) cannot be played again: it cannot be sought in")
        }
        roundsLeft = roundsLeft.map { $0 - 1 }
        start = 0
        end = 0
        isAtEnd = false
        restamper.beginNextRound()
        isNewRound = !restamper.isSteady
        hasToldOfDamage = true
        return true
    }
}
