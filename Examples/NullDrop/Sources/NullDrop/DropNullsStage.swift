public import FreshetCore

/// Leaves out the null packets (PID 0x1FFF) that hold a transport stream at a constant rate (ISO/IEC 13818-1 §2.4.1).
///
/// The clock references stay as they are, so players keep their time; what goes over the network is the media alone.
public struct DropNullsStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "drop-nulls", summary: "leaves out the null packets of a transport stream",
            takes: .transportStream, gives: .transportStream,
            parameters: [
                StageParameter(
                    "keep", .integer(0...1_000_000), default: "0",
                    "let one null packet in so many through; 0: none")
            ],
            example:
                "demux input=media/clip.ts ! drop-nulls ! packetize ! pace ! multicast-send group=239.77.1.1:5004"
        )
    }

    private let keep: Int
    private var nullCount = 0

    /// A stage with the given parameters.
    public init(arguments: StageArguments) throws(StageError) {
        keep = arguments.integer("keep") ?? 0
    }

    /// Moves packets on while there is room; what stays in `input` is the back-pressure.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while !output.isFull, var packet = input.popFirst() {
            // Only the holder of the one ticket may write: others would see their packet change.
            if !packet.isUnique {
                guard var copy = context.allocate() else {
                    input.prepend(packet)
                    return
                }
                copy.append(packet.bytes)
                copy.info = packet.info
                packet = copy
            }
            let kept = closeRanks(&packet)
            packet.removeLast(packet.byteCount - kept)
            if kept > 0 { output.append(packet) }
        }
    }

    /// Moves the packets that stay to the front; gives how many bytes they are.
    private mutating func closeRanks(_ packet: inout Packet) -> Int {
        var kept = 0
        packet.modify { bytes in
            var start = 0
            while start + 188 <= bytes.byteCount {
                let high = bytes.bytes[start + 1]
                let low = bytes.bytes[start + 2]
                if !isDropped(pid: UInt16(high & 0x1F) << 8 | UInt16(low)) {
                    if kept != start {
                        for offset in 0..<188 {
                            let byte = bytes.bytes[start + offset]
                            bytes.storeBytes(of: byte, toByteOffset: kept + offset, as: UInt8.self)
                        }
                    }
                    kept += 188
                }
                start += 188
            }
        }
        return kept
    }

    private mutating func isDropped(pid: UInt16) -> Bool {
        guard pid == 0x1FFF else { return false }
        nullCount += 1
        return keep == 0 || nullCount % keep != 0
    }
}

extension RawSpan {
    /// One byte.
    fileprivate subscript(offset: Int) -> UInt8 { Span<UInt8>(_bytes: self)[offset] }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(DropNullsStage.self, in: $0) }
