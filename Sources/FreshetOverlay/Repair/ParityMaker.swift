internal import FreshetCoding
internal import FreshetCore
internal import FreshetWire

/// Parity in answer to requests: sums over all that a peer misses at the moment (RFC 8681), so that each that
/// arrives gives back any one of them.
///
/// The window of a sum runs from the oldest to the newest missing packet; what the peer has of it falls out
/// at its side. Packets are taken into the coder only when a window needs them.
struct ParityMaker: ~Copyable {
    private struct Wanted {
        var sequence: Int64
        var end: Instant
        var peer: UInt32
    }

    /// The most packets in a window: bounds the work of a sum.
    static let windowLimit = 256
    private static let wantedLimit = 512

    private var encoder: RLCEncoder
    private var wanted: [Wanted] = []
    private var fedThrough = Int64.min
    private let ssrc: UInt32
    private var number: UInt16
    private var key: UInt16 = 0

    /// A maker for packets of up to `packetByteCount` bytes; its RTP packets have the given SSRC and numbers.
    init(packetByteCount: Int, ssrc: UInt32, firstNumber: UInt16) {
        encoder = RLCEncoder(
            maximumWindow: ParityMaker.windowLimit, symbolByteCount: packetByteCount + 2)
        self.ssrc = ssrc
        number = firstNumber
        wanted.reserveCapacity(ParityMaker.wantedLimit)
    }

    /// Forgets what is wanted: another stream.
    mutating func reset() {
        wanted.removeAll(keepingCapacity: true)
        fedThrough = .min
    }

    /// `peer` misses `sequence` and can use parity until `end`.
    mutating func want(_ sequence: Int64, peer: UInt32, until end: Instant, now: Instant) {
        if wanted.count >= ParityMaker.wantedLimit { wanted.removeAll { $0.end <= now } }
        if wanted.count >= ParityMaker.wantedLimit { return }
        wanted.append(Wanted(sequence: sequence, end: end, peer: peer))
    }

    /// From the oldest to the newest packet that `peer` wants at `now`; `nil` when it wants none.
    mutating func window(of peer: UInt32, now: Instant) -> ClosedRange<Int64>? {
        wanted.removeAll { $0.end < now }
        var first = Int64.max
        var last = Int64.min
        for entry in wanted where entry.peer == peer {
            first = min(first, entry.sequence)
            last = max(last, entry.sequence)
        }
        if first > last { return nil }
        return first...min(last, first &+ Int64(ParityMaker.windowLimit) &- 1)
    }

    /// Writes an RTP packet with a sum over `window` into `packet`, which is empty; false when a packet of it
    /// is not kept.
    mutating func write(
        _ window: ClosedRange<Int64>, from history: borrowing RepairHistory, into packet: inout Packet
    ) -> Bool {
        var sequence = max(window.lowerBound, fedThrough &+ 1)
        while sequence <= window.upperBound {
            _ = history.withPacket(sequence) { encoder.add($0) }
            fedThrough = sequence
            sequence &+= 1
        }
        key &+= 1
        number &+= 1
        var length = 0
        let room = packet.spareByteCount
        packet.append(byteCount: room) { bytes in
            RTPHeader.write(
                payloadType: RLCRepairHeader.payloadType, sequenceNumber: number, timestamp: 0, ssrc: ssrc,
                into: &bytes)
            var body = bytes._mutatingExtracting(droppingFirst: RTPHeader.fixedByteCount)
            length = encoder.repair(
                first: window.lowerBound, count: window.count, key: key, density: 15, into: &body)
        }
        if length == 0 { return false }
        packet.removeLast(room - RTPHeader.fixedByteCount - length)
        return true
    }
}
