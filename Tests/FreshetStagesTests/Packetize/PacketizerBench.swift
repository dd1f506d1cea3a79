import FreshetCore
import FreshetStages

/// An RTP header as a receiver reads it.
struct SeenHeader: Equatable {
    var payloadType: UInt8
    var marker: Bool
    var sequenceNumber: UInt16
    var timestamp: UInt32
    var ssrc: UInt32
    var payloadByteCount: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        payloadType = bytes[1] & 0x7F
        marker = bytes[1] & 0x80 != 0
        sequenceNumber = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        timestamp = bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        ssrc = bytes[8..<12].reduce(0) { $0 << 8 | UInt32($1) }
        payloadByteCount = bytes.count - 12
    }
}

/// What came out of a packetizer: the bytes in their order, and what is known of each datagram.
struct Packetized {
    var bytes: [UInt8] = []
    var infos: [PacketInfo] = []
    /// Where each datagram's first byte stands.
    var positions: [Int64] = []
    var headers: [SeenHeader] = []

    mutating func add(_ packet: consuming Packet) {
        infos.append(packet.info)
        positions.append(Int64(bytes.count))
        packet.bytes.withUnsafeBytes { headers.append(SeenHeader($0)) }
        packet.removeFirst(12)
        packet.bytes.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
}

/// How a packetizer is driven in a test.
struct PacketizerDrive {
    var poolCount = 4096
    var inputCapacity = 32
    var outputCapacity = 32
    /// Bytes of the next piece handed in.
    var cut: (inout PRNG) -> Int = { _ in 1316 }
    /// Time that goes by with each piece.
    var step = Nanoseconds.microseconds(100)
    var seed: UInt64 = 1

    /// Puts `bytes` through `packetizer` and the end behind them.
    func run(_ bytes: [UInt8], through packetizer: inout TSPacketizer) -> Packetized {
        let pool = PacketPool(slotCount: poolCount)
        var context = StageContext(pool: pool, random: PRNG(seed: seed))
        var input = PacketBatch(capacity: inputCapacity)
        var output = PacketBatch(capacity: outputCapacity)
        var random = PRNG(seed: seed)
        var result = Packetized()
        var offset = 0
        var idleCount = 0
        while offset < bytes.count || !input.isEmpty {
            idleCount += 1
            precondition(idleCount < 100_000, "the packetizer is stuck")
            context.now = context.now + step
            while offset < bytes.count, !input.isFull, let fresh = pool.allocate() {
                var packet = fresh
                let count = min(cut(&random), bytes.count - offset, packet.spareByteCount)
                bytes.withUnsafeBytes { whole in
                    packet.append(
                        RawSpan(
                            _unsafeBytes: UnsafeRawBufferPointer(rebasing: whole[offset..<offset + count])))
                }
                packet.info.arrival = context.now
                input.append(packet)
                offset += count
                idleCount = 0
            }
            packetizer.process(&input, into: &output, context: &context)
            if let deadline = packetizer.nextDeadline, deadline <= context.now {
                packetizer.advance(into: &output, context: &context)
            }
            while let packet = output.popFirst() {
                result.add(packet)
                idleCount = 0
            }
        }
        var isDone = false
        while !isDone {
            idleCount += 1
            precondition(idleCount < 100_000, "the packetizer does not end")
            isDone = packetizer.finish(into: &output, context: &context)
            while let packet = output.popFirst() { result.add(packet) }
        }
        return result
    }
}
