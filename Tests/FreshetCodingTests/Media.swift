import FreshetCoding
import FreshetCore
import FreshetWire

/// RTP packets for tests, with content that follows from the sequence number.
final class Media {
    let pool: PacketPool
    let ssrc: UInt32
    /// Bytes of RTP packet number `sequence`.
    var length: (Int64) -> Int

    init(slotCount: Int = 4096, ssrc: UInt32 = 0x1234_5678, length: @escaping (Int64) -> Int = { _ in 1328 })
    {
        pool = PacketPool(slotCount: slotCount)
        self.ssrc = ssrc
        self.length = length
    }

    /// A packet without bytes.
    func empty() -> Packet {
        guard let packet = pool.allocate() else { preconditionFailure("the pool is too small for the test") }
        return packet
    }

    /// Packet number `sequence`, as it is sent and received.
    func packet(_ sequence: Int64) -> Packet {
        var packet = empty()
        let count = length(sequence)
        var random = PRNG(seed: UInt64(bitPattern: sequence))
        packet.append(byteCount: count) { span in
            for place in 12..<count {
                span.write(UInt8(truncatingIfNeeded: random.next()), at: place)
            }
            RTPHeader.write(
                sequenceNumber: UInt16(truncatingIfNeeded: sequence),
                timestamp: UInt32(truncatingIfNeeded: sequence &* 117), ssrc: self.ssrc, into: &span)
        }
        packet.info.flags = .hasSequence
        packet.info.extendedSequence = sequence
        packet.info.ssrc = ssrc
        packet.info.rtpTimestamp = UInt32(truncatingIfNeeded: sequence &* 117)
        packet.info.headerByteCount = 12
        return packet
    }

    /// True when each of `found` is the packet that it is said to be.
    func fits(_ found: [Int64: [UInt8]]) -> Bool { found.allSatisfy { $1 == bytes($0) } }

    /// The bytes of packet number `sequence`.
    func bytes(_ sequence: Int64) -> [UInt8] { packet(sequence).array }
}

extension Packet {
    /// A copy of the bytes.
    var array: [UInt8] { unsafeBytes.map { $0 } }
}

extension RLCEncoder {
    /// One repair as bytes; empty when there is none.
    mutating func repair(first: Int64, count: Int, key: UInt16, density: UInt8 = 15) -> [UInt8] {
        var storage = [UInt8](repeating: 0, count: 2048)
        var length = 0
        storage.withUnsafeMutableBytes { raw in
            var span = MutableRawSpan(_unsafeBytes: raw)
            length = repair(first: first, count: count, key: key, density: density, into: &span)
        }
        return Array(storage[..<length])
    }
}

extension RLCDecoder {
    /// Takes up a repair.
    mutating func addRepair(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { addRepair(RawSpan(_unsafeBytes: $0)) }
    }

    /// All that was given back, by sequence number.
    mutating func takeRecovered(_ pool: PacketPool) -> [Int64: [UInt8]] {
        var found: [Int64: [UInt8]] = [:]
        while hasRecovered {
            guard var packet = pool.allocate() else { preconditionFailure("the pool is too small") }
            if let sequence = nextRecovered(into: &packet) { found[sequence] = packet.array }
        }
        return found
    }
}
