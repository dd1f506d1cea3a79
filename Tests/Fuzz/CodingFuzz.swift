import FreshetCoding
import FreshetCore
import FreshetWire

/// A stream that is partly there, for decoders to hold parity against; made once, as it costs more than an input.
nonisolated(unsafe) private let pool = PacketPool(slotCount: 256)

private func packet(_ sequence: Int64) -> Packet {
    guard var packet = pool.allocate() else { preconditionFailure("the pool is empty") }
    packet.append(byteCount: 12 + 188) { span in
        RTPHeader.write(
            sequenceNumber: UInt16(truncatingIfNeeded: sequence),
            timestamp: UInt32(truncatingIfNeeded: sequence),
            ssrc: 2, into: &span)
        span.write(UInt32(truncatingIfNeeded: sequence &* 2_654_435_761), at: 12)
    }
    packet.info.flags = .hasSequence
    packet.info.extendedSequence = sequence
    packet.info.ssrc = 2
    packet.info.headerByteCount = 12
    return packet
}

/// The headers of parity, and the decoders with whatever the input says, as it is and made to fit the stream.
func fuzzCoding(_ bytes: RawSpan) {
    if let header = RLCRepairHeader(parsing: bytes) {
        precondition(header.count > 0 && header.count <= RLCRepairHeader.countLimit && header.density <= 15)
    }
    if let header = ParityHeader(parsing: bytes) {
        precondition(header.offset > 0 && header.count > 0)
        var again = [UInt8](repeating: 0, count: ParityHeader.byteCount)
        var span = again.mutableSpan
        var raw = span.mutableBytes
        header.write(sequenceNumber: bytes.uint16(at: 2), timestamp: bytes.uint32(at: 4), into: &raw)
        precondition(ParityHeader(parsing: raw.bytes) == header)
    }
    // Decoders cost more than all parsers together: every fourth length.
    guard bytes.byteCount >= 4, bytes.byteCount % 4 == 0 else { return }
    var window = RLCDecoder(window: 32, symbolByteCount: 512)
    var matrix = ParityRecoverer(packetByteCount: 512)
    for sequence in Int64(65_500)..<65_560 where bytes.uint8(at: Int(sequence) % bytes.byteCount) % 5 != 0 {
        let packet = packet(sequence)
        window.addSource(packet)
        matrix.addSource(packet)
    }
    window.addRepair(bytes)
    matrix.addParity(bytes)
    // The same with a window, a stream and a length that fit.
    var fitting = (0..<218).map { bytes.uint8(at: $0 % bytes.byteCount) }
    for round in 0..<6 {
        fitting[2] = 0xF0
        fitting[3] = UInt8(1 + (round + Int(bytes.uint8(at: 3))) % 32)
        fitting[6] = 0xFF
        fitting[7] = UInt8(0xE0 + round * 3)
        for (place, value) in [(12, UInt8(0)), (13, 0), (14, 0), (15, 2)] { fitting[place] = value }
        fitting[0] = UInt8(round)
        window.addRepair(fitting.span.bytes)
        fitting[0] = 0x80
        fitting[12] = 0xFF
        fitting[13] = UInt8(0xE0 + round * 3)
        fitting[24] = round % 2 == 0 ? 0 : 0x40
        fitting[25] = round % 2 == 0 ? 5 : 1
        fitting[26] = 4
        matrix.addParity(fitting.span.bytes)
    }
    drain(&window, &matrix)
}

private func drain(_ window: inout RLCDecoder, _ matrix: inout ParityRecoverer) {
    while window.hasRecovered || matrix.hasRecovered {
        guard var packet = pool.allocate() else { preconditionFailure("the pool is empty") }
        guard let sequence = window.nextRecovered(into: &packet) ?? matrix.nextRecovered(into: &packet) else {
            return
        }
        guard let header = RTPHeader(parsing: packet.bytes) else {
            preconditionFailure("what was given back is no packet")
        }
        precondition(header.sequenceNumber == UInt16(truncatingIfNeeded: sequence) && header.sourceSSRC == 2)
        precondition(packet.byteCount <= 512)
    }
}
