import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire

/// A place that packets come to: a member of the tree without a history, or a plain port.
final class LoadMember {
    let socket: UDPSocket
    private let client: ControlClient?
    private(set) var node: TreeNode
    private var repair: RepairReceiver
    private var sequence = SequenceExtender()
    private var isAligned = false
    private var message = [UInt8](repeating: 0, count: 1500)
    private var links: [SocketAddress?] = []
    /// It knows somebody to get the stream from, or to send it to.
    private(set) var hasNeighbour = false
    /// Packets that came, and their bytes without the header.
    private(set) var packetCount = 0
    private(set) var byteCount = 0
    private(set) var trouble: String?

    /// A member that listens at `address`; without `url` and `thread` a plain port.
    init(
        _ address: SocketAddress, join: JoinMessage = JoinMessage(), url: ControlURL? = nil,
        thread: ControlThread? = nil, seed: UInt64
    ) throws {
        socket = try UDPSocket(address.family)
        _ = socket.setReceiveBuffer(4 << 20)
        try socket.bind(address, isShared: false)
        socket.reportTimestamps()
        _ = socket.coalesceArrivals()
        var configuration = TreeNodeConfiguration()
        configuration.join = join
        let port = (socket.localAddress ?? address)
        let words = port.mapped
        configuration.join.addresses = [PeerAddress(high: words.high, low: words.low, port: port.port)]
        configuration.linkLimit = 16
        var random = PRNG(seed: seed)
        node = TreeNode(configuration: configuration, random: random.split(by: 1), now: MonotonicClock.now)
        var asking = RepairReceiver.Configuration(
            latency: .milliseconds(500), ssrc: UInt32(truncatingIfNeeded: random.next()) & ~1,
            name: CanonicalName(String(random.next(), radix: 36)))
        asking.reportInterval = .seconds(1)
        asking.wantsHead = false
        asking.maximumHoles = 256
        repair = RepairReceiver(asking, random: random.split(by: 2))
        client = try url.map { try ControlClient($0, seed: seed, thread: thread) }
    }

    /// Readable when the coordinator says something; -1 for a plain port.
    var control: Int32 { client?.descriptor ?? -1 }

    // MARK: The coordinator

    func readControl(_ now: Instant) {
        while let event = client?.next() {
            switch event {
            case .connected: node.connected(now: now)
            case .disconnected(let reason), .refused(let reason):
                trouble = reason
                node.disconnected(now: now)
            case .message(let text):
                if let message = try? ControlMessage(parsing: text.span.bytes) {
                    node.receive(message, now: now)
                }
            }
        }
        speak(now)
    }

    /// Does what is due.
    func drive(_ now: Instant) {
        if let deadline = node.nextDeadline, deadline <= now { node.advance(to: now) }
        if let deadline = repair.nextDeadline, deadline <= now { ask(now) }
        speak(now)
    }

    private func speak(_ now: Instant) {
        while let event = node.nextEvent() {
            guard case .linkOpened(let link, let peer, _) = event else { continue }
            while links.count <= link { links.append(nil) }
            links[link] = SocketAddress(mapped: peer.high, peer.low, port: peer.port)
            hasNeighbour = true
        }
        while true {
            var span = message.mutableSpan
            var bytes = span.mutableBytes
            guard let transmit = node.nextTransmit(into: &bytes) else { break }
            let place = transmit.address
            _ = socket.send(
                message.span.bytes.extracting(first: transmit.byteCount),
                to: SocketAddress(mapped: place.high, place.low, port: place.port))
        }
        while let text = node.nextMessage() { _ = client?.send(text.text) }
    }

    private func ask(_ now: Instant) {
        repair.advance(to: now)
        while true {
            var span = message.mutableSpan
            var bytes = span.mutableBytes
            guard let count = repair.nextTransmit(into: &bytes, now: now) else { return }
            guard let link = node.repairLink(stripe: 0, attempt: 0), let address = links[link] else {
                continue
            }
            _ = socket.send(message.span.bytes.extracting(first: count), to: address)
        }
    }

    // MARK: Datagrams

    /// Takes a datagram of the tree; gives the number of a packet and whether it is new.
    func read(
        _ bytes: RawSpan, from sender: SocketAddress, at arrival: Instant
    ) -> (number: UInt16, isNew: Bool, isRepaired: Bool)? {
        guard bytes.byteCount >= 2 else { return nil }
        if (64...95).contains(bytes.unsafeLoad(fromByteOffset: 1, as: UInt8.self) & 0x7F) {
            let words = sender.mapped
            let from = PeerAddress(high: words.high, low: words.low, port: sender.port)
            if case .neighbour = node.read(bytes, from: from, now: arrival) {
                repair.read(bytes, now: arrival)
            }
            speak(arrival)
            return nil
        }
        guard let header = RTPHeader(parsing: bytes) else { return nil }
        packetCount += 1
        byteCount += header.payloadByteCount
        guard client != nil else { return (header.sequenceNumber, true, false) }
        if !isAligned, let known = node.knownSequence {
            sequence.reset(near: known)
            isAligned = true
        }
        guard isAligned else { return nil }
        let number = sequence.extend(header.sequenceNumber)
        repair.note(
            sequence: number, isRetransmission: header.isRetransmission, mediaSSRC: header.ssrc,
            byteCount: bytes.byteCount, arrival: arrival)
        let isNew = node.note(number, from: links.firstIndex(of: sender), now: arrival).isNew
        return (header.sequenceNumber, isNew, header.isRetransmission)
    }

    // MARK: A source's

    /// The stream begins with `sequence`.
    func begin(at sequence: Int64, now: Instant) {
        node.begin(at: sequence)
        speak(now)
    }

    /// Sends a packet to whoever is to have it.
    func send(_ bytes: RawSpan, _ sequence: Int64, now: Instant) {
        let noted = node.note(sequence, from: nil, now: now)
        for link in node.forwardLinks(of: noted.stripe) {
            if let address = links[Int(link)] { _ = socket.send(bytes, to: address) }
        }
    }

    /// Members that are sent the stream.
    var childCount: Int { node.childCount }
}
