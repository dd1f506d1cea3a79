internal import FreshetCoding
internal import FreshetCore
internal import FreshetWire

/// The sending side of parity: told of each packet that departs, it gives the datagrams to send beside it, on
/// ports counted from the stream's own.
///
/// Knows no socket and no clock. A class, because it holds move-only coders and is used once a packet.
final class FECSender {
    /// From the media port to that of columns and of sliding windows, and to that of rows (ST 2022-1 §7.1).
    static let columnPortOffset: UInt16 = 2
    static let rowPortOffset: UInt16 = 4

    // Unchecked exclusivity here and below: a sender belongs to one stage on one thread.
    @exclusivity(unchecked) private var window: RLCSender?
    @exclusivity(unchecked) private var matrix: ParityGenerator?
    private let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)
    private let ssrc: UInt32
    @exclusivity(unchecked) private var sequence: UInt16
    @exclusivity(unchecked) private var timestamp: UInt32 = 0

    /// The sender that `plan` asks for; `nil` for none.
    init?(_ plan: FECPlan, random: inout PRNG) {
        sequence = UInt16(truncatingIfNeeded: random.next())
        ssrc = UInt32(truncatingIfNeeded: random.next()) & ~1
        switch plan {
        case .none: return nil
        case .matrix(let columns, let rows, let hasRows):
            matrix = ParityGenerator(
                columns: columns, rows: rows, hasRows: hasRows, packetByteCount: 1472, sequence: sequence)
            window = nil
        case .slidingWindow(let floor, let cap, let span):
            let configuration = RLCSender.Configuration(floor: floor, cap: cap, window: span)
            window = RLCSender(configuration, key: UInt16(truncatingIfNeeded: random.next()))
            matrix = nil
        }
    }

    deinit { datagram.deallocate() }

    /// `packet` departs at `now`.
    func note(_ packet: borrowing Packet, now: Instant) {
        timestamp = packet.info.rtpTimestamp
        window?.add(packet, now: now)
        matrix?.add(packet)
    }

    /// The worst loss that a receiver reports, in parts per million.
    func follow(loss: Int) { window?.follow(loss: loss) }

    /// The stream is over: what is still owed is due at once.
    func finish() {
        window?.finish()
        matrix?.finish()
    }

    /// Hands each datagram that is due to `send`, with how far its port is from the stream's; ask after each
    /// packet.
    func drain(_ send: (RawSpan, UInt16) -> Void) {
        while let due = next() {
            send(
                RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<due.byteCount])),
                due.offset)
        }
    }

    private func next() -> (byteCount: Int, offset: UInt16)? {
        if matrix != nil {
            var target = MutableRawSpan(_unsafeBytes: datagram)
            guard let due = matrix?.next(into: &target) else { return nil }
            let isRow = due.direction == .row
            return (due.byteCount, isRow ? FECSender.rowPortOffset : FECSender.columnPortOffset)
        }
        let header = RTPHeader.fixedByteCount
        var target = MutableRawSpan(
            _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: datagram[header...]))
        guard let count = window?.next(into: &target), count > 0 else { return nil }
        var front = MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: datagram[..<header]))
        sequence &+= 1
        RTPHeader.write(
            payloadType: RLCRepairHeader.payloadType, sequenceNumber: sequence, timestamp: timestamp,
            ssrc: ssrc, into: &front)
        return (count + header, FECSender.columnPortOffset)
    }
}
