internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// Whether what is missing is asked for.
enum RepairMode: String, CaseIterable {
    /// From a source that has said that it answers; on `rist://` from any.
    case auto
    /// From any source: one that knows nothing of it ignores it.
    case on
    /// Never.
    case off
    /// In a group: says what it has to its designated receiver, and asks for nothing aloud. Else as ``auto``.
    case digest
    /// In a group: the designated receiver of its segment, who answers digests and the others' requests.
    case designated

    static let parameter = StageParameter(
        "repair", .choice(allCases.map(\.rawValue)), default: "auto",
        "ask for what is missing (auto: of sources that say they answer, and on rist://; digest: by acknowledgements "
            + "to the group's designated receiver, which another one is by designated)")

    init(_ arguments: StageArguments) { self = RepairMode(rawValue: arguments.text("repair")) ?? .auto }
}

/// The receiving side of repair, at its sockets: tells the node what came, and sends the requests that it makes to
/// the source's control port. The rules are those of ``RepairReceiver``.
final class ReceiverRepair {
    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var node: RepairReceiver
    private let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 8)
    @exclusivity(unchecked) private var consent: RepairConsent
    @exclusivity(unchecked) private(set) var deadline: Instant?

    /// Asks for what can still come within the latency of `options`.
    ///
    /// `takesParity`: parity in answer is understood as well as copies.
    init(_ mode: RepairMode, _ options: ReceiveOptions, takesParity: Bool, random: inout PRNG) {
        consent = RepairConsent(mode)
        let ssrc = UInt32(truncatingIfNeeded: random.next()) & ~1
        let name = String(random.next(), radix: 36)
        var configuration = RepairReceiver.Configuration(
            latency: options.latency, ssrc: ssrc, name: CanonicalName(name))
        configuration.takesParity = takesParity
        configuration.fitsLatency = options.hasAutomaticLatency
        node = RepairReceiver(configuration, random: random.split(by: 1))
    }

    deinit { datagram.deallocate() }

    /// How long what is missing is waited for.
    var latency: Nanoseconds { node.latency }

    /// The source answers, as far as is known.
    var isActive: Bool { consent.isGiven }

    /// True when nothing is missing of what is known to have been sent.
    var isWhole: Bool { isActive && node.openHoleCount == 0 }

    /// Another source begins.
    func restart() {
        consent.reset()
        node.reset()
        deadline = nil
    }

    /// A media packet came.
    @inline(__always)
    func note(_ info: PacketInfo, byteCount: Int) {
        guard consent.follows() else { return }
        node.note(
            sequence: info.extendedSequence, isRetransmission: info.flags.contains(.isRetransmission),
            mediaSSRC: info.ssrc, byteCount: byteCount, arrival: info.arrival)
        if isActive { deadline = node.nextDeadline }
    }

    /// A missing packet was made of parity.
    func noteFilled(_ sequence: Int64, arrival: Instant) { node.noteFilled(sequence, arrival: arrival) }

    /// A control datagram of the source came.
    func read(_ bytes: RawSpan, ssrc: UInt32, now: Instant) {
        consent.read(bytes, ssrc: ssrc)
        guard isActive else { return }
        node.read(bytes, now: now)
        deadline = node.nextDeadline
    }

    /// Answers the reports of a source that has sent no media yet. The answer is no longer than what is answered.
    func greet(_ bytes: RawSpan, at control: ControlPort, from sender: SocketAddress) {
        guard var packets = CompoundPacket(parsing: bytes) else { return }
        var isSource = false
        while let packet = packets.next() { isSource = isSource || SenderReport(packet) != nil }
        guard isSource else { return }
        var span = MutableRawSpan(_unsafeBytes: datagram)
        let count = node.writeGreeting(into: &span)
        guard count <= bytes.byteCount else { return }
        let answer = UnsafeRawBufferPointer(rebasing: datagram[..<count])
        control.send(RawSpan(_unsafeBytes: answer), to: sender)
    }

    /// Sends what is due through the path that was heard last.
    func run(_ paths: [ReceivingPath], context: inout StageContext) {
        guard isActive, let deadline, deadline <= context.now else { return }
        node.advance(to: context.now)
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let count = node.nextTransmit(into: &bytes, now: context.now) else { break }
            let request = UnsafeRawBufferPointer(rebasing: datagram[..<count])
            guard let path = ReceiverRepair.liveliest(paths), let control = path.control,
                let address = path.sourceControl
            else { continue }
            control.send(RawSpan(_unsafeBytes: request), to: address)
            context.counters.add(.requestsOut)
        }
        self.deadline = node.nextDeadline
        context.counters[.latencyNanoseconds] = Int(node.latency.count)
        context.counters[.roundTripNanoseconds] = Int(node.roundTrip.smoothed?.count ?? 0)
    }

    /// The path by which the last packet came, of those whose source was heard to speak.
    private static func liveliest(_ paths: [ReceivingPath]) -> ReceivingPath? {
        var best: ReceivingPath?
        for path in paths where path.sourceControl != nil && path.control != nil {
            if best.map({ $0.lastArrival < path.lastArrival }) ?? true { best = path }
        }
        return best
    }
}
