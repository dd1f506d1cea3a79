internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire

/// A member of a relay tree at its sockets: one UDP port for all neighbours, the control channel, the history, and the
/// children that are forwarded to. The rules are those of ``TreeNode``.
///
/// One call a batch. Reading comes first in each turn, so that a process that was held up does not take its own absence
/// for its parent's silence. Packets are shared between history, children and the line behind, never copied.
final class TreeMember {
    /// What a member is told.
    struct Options {
        /// The node's parameters, with what it says of itself.
        var node = TreeNodeConfiguration()
        /// Repair and history.
        var repair = LinkRepair.Options()
        /// Where the UDP port is opened.
        var address = SocketAddress.any(.ipv4, port: 0)
        /// How long what comes may wait to be read, so that several packets leave together; zero: not at all.
        var batch = Nanoseconds.zero
        /// Where the coordinator is, when the routers on the way there are to be told and its mirrors to be asked.
        var coordinator: SocketAddress?
    }

    /// The most system calls of one turn that receive.
    static let callLimit = 16
    /// A packet this far ahead of all others needs another one nearby to be believed.
    static let jumpLimit: Int64 = 128
    /// So long after its beginning a stream is sent from there on to who joins.
    static let youth = Nanoseconds.seconds(2)
    /// A child that asks for more than this part of what it is sent does not keep up.
    static let missedShare = 8
    /// The longest wait for what is missing at the end, beside the latency.
    static let endGrace = Nanoseconds.milliseconds(250)
    /// At the end: a member stays for its children so long after the last request, and so long at most.
    static let lingerSilence = Nanoseconds.milliseconds(500)
    /// See ``lingerSilence``.
    static let lingerLimit = Nanoseconds.seconds(5)

    // Unchecked exclusivity here and below: a member belongs to one stage on one thread.
    @exclusivity(unchecked) var node: TreeNode
    let port: LinkPort
    let control: MemberChannel
    let repair: LinkRepair
    let latency: Nanoseconds
    private let batch: Nanoseconds
    /// When the links are read next, where that is done at intervals.
    @exclusivity(unchecked) private var readDeadline = Instant.zero
    @exclusivity(unchecked) var fanOuts: [ChildFanOut] = []
    @exclusivity(unchecked) var outlet = MemberOutlet()
    @exclusivity(unchecked) var replay = HistoryReplay()
    @exclusivity(unchecked) var start = StreamStart()
    @exclusivity(unchecked) var parity: ParityStripe?
    /// Where packets that are made here come from.
    let pool: PacketPool
    /// Where links lead; the same numbers as the node's.
    @exclusivity(unchecked) var addresses: [SocketAddress?] = []
    @exclusivity(unchecked) var linkOfAddress: [SocketAddress: Int] = [:]
    @exclusivity(unchecked) var sequence = SequenceExtender()
    @exclusivity(unchecked) var isAligned = false
    @exclusivity(unchecked) var epoch: UInt32 = 0
    @exclusivity(unchecked) var epochCount: UInt32 = 0
    @exclusivity(unchecked) var suspect: Int64?
    /// The sender of the last packet, and whether its packets are taken.
    @exclusivity(unchecked) var lastSender: SocketAddress?
    @exclusivity(unchecked) var lastLink = -1
    @exclusivity(unchecked) var mustRebuild = false
    /// What ended: the stream's last number, since when, and by when all of it must have come.
    @exclusivity(unchecked) var final: (sequence: Int64, at: Instant)?
    @exclusivity(unchecked) var isComplete = false
    @exclusivity(unchecked) var hasLeft = false
    /// Bytes of media since the last figures for the coordinator, when those were, and what was counted until then.
    @exclusivity(unchecked) var byteCount = 0
    /// When the way to the coordinator was open first, and which waits since then are over.
    @exclusivity(unchecked) private var connected: Instant?
    @exclusivity(unchecked) private var hasToldPacket = false
    @exclusivity(unchecked) private var hasToldFrame = false
    /// When its first packet came.
    @exclusivity(unchecked) var began: Instant?
    @exclusivity(unchecked) private var figuresAt: Instant
    @exclusivity(unchecked) private var lastCounts = (recovered: 0, lost: 0)
    /// Packets that were new until then, for what each child was sent since.
    @exclusivity(unchecked) var lastReceivedCount = 0
    @exclusivity(unchecked) var refusal: String?
    /// Asks for routers while the control channel shakes hands, which takes longer; nobody waits for it.
    @exclusivity(unchecked) private var route: RouteProbe?
    let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 8)

    /// Opens the port; `control` leads to the coordinator.
    init(_ options: Options, control: MemberChannel, context: inout StageContext) throws(StageError) {
        do { port = try LinkPort(options.address) } catch { throw .failure(error.message) }
        self.control = control
        pool = context.pool
        latency = options.repair.latency
        batch = options.batch
        var configuration = options.node
        for index in configuration.join.addresses.indices where configuration.join.addresses[index].port == 0
        {
            configuration.join.addresses[index].port = port.address.port
        }
        configuration.coordinator = options.coordinator?.peerAddress
        let isSource = configuration.join.role == .source
        node = TreeNode(configuration: configuration, random: context.random.split(by: 17), now: context.now)
        repair = LinkRepair(options.repair, isSource: isSource, random: &context.random)
        epoch = isSource ? configuration.join.epoch : 0
        figuresAt = context.now
        if let coordinator = options.coordinator, !coordinator.isLoopback, !isSource {
            route = try? RouteProbe(to: coordinator)
        }
    }

    deinit { datagram.deallocate() }

    /// What becomes readable when a neighbour says something; -1 where the links are read at intervals.
    var pollDescriptor: Int32 { batch > .zero ? -1 : port.number }

    // MARK: A turn

    /// Does all there is to do now. Packets that came go to `output`, as far as there is room; a relay that delivers to
    /// nobody gives `delivers` false.
    func run(
        into output: inout PacketBatch, delivers: Bool, context: inout StageContext
    ) throws(StageError) {
        if context.isControlReadable {
            context.isControlReadable = false
            readControl(now: context.now)
            if let notice = control.takeNotice(), final == nil { context.report(.notice(notice)) }
        }
        if batch > .zero, context.now >= readDeadline {
            readDeadline = context.now + batch
            context.isReadable = true
        }
        if delivers { outlet.look(at: &output, now: context.now) }
        if context.isReadable { readLinks(into: &output, delivers: delivers, context: &context) }
        drive(context: &context)
        if let refusal { throw .failure(refusal) }
    }

    /// Lets the clock, the node and repair do what is due, and sends what they say.
    func drive(context: inout StageContext) {
        let now = context.now
        // What children are told comes before the packets that it is about.
        transmit()
        for fanOut in fanOuts { fanOut.flush(now: now) }
        if let deadline = node.nextDeadline, deadline <= now { node.advance(to: now) }
        handleEvents(context: &context)
        // A child must be told yes before its first packets come.
        transmit()
        runReplay(context: &context)
        repair.run(
            context: &context, target: { node.repairLink(stripe: $0, attempt: $1) },
            { bytes, link in
                // Who is still being sent the history must not take what is still to come for lost.
                if TreeMember.isControl(bytes.uint16(at: 0)), replay.isCatchingUp(UInt16(link)) { return }
                send(bytes, link: link)
            })
        transmit()
        handleEvents(context: &context)
        if mustRebuild { rebuild(now: now) }
        if !hasToldFrame { noteWaits(context: &context) }
        if now - figuresAt >= .seconds(1) { noteFigures(now) }
        settle(now: now)
    }

    /// Counts how long it took to get something, and something that can be shown.
    private func noteWaits(context: inout StageContext) {
        guard let connected, let began, !node.isSource else { return }
        if !hasToldPacket {
            hasToldPacket = true
            context.counters[.firstPacketNanoseconds] = Int((began - connected).count)
        }
        guard start.hasWholeFrame else { return }
        hasToldFrame = true
        context.counters[.firstFrameNanoseconds] = Int((context.now - connected).count)
    }

    /// Renews what the node tells the coordinator of how the stream reaches it.
    private func noteFigures(_ now: Instant) {
        let counts = repair.counts
        let span = max(1, (now - figuresAt).count / 1_000)
        node.delivery.kilobits = UInt32(clamping: Int64(byteCount) * 8_000 / span)
        node.delivery.latencyMilliseconds = UInt32(clamping: latency.count / 1_000_000)
        node.delivery.lostCount &+= UInt32(clamping: counts.lost - lastCounts.lost)
        node.delivery.repairedCount &+= UInt32(clamping: counts.recovered - lastCounts.recovered)
        lastCounts = counts
        judgeChildren(now: now)
        byteCount = 0
        figuresAt = now
    }

    /// When it wants to be called next.
    var deadline: Instant? {
        var deadline = earliest(earliest(node.nextDeadline, repair.deadline), replay.deadline)
        deadline = earliest(deadline, outlet.deadline)
        if batch > .zero { deadline = earliest(deadline, readDeadline) }
        for fanOut in fanOuts { deadline = earliest(deadline, fanOut.retryDeadline) }
        if let final, !isComplete { deadline = earliest(deadline, final.at + latency + TreeMember.endGrace) }
        return deadline
    }

    // MARK: Control

    private func readControl(now: Instant) {
        while let event = control.next() {
            switch event {
            case .connected:
                route?.read()
                if connected == nil { connected = now }
                node.routers = route?.routers.map(\.host) ?? []
                node.connected(now: now)
            case .disconnected: node.disconnected(now: now)
            case .refused(let reason): if !node.isEnding { refusal = reason }
            case .message(let text):
                do throws(JSONError) {
                    node.receive(try ControlMessage(parsing: text.span.bytes), now: now)
                } catch { refusal = "the coordinator sends what nobody understands: \(error)" }
            }
        }
    }

    /// Says and sends what the node wants.
    func transmit() {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let transmit = node.nextTransmit(into: &bytes) else { break }
            let message = UnsafeRawBufferPointer(rebasing: datagram[..<transmit.byteCount])
            _ = port.send(RawSpan(_unsafeBytes: message), to: SocketAddress(transmit.address))
        }
        while let message = node.nextMessage() { control.send(message.text) }
    }

    /// RFC 5761 §4: of what begins with `head`, payload types 64 to 95 are RTCP's.
    static func isControl(_ head: UInt16) -> Bool { (64...95).contains(head & 0x7F) }

    /// Sends `bytes` to the neighbour on `link`.
    func send(_ bytes: RawSpan, link: Int) {
        guard addresses.indices.contains(link), let address = addresses[link] else { return }
        _ = port.send(bytes, to: address)
    }

    // MARK: The end

    /// A source's own packet: forwarded and kept.
    func originate(_ packet: borrowing Packet, now: Instant) {
        let info = packet.info
        let noted = node.note(info.extendedSequence, from: nil, now: now)
        guard noted.isNew else { return }
        keep(packet, stripe: noted.stripe, now: now)
        sendParity(behind: packet, now: now)
    }

    /// The source has given everything.
    func end(now: Instant) {
        guard let highest = node.highestSequence else { return }
        node.end(at: highest)
    }

    private func settle(now: Instant) {
        guard let final, !isComplete else { return }
        let hasAll = repair.isWhole && (node.highestSequence ?? .min) >= final.sequence
        guard hasAll || node.isSource || now >= final.at + latency + TreeMember.endGrace else { return }
        isComplete = true
        node.releaseParents(now: now)
        transmit()
    }

    /// True when nobody needs the member any more: the stream is over and whole, and the children have gone or ask for
    /// nothing.
    func isDone(now: Instant) -> Bool {
        guard isComplete, let final else { return false }
        if node.childCount == 0 && node.hasSaidGoodbye { return true }
        let quiet = max(repair.lastAsked, final.at) + TreeMember.lingerSilence + latency
        return now >= quiet || now >= final.at + TreeMember.lingerLimit
    }
}
