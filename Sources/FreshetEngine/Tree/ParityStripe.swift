internal import FreshetCoding
internal import FreshetCore
internal import FreshetWire

/// The stripe behind the others: after every k packets, one of each stripe, the source sends their sum (RFC 8681 over a
/// window of k). Whoever lacks one of them has it back as soon as the others and the sum are there, without asking: a
/// stripe whose parent has failed is bridged until another parent sends.
///
/// A class, because it holds a move-only coder and is used once a packet.
final class ParityStripe {
    /// Packets remembered to be made whole.
    static let window = 256
    private static let packetByteCount = 1_472

    private let stripeCount: Int64
    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var encoder: RLCEncoder?
    @exclusivity(unchecked) private var decoder: RLCDecoder?
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_504, alignment: 8)
    /// The first packet that came: what is found before it is not wanted.
    @exclusivity(unchecked) private var lowest: Int64?
    /// Packets that parity gave back.
    var recoveredCount: Int { decoder?.totals.recovered ?? 0 }
    /// Parity that cannot be what it says.
    var malformedCount: Int { decoder?.totals.malformed ?? 0 }

    /// The parity of `stripeCount` stripes, made here by the source and used by everybody else.
    init(stripeCount: Int, isSource: Bool) {
        self.stripeCount = Int64(stripeCount)
        let byteCount = ParityStripe.packetByteCount + 2
        if isSource {
            encoder = RLCEncoder(maximumWindow: stripeCount, symbolByteCount: byteCount)
        } else {
            decoder = RLCDecoder(window: ParityStripe.window, symbolByteCount: byteCount)
        }
    }

    deinit { scratch.deallocate() }

    /// Learns a packet of the stream.
    func note(_ packet: borrowing Packet) {
        encoder?.add(packet)
        if decoder == nil || packet.info.flags.contains(.isFromParity) { return }
        lowest = min(lowest ?? packet.info.extendedSequence, packet.info.extendedSequence)
        decoder?.addSource(packet)
    }

    /// The sum that is due behind packet `last`; `nil` when none is. Its number is that of the first packet in it.
    func sum(behind last: borrowing Packet, pool: PacketPool) -> Packet? {
        let info = last.info
        let first = info.extendedSequence &- stripeCount &+ 1
        guard first >= 0, first % stripeCount == 0, var packet = pool.allocate() else { return nil }
        var symbol = MutableRawSpan(_unsafeBytes: scratch)
        let byteCount =
            encoder?.repair(
                first: first, count: Int(stripeCount), key: UInt16(truncatingIfNeeded: first), density: 15,
                into: &symbol) ?? 0
        guard byteCount > 0, RTPHeader.fixedByteCount + byteCount <= packet.spareByteCount else { return nil }
        packet.append(byteCount: RTPHeader.fixedByteCount) { bytes in
            RTPHeader.write(
                payloadType: RLCRepairHeader.payloadType,
                sequenceNumber: UInt16(truncatingIfNeeded: first / stripeCount), timestamp: info.rtpTimestamp,
                ssrc: info.ssrc, into: &bytes)
        }
        packet.append(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: scratch[..<byteCount])))
        packet.info.extendedSequence = first
        packet.info.ssrc = info.ssrc
        packet.info.headerByteCount = UInt16(RTPHeader.fixedByteCount)
        return packet
    }

    /// The number of the first packet in a sum for the stream `ssrc`; `nil` when `packet` is none of this one's.
    func first(in packet: borrowing Packet, ssrc: UInt32) -> Int64? {
        let bytes = packet.bytes
        guard bytes.byteCount > RTPHeader.fixedByteCount,
            let header = RLCRepairHeader(parsing: bytes.extracting(droppingFirst: RTPHeader.fixedByteCount)),
            header.ssrc == ssrc, header.first >= 0, header.first % stripeCount == 0,
            header.count == Int(stripeCount)
        else { return nil }
        return header.first
    }

    /// Learns a sum that has come.
    func take(_ packet: borrowing Packet) {
        decoder?.addRepair(packet.bytes.extracting(droppingFirst: RTPHeader.fixedByteCount))
    }

    /// The next packet that was given back, of those that are wanted; `nil` when there is none.
    func next(pool: PacketPool) -> Packet? {
        while decoder?.hasRecovered == true, var packet = pool.allocate() {
            guard let sequence = decoder?.nextRecovered(into: &packet) else { return nil }
            if let lowest, sequence > lowest { return packet }
        }
        return nil
    }
}
