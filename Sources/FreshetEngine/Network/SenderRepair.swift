internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// What a sender keeps to send it again.
struct HistoryOptions {
    /// How long; zero: nothing is kept, and no request heard.
    var duration: Nanoseconds
    /// Repair bytes per hundred bytes of media, at most.
    var budgetPercent: Int

    /// The most packets kept: they come out of the loop's pool, which the line needs too.
    static let packetLimit = 4096
    /// The most packets kept for a group.
    static let groupPacketLimit = 1024

    var isKept: Bool { duration > .zero }

    static let parameters = [
        StageParameter(
            "history", .duration, default: "1s",
            "how long packets are kept to be sent again when asked for; 0: not at all"),
        StageParameter(
            "repair-budget", .integer(0...1000), default: "100",
            "repair bytes per hundred bytes of media, at most"),
    ]

    init(_ arguments: StageArguments) {
        duration = arguments.duration("history") ?? .zero
        budgetPercent = arguments.integer("repair-budget") ?? 0
    }
}

/// The sending side of repair, at its sockets: keeps what was sent, reads the requests that come back to the control
/// ports, and sends again what they ask for. The rules are those of ``RepairSender``.
final class SenderRepair {
    /// How much of a batch of control datagrams is read in one turn: a flood of requests must not stop the media.
    private static let batchLimit = 8

    /// How long packets that have gone wait to be given to the histories together, and how many at most. After an idle
    /// wait all that a history touches is out of the caches; several cost little more than one.
    private static let settlingInterval = Nanoseconds.milliseconds(10)
    private static let settlingLimit = 8

    /// At the end: how long a silence shows that nobody misses anything, and how long it may take at most.
    private static let lingerSilence = Nanoseconds.milliseconds(400)
    private static let lingerLimit = Nanoseconds.seconds(3)

    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var gone = PacketBatch(capacity: settlingLimit)
    @exclusivity(unchecked) private var goneSince = Instant.zero
    @exclusivity(unchecked) private var node: RepairSender
    @exclusivity(unchecked) private var peers = PeerTable()
    private let poller: Poller
    /// One for each group that the stream goes to.
    private let sources: ObjectTable<GroupSource>
    /// When a known peer last asked for something, or reported.
    @exclusivity(unchecked) private var lastHeard: Instant?
    @exclusivity(unchecked) private var lingerStart: Instant?
    private let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 8)
    @exclusivity(unchecked) private(set) var deadline: Instant?
    /// What receivers report of their loss.
    @exclusivity(unchecked) private var worstLoss = WorstLoss()
    @exclusivity(unchecked) private var mediaSSRC: UInt32 = 0
    /// Somebody may ask for himself: not all that is sent goes to groups of which every member can be heard.
    private let hasPeersOfOne: Bool

    /// Hears requests at the control ports of `destinations`.
    init(
        _ history: HistoryOptions, name: CanonicalName, _ destinations: borrowing DestinationSet,
        random: inout PRNG
    ) throws(StageError) {
        var configuration = RepairSender.Configuration(name: name)
        configuration.historyDuration = history.duration
        configuration.historyCapacity = HistoryOptions.packetLimit
        configuration.budgetPercent = history.budgetPercent
        configuration.makesParity = true
        node = RepairSender(configuration, random: random.split(by: 2))
        hasPeersOfOne = destinations.requests.joined().contains {
            $0.url.scheme != .udp
                && (!$0.url.address.isMulticast || $0.url.scheme == .rist)
        }
        do {
            var sources: [GroupSource] = []
            for (index, requests) in destinations.requests.enumerated() {
                for request in requests
                where request.url.scheme == .rtp && request.hasControl && request.url.address.isMulticast {
                    sources.append(try GroupSource(request, history, index: index, random: &random))
                }
            }
            poller = try Poller()
            for source in sources { try poller.add(source.descriptor, tag: 0) }
            self.sources = ObjectTable(sources)
            for index in 0..<destinations.channelCount {
                try poller.add(destinations.channel(index).control.number, tag: UInt64(index))
            }
        } catch { throw .failure(error.message) }
    }

    deinit { datagram.deallocate() }

    /// What becomes readable with requests.
    var descriptor: Int32 { poller.number }

    /// `packet` has gone; it is kept, to be sent again.
    @inline(__always)
    func note(_ packet: consuming Packet, now: Instant) {
        if gone.isEmpty { goneSince = now }
        let isOfNewStream = packet.info.ssrc != mediaSSRC
        mediaSSRC = packet.info.ssrc
        gone.append(packet)
        let isDue = gone.isFull || now - goneSince >= SenderRepair.settlingInterval
        if isDue || isOfNewStream { settle(now: now) }
    }

    /// Gives the histories what has gone since the last time.
    @inline(never)
    private func settle(now: Instant) {
        while let packet = gone.popFirst() {
            if hasPeersOfOne { node.note(packet, now: now) }
            for index in sources.indices where sources.with(index, { $0.note(packet, now: now) }) {
                deadline = now
            }
        }
    }

    /// True when requests wait to be read, or an answer is due.
    @inline(__always)
    func isDue(_ context: borrowing StageContext) -> Bool {
        context.isControlReadable || (deadline.map { $0 <= context.now } ?? false)
    }

    /// At the end of the stream: true while somebody may still ask for its last packets.
    func isWanted(_ now: Instant) -> Bool {
        guard let lastHeard else { return false }
        let start = lingerStart ?? now
        lingerStart = start
        return now - start < SenderRepair.lingerLimit
            && now - max(lastHeard, start) < SenderRepair.lingerSilence
    }

    /// True when somebody to whom the media at `address` goes has spoken.
    func hasHeard(_ address: SocketAddress) -> Bool { peers.hasPeer(at: address) }

    /// Sends the last packet once more: whoever knows nothing of heartbeats has no other way to learn that it was lost.
    func sendLast(_ destinations: borrowing DestinationSet) {
        settle(now: goneSince)
        guard hasPeersOfOne, let last = node.keptNumbers?.upperBound else { return }
        _ = node.withKept(last) { destinations.sendAgain($0) }
    }

    /// Reads the requests that have come, and sends what is due.
    func run(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        settle(now: context.now)
        if context.isControlReadable { read(destinations, context: &context) }
        if let deadline = node.nextDeadline, deadline <= context.now { node.advance(to: context.now) }
        sendRepairs(destinations, context: &context)
        sendReplies(destinations, context: &context)
        deadline = node.nextDeadline
        for index in sources.indices {
            let source = sources[index]
            source.run(destinations, context: &context)
            deadline = earliest(deadline, source.deadline)
        }
    }

    private func read(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        var isDrained = true
        for index in sources.indices {
            let source = sources[index]
            let isQuiet = source.hear(limit: SenderRepair.batchLimit, context: &context) {
                hear($0, from: $1, source, context: &$3)
            }
            if !isQuiet { isDrained = false }
        }
        for index in 0..<destinations.channelCount {
            let control = destinations.channel(index).control
            let isQuiet = control.read(limit: SenderRepair.batchLimit, context: &context) {
                take($0, from: $1, at: index, destinations, context: &$3)
            }
            if !isQuiet { isDrained = false }
        }
        context.isControlReadable = !isDrained
    }

    /// A datagram came to control port `index`: from a member of a group who has something to say to its source
    /// alone, or from somebody to whom something is sent.
    private func take(
        _ packet: borrowing Packet, from sender: SocketAddress, at index: Int,
        _ destinations: borrowing DestinationSet, context: inout StageContext
    ) {
        if destinations.isStranger(sender, at: index),
            let place = sources.indices.first(where: { sources[$0].index == index })
        {
            return hear(packet, from: sender, sources[place], context: &context)
        }
        guard let control = CompoundPacket(parsing: packet.bytes, allowsReducedSize: true),
            let peer = peers.peer(of: sender, at: index, destinations)
        else { return context.counters.add(.foreign) }
        noteRequest(context: &context)
        noteLoss(control, now: context.now)
        node.read(packet.bytes, from: peer, now: context.now)
    }

    /// The worst loss that a receiver has reported lately, in parts per million.
    func worstLoss(_ now: Instant) -> Int { worstLoss.partsPerMillion(now: now) }

    /// Reads what a datagram reports of the loss of this stream.
    private func noteLoss(_ control: CompoundPacket, now: Instant) {
        var packets = control
        while let packet = packets.next() {
            if let report = GroupReport(packet), report.mediaSSRC == mediaSSRC {
                worstLoss.note(ssrc: report.senderSSRC, fraction: report.fractionLost, now: now)
            } else if packet.kind == RTCPPacket.Kind.receiverReport, let reporter = packet.ssrc {
                for index in 0..<packet.reportBlockCount {
                    guard let block = packet.reportBlock(at: index), block.ssrc == mediaSSRC else { continue }
                    worstLoss.note(ssrc: reporter, fraction: block.fractionLost, now: now)
                }
            }
        }
    }

    private func hear(
        _ packet: borrowing Packet, from sender: SocketAddress, _ source: GroupSource,
        context: inout StageContext
    ) {
        if source.isOwn(packet.bytes) { return }
        noteRequest(context: &context)
        if let control = CompoundPacket(parsing: packet.bytes, allowsReducedSize: true) {
            noteLoss(control, now: context.now)
        }
        source.read(packet.bytes, from: sender, now: context.now)
    }

    private func noteRequest(context: inout StageContext) {
        lastHeard = context.now
        context.counters.add(.requestsIn)
    }

    private func sendRepairs(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        while let repair = node.nextRepair(pool: context.pool, now: context.now) {
            guard let place = peers.place(of: repair.peer) else { continue }
            context.counters.add(repair.isParity ? .parityOut : .repairsOut)
            send(repair.takePacket(), destinations.channel(place.index), to: place.media, context: &context)
        }
    }

    /// A function of its own: in the loop the compiler puts each repair on the heap.
    private func send(
        _ packet: borrowing Packet, _ channel: SocketGroup, to address: SocketAddress,
        context: inout StageContext
    ) {
        channel.sendMedia(packet.bytes, to: address)
        context.counters.add(.repairBytesOut, packet.byteCount)
    }

    private func sendReplies(_ destinations: borrowing DestinationSet, context: inout StageContext) {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let transmit = node.nextTransmit(into: &bytes, now: context.now) else { return }
            guard let place = peers.place(of: transmit.peer) else { continue }
            let reply = UnsafeRawBufferPointer(rebasing: datagram[..<transmit.byteCount])
            destinations.channel(place.index).control.send(
                RawSpan(_unsafeBytes: reply), to: place.control)
        }
    }
}
