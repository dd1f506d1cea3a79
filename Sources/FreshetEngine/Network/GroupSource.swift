internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// A sender's part in the repair of one group that it sends to: hears what members ask each other and answers what
/// nobody near them can, once for all.
final class GroupSource {
    /// Bytes of the ear's receive buffer: the system's usual.
    private static let bufferByteCount = 212_992

    private let link: GroupLink
    /// Hears the group's control port.
    private let ear: ControlPort
    /// The control port that it speaks from, by its index.
    let index: Int
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
        let name = request.url.interface ?? request.interface
        let interface = try name.map { (name) throws(SystemCallError) in try NetworkInterface.named(name) }
        // A membership of its own group for all sources would have the kernel copy each packet of the stream back to
        // this host, for nobody. Members on this host therefore tell its source alone, too (``GroupMember``).
        let way = interface ?? NetworkInterface.sending(to: control)
        let own = way.flatMap { $0.isLoopback ? nil : $0.address(of: control.family) }
        ear = ControlPort(
            try ListeningSocket(
                control, interface: name, source: nil, except: own,
                bufferByteCount: GroupSource.bufferByteCount))
        self.index = index
        link = GroupLink(
            configuration, request.url, control: control, interface: interface, random: &random)
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

    /// True for what this sender said itself: a group that loops back is heard by its source too.
    func isOwn(_ bytes: RawSpan) -> Bool { bytes.byteCount >= 8 && bytes.uint32(at: 4) == ssrc }

    /// A member said something, to the group or to the source alone.
    func read(_ bytes: RawSpan, from member: SocketAddress, now: Instant) {
        link.read(bytes, from: member, isFromSource: false, now: now)
    }

    /// Hears what members say to the group; see ``ControlPort/read(limit:context:_:)``.
    func hear(
        limit: Int, context: inout StageContext,
        _ take: (borrowing Packet, SocketAddress, Instant, inout StageContext) -> Void
    ) -> Bool { ear.read(limit: limit, context: &context, take) }

    /// Sends what is due.
    func run(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        guard ssrc != 0 else { return }
        let channel = destinations.channel(index)
        link.run(context: &context) { kind, bytes, address in
            switch kind {
            case .repair, .segmentRepair: channel.sendMedia(bytes, to: address)
            case .control, .segmentControl: channel.control.send(bytes, to: address)
            }
        }
    }
}
