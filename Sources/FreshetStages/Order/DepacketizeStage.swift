public import FreshetCore
import FreshetWire

/// Takes the RTP header and padding off and gives the transport stream inside, untouched.
///
/// A payload is a transport stream when its length is a multiple of 188 and most of its packets begin with
/// the sync byte 0x47 (ISO/IEC 13818-1 §2.4.3.2). Most, not all: a source that is damaged in places passes
/// bit-exact, damage included. A sender whose packets have been a transport stream may send bytes that are in
/// no packet between and behind them (payload type 33, same epoch); they pass too. A datagram of anything else
/// is dropped as `malformed`.
public struct DepacketizeStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "depacketize", summary: "takes the RTP header off and gives the transport stream inside",
            takes: [.rtp, .transportStream], gives: .transportStream,
            example: "multicast-receive group=239.77.1.1:5004 ! reorder ! depacketize ! stdout")
    }

    /// The epoch whose packets have been a transport stream.
    private var knownEpoch: UInt32?

    /// A stage; it has no parameters.
    public init() {}

    /// A stage; it has no parameters.
    public init(arguments: StageArguments) throws(StageError) {}

    /// Strips each packet that there is room for.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while !input.isEmpty && !output.isFull {
            guard let range = accepted(input[0]) else {
                if let packet = input.popFirst() { context.drop(packet, .malformed) }
                continue
            }
            if !input[0].isUnique {
                // What is known about a packet is shared by all its tickets, and the others still have the
                // header.
                guard let copy = DepacketizeStage.copy(input[0], range, &context) else { return }
                _ = input.popFirst()
                output.append(copy)
                continue
            }
            guard var packet = input.popFirst() else { return }
            packet.removeLast(packet.byteCount - range.upperBound)
            packet.removeFirst(range.lowerBound)
            DepacketizeStage.markBare(packet)
            output.append(packet)
        }
    }

    /// Where the payload of `packet` lies; `nil` when it is to be dropped.
    private mutating func accepted(_ packet: borrowing Packet) -> Range<Int>? {
        guard let range = DepacketizeStage.payload(of: packet) else { return nil }
        let info = packet.info
        let isRTP = info.flags.contains(.hasSequence) && info.headerByteCount >= RTPHeader.fixedByteCount
        if DepacketizeStage.isTransportStream(packet.bytes.extracting(range)) {
            if isRTP { knownEpoch = info.epoch }
            return range
        }
        guard isRTP, knownEpoch == info.epoch else { return nil }
        let payloadType = packet.bytes.uint8(at: 1) & 0x7F
        return payloadType == RTPHeader.transportStreamPayloadType ? range : nil
    }

    private static func markBare(_ packet: borrowing Packet) {
        packet.info.headerByteCount = 0
        packet.info.flags.remove(.hasSequence)
    }

    private static func copy(
        _ packet: borrowing Packet, _ range: Range<Int>, _ context: inout StageContext
    ) -> Packet? {
        guard var copy = context.allocate() else { return nil }
        copy.info = packet.info
        copy.append(packet.bytes.extracting(range))
        markBare(copy)
        return copy
    }

    /// What lies between header and padding of `packet`; `nil` when nothing does.
    private static func payload(of packet: borrowing Packet) -> Range<Int>? {
        let headerByteCount = Int(packet.info.headerByteCount)
        let bytes = packet.bytes
        guard headerByteCount <= bytes.byteCount else { return nil }
        let end = bytes.byteCount - (headerByteCount > 0 ? padding(bytes) : 0)
        guard headerByteCount < end else { return nil }
        return headerByteCount..<end
    }

    /// How many bytes of padding end an RTP packet (RFC 3550 §5.1: the last byte counts them, itself
    /// included).
    private static func padding(_ bytes: RawSpan) -> Int {
        guard bytes.uint8(at: 0) & 0x20 != 0 else { return 0 }
        return Int(bytes.uint8(at: bytes.byteCount - 1))
    }

    private static func isTransportStream(_ bytes: RawSpan) -> Bool {
        let packetCount = bytes.byteCount / 188
        guard packetCount > 0, packetCount * 188 == bytes.byteCount else { return false }
        var syncCount = 0
        var offset = 0
        for _ in 0..<packetCount {
            if bytes.uint8(at: offset) == 0x47 { syncCount += 1 }
            offset += 188
        }
        return syncCount * 2 > packetCount
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(DepacketizeStage.self, in: $0) }
