public import FreshetCore
import FreshetWire

/// Imitates a bad network: delay, jitter, loss, bursts, reordering, duplicates, a rate limit and flipped
/// bits, by a seeded ``LinkModel``.
///
/// Packets wait in a bounded queue until they leave the link; when it is full, input stays where it is. A
/// packet's arrival becomes the instant at which it leaves.
public struct ImpairStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "impair",
            summary: "imitates a bad network: delay, jitter, loss, bursts, reordering, duplicates, rate",
            takes: [.rtp, .transportStream, .bytes], gives: [.rtp, .transportStream, .bytes],
            parameters: parameters,
            example:
                "multicast-receive group=239.77.1.1:5004 ! impair loss=2% burst=3 jitter=20 ! jitter ! depacketize "
                + "! stdout")
    }

    private static var parameters: [StageParameter] {
        LinkModel.Configuration.parameters + [
            StageParameter(
                "hold", .integer(16...1_048_576), default: "16384", "how many packets can be under way"),
            StageParameter(
                "seed", .integer(0...Int.max), default: "1", "the same seed gives the same faults"),
        ]
    }

    private var link: LinkModel
    private var underWay: DepartureQueue

    /// A link with the given behaviour on which up to `hold` packets can be under way.
    public init(_ configuration: LinkModel.Configuration, hold: Int = 16384, seed: UInt64 = 1) {
        link = LinkModel(configuration, seed: seed)
        underWay = DepartureQueue(capacity: max(2, hold))
    }

    /// A stage with the parameters of the descriptor.
    public init(arguments: StageArguments) throws(StageError) {
        self.init(
            try LinkModel.Configuration(arguments), hold: arguments.integer("hold") ?? 16384,
            seed: UInt64(arguments.integer("seed") ?? 1))
    }

    /// Puts packets on the link and gives those that have left it.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        // A packet may become two.
        while underWay.freeCount >= 2, let packet = input.popFirst() {
            enter(packet, context: &context)
        }
        release(into: &output, context: &context)
    }

    /// Gives the packets that have left the link.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        release(into: &output, context: &context)
    }

    /// Gives what is still under way, each packet when it leaves.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        release(into: &output, context: &context)
        return underWay.count == 0
    }

    /// When the next packet leaves the link.
    public var nextDeadline: Instant? { underWay.nextDeparture }

    private mutating func enter(_ packet: consuming Packet, context: inout StageContext) {
        switch link.decide(now: context.now, byteCount: packet.byteCount) {
        case .lost:
            context.drop(packet, .impaired)
        case .delivered(let departure, let copyDeparture, let corruption):
            // Its arrival will change, and the others who have a ticket to it must not see that.
            if !packet.isUnique, let copy = ImpairStage.copy(packet, &context) { packet = copy }
            if let copyDeparture, let copy = ImpairStage.copy(packet, &context) {
                underWay.insert(copy, departure: copyDeparture)
            }
            if let corruption {
                let damaged = ImpairStage.damaged(packet, at: corruption, &context)
                underWay.insert(damaged, departure: departure)
            } else {
                underWay.insert(packet, departure: departure)
            }
        }
    }

    private mutating func release(into output: inout PacketBatch, context: inout StageContext) {
        while !output.isFull, let departure = underWay.nextDeparture,
            departure <= context.now || context.isStopping
        {
            guard let packet = underWay.popFirst() else { break }
            if packet.isUnique { packet.info.arrival = min(departure, context.now) }
            output.append(packet)
        }
        context.counters[.queued] = underWay.count
    }

    private static func copy(_ packet: borrowing Packet, _ context: inout StageContext) -> Packet? {
        guard var copy = context.allocate() else { return nil }
        guard packet.byteCount <= copy.spareByteCount else { return nil }
        copy.info = packet.info
        copy.append(packet.bytes)
        return copy
    }

    /// The packet with one bit flipped: itself when nobody shares it, else a copy; untouched when the pool is
    /// empty.
    private static func damaged(
        _ packet: consuming Packet, at bit: UInt64, _ context: inout StageContext
    ) -> Packet {
        let byteCount = packet.byteCount
        if byteCount == 0 { return packet }
        if !packet.isUnique {
            guard let copy = copy(packet, &context) else { return packet }
            packet = copy
        }
        let position = Int(bit % UInt64(byteCount * 8))
        packet.modify { bytes in
            let old = bytes.bytes.uint8(at: position / 8)
            bytes.storeBytes(of: old ^ (1 << UInt8(position % 8)), toByteOffset: position / 8, as: UInt8.self)
        }
        return packet
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(ImpairStage.self, in: $0) }
