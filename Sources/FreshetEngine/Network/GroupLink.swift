internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// Repair in a multicast group, between its node and the sockets: who stands behind the peers' numbers, and where what
/// the node sends is to go. The rules are those of ``GroupRepair``.
final class GroupLink {
    /// What a datagram is, for whoever sends it.
    enum Kind {
        /// Control for the whole group, or for one peer.
        case control
        /// Control for this segment only.
        case segmentControl
        /// A repair for the whole group.
        case repair
        /// A repair for this segment only.
        case segmentRepair
    }

    /// The most peers known at once; beyond, each new one takes the number of an old one.
    static let peerLimit = 4096

    /// What a source takes the latency of its members to be: they do not tell.
    static let assumedLatency = Nanoseconds.milliseconds(200)

    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) var node: GroupRepair
    private let media: SocketAddress
    private let control: SocketAddress
    /// An address of this host on the group's interface, where that is known: who is near it is on the same segment.
    private let host: SocketAddress?
    @exclusivity(unchecked) private var numbers: [SocketAddress: UInt32] = [:]
    @exclusivity(unchecked) private var addresses: [SocketAddress] = []
    /// Whose number goes next when all are taken.
    @exclusivity(unchecked) private var oldest = 0
    private let datagram = UnsafeMutableRawBufferPointer.allocate(
        byteCount: GroupRepair.datagramByteCount, alignment: 8)
    /// What the counters were told already.
    @exclusivity(unchecked) private var toldRefused: UInt64 = 0

    /// A node of the group at `url`, whose control port is `control`, reached by `interface` where one was named.
    init(
        _ configuration: GroupConfiguration, _ url: StreamURL, control: SocketAddress,
        interface: NetworkInterface?, random: inout PRNG
    ) {
        node = GroupRepair(configuration, random: random.split(by: 3))
        media = url.address
        self.control = control
        host = interface?.address(of: url.address.family)
    }

    deinit { datagram.deallocate() }

    /// When the node wants to be run next.
    var deadline: Instant? { node.hasWork ? .zero : node.nextDeadline }

    /// A control datagram came from `sender`; `isFromSource` when that is where the media comes from.
    func read(_ bytes: RawSpan, from sender: SocketAddress, isFromSource: Bool, now: Instant) {
        node.read(
            bytes, from: peer(sender), isLocal: host.map { $0.isNeighbour(of: sender) } ?? true,
            isFromSource: isFromSource, now: now)
    }

    private func peer(_ address: SocketAddress) -> Peer {
        if let number = numbers[address] { return Peer(number) }
        var place = addresses.count
        if place < GroupLink.peerLimit {
            addresses.append(address)
        } else {
            // A flood of addresses must not take those that the node speaks to, or they would get what is for them.
            while node.speaks(to: Peer(UInt32(oldest))) { oldest = (oldest + 1) % GroupLink.peerLimit }
            place = oldest
            oldest = (oldest + 1) % GroupLink.peerLimit
            numbers[addresses[place]] = nil
            addresses[place] = address
        }
        numbers[address] = UInt32(place)
        return Peer(UInt32(place))
    }

    /// Sends what is due by `send`.
    func run(context: inout StageContext, send: (GroupLink.Kind, RawSpan, SocketAddress) -> Void) {
        node.advance(to: context.now)
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let transmit = node.nextTransmit(into: &bytes, now: context.now) else { break }
            let written = UnsafeRawBufferPointer(rebasing: datagram[..<transmit.byteCount])
            let kind: Kind = transmit.destination == .segment ? .segmentControl : .control
            guard let address = address(of: transmit.destination, control) else { continue }
            context.counters.add(.requestsOut)
            send(kind, RawSpan(_unsafeBytes: written), address)
        }
        while let repair = node.nextRepair(pool: context.pool, now: context.now) {
            // Members hear media at the group's port only: what is for one goes to his segment.
            var kind = Kind.segmentRepair
            if case .group = repair.destination { kind = .repair }
            give(repair.takePacket(), kind, context: &context, send)
        }
        let refused = node.counts.refused &+ node.counts.overLimit &+ node.counts.ignored
        context.counters.add(.requestsRefused, Int(refused &- toldRefused))
        toldRefused = refused
    }

    /// A function of its own: in the loop the compiler puts each repair on the heap.
    private func give(
        _ packet: borrowing Packet, _ kind: Kind, context: inout StageContext,
        _ send: (GroupLink.Kind, RawSpan, SocketAddress) -> Void
    ) {
        context.counters.add(.repairsOut)
        context.counters.add(.repairBytesOut, packet.byteCount)
        send(kind, packet.bytes, media)
    }

    private func address(of destination: Destination, _ group: SocketAddress) -> SocketAddress? {
        guard case .peer(let peer) = destination else { return group }
        return peer.number < addresses.count ? addresses[Int(peer.number)] : nil
    }
}

extension GroupConfiguration {
    /// What is true of most groups until the first reports come, a second or two after the start: a hundred members, near
    /// enough that asking makes sense within `latency`. A hundred times too few costs some tens of requests, once; a
    /// hundred times too many, a start without repair.
    mutating func assumeSmallGroup(latency: Nanoseconds) {
        groupSizeEstimate = 100
        groupRoundTrip = min(groupRoundTrip, max(.milliseconds(5), latency / 10))
    }
}

extension SocketAddress {
    /// True when the other one is on the same network as far as addresses tell: the first 24 bits of IPv4, 64 of IPv6.
    func isNeighbour(of other: SocketAddress) -> Bool {
        guard family == other.family else { return false }
        let count = family == .ipv4 ? 3 : 8
        return ipBytes.prefix(count).elementsEqual(other.ipBytes.prefix(count))
    }
}
