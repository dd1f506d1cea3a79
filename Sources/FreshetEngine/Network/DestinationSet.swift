internal import FreshetCore
internal import FreshetNet

/// One place to send to, as it was asked for.
struct DestinationRequest: Equatable {
    var url: StreamURL
    /// Filled in from the stage's parameters where the address does not say.
    var ttl: Int?
    var interface: String?
    var dscp: Int?
    var hasLoopback: Bool?
    var hasControl: Bool

    /// Destinations that can share a socket: the options of a socket hold for all that it sends.
    func canShare(with other: DestinationRequest) -> Bool {
        url.address.family == other.url.address.family && ttl == other.ttl && interface == other.interface
            && dscp == other.dscp && hasLoopback == other.hasLoopback
    }
}

/// The destinations of one socket. A class, because move-only values cannot be kept in an array; one call a
/// batch.
final class SocketGroup {
    // Unchecked exclusivity: touched by the stage's own thread only.
    @exclusivity(unchecked) var fanOut: DatagramFanOut
    /// Where reports go.
    let controlAddresses: [SocketAddress]
    /// Where RTP packets go to RIST's receivers.
    let repairedAddresses: [SocketAddress]
    /// Where RTP packets go.
    let mediaAddresses: [SocketAddress]
    /// Where they are spoken from and answers come to.
    let control: ControlPort
    /// The last batch has gone, or was given up.
    @exclusivity(unchecked) var isDone = true

    init(
        _ fanOut: consuming DatagramFanOut, controlAddresses: [SocketAddress],
        mediaAddresses: [SocketAddress], repairedAddresses: [SocketAddress],
        control: ControlPort
    ) {
        self.repairedAddresses = repairedAddresses
        self.fanOut = fanOut
        self.controlAddresses = controlAddresses
        self.mediaAddresses = mediaAddresses
        self.control = control
    }

    /// Sends one datagram of media out of its turn.
    func sendMedia(_ bytes: RawSpan, to address: SocketAddress) { fanOut.sendBeside(bytes, to: address) }
}

/// Sends each batch of packets to every destination: one system call per socket and batch.
///
/// A destination that refuses is counted and told of once; it never stops the others. When the kernel has no
/// room the batch is tried again for a short while (back-pressure), then given up for that socket and
/// counted.
struct DestinationSet: ~Copyable {
    /// How soon a socket without room is tried again.
    private static let retryInterval = Nanoseconds.microseconds(200)
    /// How long a batch may wait for room.
    private static let patience = Nanoseconds.milliseconds(50)

    private let groups: ObjectTable<SocketGroup>
    /// The requests of each of `groups`.
    let requests: [[DestinationRequest]]
    private let hasRTP: Bool
    private var loadedCount = 0
    private var blockedSince: Instant?
    private(set) var retryDeadline: Instant?

    /// Opens the sockets of `requests`.
    init(_ requests: [DestinationRequest], sendBufferByteCount: Int) throws(StageError) {
        hasRTP = requests.contains { $0.url.scheme != .udp }
        var sorted: [[DestinationRequest]] = []
        for request in requests {
            if let index = sorted.firstIndex(where: { $0[0].canShare(with: request) }) {
                sorted[index].append(request)
            } else {
                sorted.append([request])
            }
        }
        // Every socket takes the same number of packets a batch.
        let limit = max(1, min(64, 4096 / (sorted.map(\.count).max() ?? 1)))
        var groups: [SocketGroup] = []
        for requests in sorted {
            groups.append(try DestinationSet.open(requests, limit, sendBufferByteCount))
        }
        self.groups = ObjectTable(groups)
        self.requests = sorted
    }

    private static func open(
        _ requests: [DestinationRequest], _ packetLimit: Int, _ sendBufferByteCount: Int
    ) throws(StageError) -> SocketGroup {
        let first = requests[0]
        do {
            let socket = try socket(for: requests, isMedia: true)
            _ = socket.setSendBuffer(sendBufferByteCount)
            let destinations = requests.map {
                DatagramFanOut.Destination(address: $0.url.address, stripsHeader: $0.url.scheme == .udp)
            }
            let fanOut = try DatagramFanOut(
                socket: socket, destinations: destinations, packetLimit: packetLimit)
            let addresses = requests.filter(\.hasControl).compactMap(\.url.controlAddress)
            let media = requests.filter { $0.url.scheme != .udp }.map(\.url.address)
            let control = ControlPort(try ListeningSocket(speaking: try self.socket(for: requests)))
            return SocketGroup(
                fanOut, controlAddresses: addresses, mediaAddresses: media,
                repairedAddresses: requests.map(\.url).filter { $0.scheme == .rist }.map(\.address),
                control: control)
        } catch { throw .failure(error.message + routeHint(error, first)) }
    }

    /// A socket with the options that all of `requests` share; `isMedia` for the one that carries the stream.
    private static func socket(
        for requests: [DestinationRequest], isMedia: Bool = false
    ) throws(SystemCallError) -> UDPSocket {
        let first = requests[0]
        let socket = try UDPSocket(first.url.address.family)
        if let ttl = first.ttl { try socket.setHopLimit(ttl) }
        if let dscp = first.dscp { try socket.setDSCP(dscp) }
        if let hasLoopback = first.hasLoopback { try socket.setMulticastLoop(hasLoopback) }
        if let name = first.interface {
            let interface = try NetworkInterface.named(name)
            // A group's datagrams leave by the interface whose address their socket has. The kernel then looks for no
            // route, which it does for each datagram where the interface was set.
            if isMedia, requests.count == 1, first.url.address.isMulticast, first.url.address.family == .ipv4,
                let address = interface.identifyingAddress
            {
                try socket.bind(address, isShared: false)
            } else {
                try socket.setMulticastInterface(interface)
            }
        }
        if requests.contains(where: { NetworkInterface.isBroadcast($0.url.address) }) {
            try socket.allowBroadcast()
        }
        return socket
    }

    /// Loopback has no route for IPv6 groups of its own, and IPv4 groups need one where there is no default
    /// route.
    private static func routeHint(_ error: SystemCallError, _ request: DestinationRequest) -> String {
        guard error.errno == .networkUnreachable, request.url.address.isMulticast else { return "" }
        let device = request.interface ?? "INTERFACE"
        // On the loopback interface nothing comes back but by a route of the local kind.
        let kind = (try? NetworkInterface.named(device))?.isLoopback == true ? "local" : "multicast"
        return request.url.address.family == .ipv6
            ? "; add a route: ip -6 route add \(kind) ff00::/8 dev \(device) table local"
            : "; name an interface, or add a route: ip route add 224.0.0.0/4 dev \(device)"
    }

    /// Sends packets from the front of `packets` until there are none, or the kernel has no room; tells
    /// `reports` and `repair` of each that went, and sends what `parity` makes of them.
    mutating func send(
        _ packets: inout PacketBatch, reports: inout SenderReports, repair: SenderRepair?, parity: FECSender?,
        context: inout StageContext
    ) throws(StageError) {
        while true {
            if loadedCount == 0 {
                if packets.isEmpty { return }
                loadedCount = try load(packets)
            }
            guard flush(context: &context) else { return }
            for _ in 0..<loadedCount {
                guard let packet = packets.popFirst() else { break }
                reports.note(packet, now: context.now)
                if let parity {
                    parity.note(packet, now: context.now)
                    send(parity, context: &context)
                }
                context.counters.add(.packetsOut)
                context.counters.add(.bytesOut, packet.byteCount &- Int(packet.info.headerByteCount))
                repair?.note(packet, now: context.now)
            }
            loadedCount = 0
        }
    }

    /// Sends the parity that is due.
    func send(_ parity: FECSender, context: inout StageContext) {
        parity.drain { bytes, offset in
            sendBeside(bytes, portOffset: offset)
            context.counters.add(.parityOut)
        }
    }

    private func load(_ packets: borrowing PacketBatch) throws(StageError) -> Int {
        if hasRTP && !packets[0].info.flags.contains(.hasSequence) {
            throw .usage(
                "an rtp:// or rist:// destination needs RTP packets; put packetize before it, or send to udp://"
            )
        }
        var count = 0
        for index in groups.indices {
            count = groups.with(index) { group in
                group.isDone = false
                return group.fanOut.load(packets)
            }
        }
        return count
    }

    /// Sends what is loaded; false when some socket has no room yet.
    private mutating func flush(context: inout StageContext) -> Bool {
        var isBlocked = false
        for index in groups.indices {
            groups.with(index) { group in
                if group.isDone { return }
                if group.fanOut.send() == .done { group.isDone = true } else { isBlocked = true }
                if group.fanOut.hasNewError { DestinationSet.tellErrors(group, context: &context) }
            }
        }
        guard isBlocked else {
            blockedSince = nil
            retryDeadline = nil
            return true
        }
        let since = blockedSince ?? context.now
        blockedSince = since
        if context.now - since < DestinationSet.patience {
            retryDeadline = context.now + DestinationSet.retryInterval
            return false
        }
        for index in groups.indices where !groups[index].isDone {
            context.counters.add(.queueDrops, groups[index].fanOut.giveUp())
            groups[index].isDone = true
        }
        return flush(context: &context)
    }

    @inline(never)
    private static func tellErrors(_ group: SocketGroup, context: inout StageContext) {
        while let error = group.fanOut.takeNewError() {
            context.report(.notice("\(error.address) refuses: \(error.errno)"))
        }
    }

    /// Sends `bytes` to the control port of every destination that wants control.
    func sendBeside(_ bytes: RawSpan) {
        for index in groups.indices {
            let group = groups[index]
            for address in group.controlAddresses { group.control.send(bytes, to: address) }
        }
    }

    /// Sends `bytes` to every RTP destination, `portOffset` after its port.
    func sendBeside(_ bytes: RawSpan, portOffset: UInt16) {
        for index in groups.indices {
            let group = groups[index]
            for address in group.mediaAddresses where address.port <= .max - portOffset {
                group.fanOut.sendBeside(bytes, to: address.with(port: address.port + portOffset))
            }
        }
    }

    /// Sends `packet` to RIST's receivers once more, beside its turn.
    func sendAgain(_ packet: borrowing Packet) {
        for index in groups.indices {
            let group = groups[index]
            for address in group.repairedAddresses { group.sendMedia(packet.bytes, to: address) }
        }
    }

    /// True when nothing is sent to that host alone.
    func isStranger(_ host: SocketAddress, at index: Int) -> Bool {
        !groups[index].mediaAddresses.contains { $0.isSameHost(as: host) }
    }

    /// The sockets that the control port `index` belongs to.
    func channel(_ index: Int) -> SocketGroup { groups[index] }

    /// How many channels there are: each has its sockets, and a control port.
    var channelCount: Int { groups.count }

    /// Where media goes that is asked for by `requester` through the control port `index`: the destination whose
    /// control port that is, or else one on the same host (its port may have been translated), or a group.
    func destination(of requester: SocketAddress, at index: Int) -> SocketAddress? {
        let destinations = groups[index].mediaAddresses
        let below = requester.port > 0 ? requester.with(port: requester.port - 1) : requester
        return destinations.first { $0 == below }
            ?? destinations.first { $0.isSameHost(as: requester) }
            ?? destinations.first(where: \.isMulticast)
    }

    /// Datagrams that the kernel refused so far, of all destinations.
    var errorCount: Int {
        var count = 0
        for index in groups.indices { count += groups[index].fanOut.errorCount }
        return count
    }
}
