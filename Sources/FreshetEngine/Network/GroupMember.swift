internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// A receiving path's part in the repair of its group: asks where it misses something, and answers its neighbours.
///
/// It speaks from two sockets of its own, one whose datagrams stay on the segment: the control port itself belongs to
/// the group and may be shared by several programs of this host, so nothing sent to this host alone is heard there.
final class GroupMember {
    /// Routers that what is said to the group may pass, where the URL does not say.
    private static let hopLimit = 16

    private let link: GroupLink
    private let group: SocketAddress
    /// The addresses of this host that others know it by.
    private let ownAddresses: [SocketAddress]
    /// Where the source speaks from, when it is on this host: what is said to the group from here does not reach it
    /// (``GroupSource``).
    @exclusivity(unchecked) private var localSource: SocketAddress?
    private let speaker: ControlPort
    private let segmentSpeaker: ControlPort
    @exclusivity(unchecked) private var consent: RepairConsent
    @exclusivity(unchecked) private(set) var deadline: Instant?

    /// A member of the group at `url`; `nil` when its sockets cannot be opened.
    init?(_ url: StreamURL, _ options: ReceiveOptions, context: inout StageContext) {
        guard let control = url.controlAddress else { return nil }
        let name = url.interface ?? options.interface
        var configuration = GroupConfiguration(
            ssrc: UInt32(truncatingIfNeeded: context.random.next()) & ~1, mediaSSRC: 0,
            latency: options.latency)
        configuration.name = CanonicalName(String(context.random.next(), radix: 36))
        configuration.assumeSmallGroup(latency: options.latency)
        if url.source != nil || options.source != nil { configuration.feedback = .unicast }
        if options.repair == .digest { configuration.feedback = .digest }
        if options.repair == .designated {
            configuration.role = .designatedReceiver
        } else if !options.hasAutomaticLatency {
            configuration.holdUntilPlayout()
        }
        consent = RepairConsent(options.repair)
        let interface: NetworkInterface?
        do {
            interface = try name.map { (name) throws(SystemCallError) in try NetworkInterface.named(name) }
            speaker = try GroupMember.port(url, interface, hopLimit: url.ttl ?? GroupMember.hopLimit)
            segmentSpeaker = try GroupMember.port(url, interface, hopLimit: 1)
        } catch {
            context.report(.notice("nothing is asked for: \(error.message)"))
            return nil
        }
        group = control
        let interfaces = interface.map { [$0] } ?? (try? NetworkInterface.list()) ?? []
        ownAddresses = interfaces.filter { !$0.isLoopback }.flatMap(\.addresses)
        link = GroupLink(
            configuration, url, control: control, interface: interface, random: &context.random)
    }

    private static func port(
        _ url: StreamURL, _ interface: NetworkInterface?, hopLimit: Int
    ) throws(SystemCallError) -> ControlPort {
        let socket = try UDPSocket(url.address.family)
        try socket.setHopLimit(hopLimit)
        if let interface { try socket.setMulticastInterface(interface) }
        return ControlPort(try ListeningSocket(speaking: socket))
    }

    /// What becomes readable with what is said to this member alone.
    var descriptors: [Int32] { [speaker.number, segmentSpeaker.number] }

    /// Hears what is said to this member alone: digests, where it is the designated receiver. True when all was read.
    func hear(limit: Int, context: inout StageContext) -> Bool {
        var isDrained = true
        for port in [speaker, segmentSpeaker] {
            let isQuiet = port.read(limit: limit, context: &context) {
                guard isActive else { return }
                link.read($0.bytes, from: $1, isFromSource: false, now: $3.now)
            }
            if !isQuiet { isDrained = false }
        }
        deadline = isActive ? link.deadline : deadline
        return isDrained
    }

    /// The source answers, as far as is known.
    var isActive: Bool { consent.isGiven }

    /// Another source begins.
    func restart(ssrc: UInt32) {
        consent.reset()
        link.node.restart(mediaSSRC: ssrc)
        localSource = nil
        deadline = nil
    }

    /// A media packet of the source came, or a repair of it from anybody.
    @inline(__always)
    func note(_ packet: borrowing Packet, now: Instant) {
        guard consent.follows() else { return }
        link.node.note(packet, isLocal: packet.info.flags.contains(.isFromNeighbour), now: now)
        if isActive { deadline = link.deadline }
    }

    /// Another member sends a packet again; true when it fills a hole here.
    func noteNeighboursRepair(_ sequenceNumber: UInt16, now: Instant) -> Bool {
        link.node.noteNeighboursRepair(sequenceNumber, now: now)
    }

    /// A control datagram came from anybody; `isSource` when it is the source's.
    func read(
        _ bytes: RawSpan, from sender: SocketAddress, isSource: Bool, ssrc: UInt32, now: Instant
    ) {
        if isSource {
            consent.read(bytes, ssrc: ssrc)
            if localSource == nil, ownAddresses.contains(where: { $0.isSameHost(as: sender) }) {
                localSource = sender
            }
        }
        guard isActive else { return }
        link.read(bytes, from: sender, isFromSource: isSource, now: now)
        deadline = link.deadline
    }

    /// Sends what is due.
    func run(context: inout StageContext) {
        guard isActive, let deadline, deadline <= context.now else { return }
        link.run(context: &context) { kind, bytes, address in
            switch kind {
            case .segmentControl, .segmentRepair: segmentSpeaker.send(bytes, to: address)
            case .control, .repair: speaker.send(bytes, to: address)
            }
            if let localSource, address == group { speaker.send(bytes, to: localSource) }
        }
        self.deadline = link.deadline
    }
}
