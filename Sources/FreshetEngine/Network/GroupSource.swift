internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// A sender's part in the repair of one group that it sends to: hears what members ask each other and answers what
/// nobody near them can, once for all.
final class GroupSource {
    private let link: GroupLink
    /// Hears the group's control port.
    private let ear: ControlPort
    /// The control port that it speaks from, by its index.
    let index: Int
    private let host: SocketAddress?
    @exclusivity(unchecked) private var ssrc: UInt32 = 0

    /// The source of the group that `request` names, speaking from control port `index`.
    init(
        _ request: DestinationRequest, _ history: HistoryOptions, index: Int, random: inout PRNG
    ) throws(SystemCallError) {
        var configuration = GroupConfiguration(
            ssrc: UInt32(truncatingIfNeeded: random.next()) & ~1, mediaSSRC: 0, latency: history.duration)
        configuration.role = .source
        configuration.assumeSmallGroup(latency: GroupLink.assumedLatency)
        configuration.historyDuration = history.duration
        configuration.historyCapacity = HistoryOptions.groupPacketLimit
        configuration.repairPerMille = history.budgetPercent * 10
        let control = request.url.controlAddress ?? request.url.address
        ear = ControlPort(
            try ListeningSocket(hearing: control, interface: request.url.interface ?? request.interface))
        host = try (request.url.interface ?? request.interface)
            .map { (name) throws(SystemCallError) in try NetworkInterface.named(name) }?
            .addresses.first { $0.family == request.url.address.family }
        self.index = index
        link = GroupLink(configuration, request.url, control: control, random: &random)
    }

    /// What becomes readable with what members say.
    var descriptor: Int32 { ear.number }
    /// When it wants to be run next.
    var deadline: Instant? { link.deadline }

    /// A packet has gone; true when it is the first of a stream, and the node has not begun to speak.
    @inline(__always)
    func note(_ packet: borrowing Packet, now: Instant) -> Bool {
        let isFirst = packet.info.ssrc != ssrc
        if isFirst {
            ssrc = packet.info.ssrc
            link.node.restart(mediaSSRC: ssrc)
        }
        link.node.note(packet, now: now)
        return isFirst
    }

    /// A member said something to the source alone.
    func read(_ bytes: RawSpan, from member: SocketAddress, now: Instant) {
        link.read(bytes, from: member, host: host, now: now)
    }

    /// Reads what members have said; false when there is more. True in `isHeard` when anything came.
    func read(isHeard: inout Bool, context: inout StageContext) -> Bool {
        for _ in 0..<SenderRepair.batchLimit {
            guard ear.receive(context: &context) > 0 else { return true }
            while let packet = ear.next(context: &context) {
                isHeard = true
                context.counters.add(.requestsIn)
                link.read(packet.bytes, from: ear.sender, host: host, now: context.now)
            }
        }
        return false
    }

    /// Sends what is due.
    func run(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        guard ssrc != 0 else { return }
        let group = destinations.channel(index)
        link.run(context: &context) { kind, bytes, address in
            switch kind {
            case .repair, .segmentRepair: group.sendMedia(bytes, to: address)
            case .control, .segmentControl: group.control.send(bytes, to: address)
            }
        }
    }
}
