internal import FreshetCore
internal import FreshetNet
internal import FreshetOverlay
internal import FreshetWire
internal import Synchronization

/// What the coordinator's thread is made of, handed over to it.
struct CoordinatorStart: Sendable {
    let options: CoordinatorOptions
    let certificate: ControlCertificate
    let server: ControlServer
    let wakeup: Wakeup
    let board: CoordinatorBoard

    /// Turns until it is stopped.
    func run() {
        guard var poller = try? Poller() else { return }
        do {
            try poller.add(server.descriptor, tag: 1)
            try poller.add(wakeup.number, tag: 2)
        } catch { return }
        let mirrors = mirrors(&poller)
        let loop = CoordinatorLoop(self, mirrors)
        while !board.isStopping.load(ordering: .relaxed) {
            let deadline = loop.turn(MonotonicClock.now)
            guard let count = try? poller.wait(until: deadline) else { return }
            for index in 0..<count where poller[index].tag >= CoordinatorStart.mirrorTag {
                mirrors[Int(poller[index].tag - CoordinatorStart.mirrorTag)].read(now: MonotonicClock.now)
            }
        }
        loop.stop()
    }

    /// The first mirror's tag, below which others are.
    private static let mirrorTag: UInt64 = 16

    private func mirrors(_ poller: inout Poller) -> [MirrorPort] {
        guard let address = try? options.listenAddress(), let key = mirrorKey else { return [] }
        let mirrors = MirrorPort.open(behind: address.with(port: UInt16(clamping: server.port)), key: key)
        for (index, mirror) in mirrors.enumerated() {
            let isWatched: Void? = try? poller.add(
                mirror.number, tag: CoordinatorStart.mirrorTag + UInt64(index))
            if isWatched == nil { return [] }
        }
        return mirrors
    }

    /// The key of the mirrors' cookies: the same after a restart.
    var mirrorKey: SipKey? {
        (try? certificate.derivedKey(label: "mirrors")).map { SipKey(low: $0.low, high: $0.high) }
    }
}

/// One stream's state machine and who is connected to it.
final class CoordinatedStream {
    let name: String
    var coordinator: Coordinator
    /// Connections whose join was taken as a viewer's or relay's.
    var viewers: Set<UInt32> = []
    /// Connections of this stream.
    var connections: Set<UInt32> = []
    /// Since when nobody is in.
    var emptySince: Instant?

    init(name: String, _ coordinator: consuming Coordinator) {
        self.name = name
        self.coordinator = coordinator
    }
}

/// The coordinator's thread: takes what comes on connections to the stream's state machine, and sends what that says.
final class CoordinatorLoop {
    private struct Connection {
        var address: PeerAddress
        var stream: CoordinatedStream?
        /// When it must have joined.
        var deadline: Instant
    }

    private let start: CoordinatorStart
    private let server: ControlServer
    private let mirrorPorts: [UInt16]
    private var random: PRNG
    private var streams: [String: CoordinatedStream] = [:]
    private var connections: [UInt32: Connection] = [:]
    /// Connections in the order of their coming that have not joined; some may have by now.
    private var unjoined: [(number: UInt32, deadline: Instant)] = []
    private var unjoinedHead = 0

    /// How long a connection may be open without having joined.
    private static let joinLimit = Nanoseconds.seconds(10)
    /// How long an empty stream is remembered.
    private static let emptyLimit = Nanoseconds.seconds(60)
    /// Events taken before the state machines have their turn.
    private static let eventsPerTurn = 1_024

    init(_ start: CoordinatorStart, _ mirrors: [MirrorPort]) {
        self.start = start
        mirrorPorts = mirrors.map(\.port)
        server = start.server
        random = PRNG(seed: start.options.seed)
    }

    /// Takes what has come and does what is due; when to call again at the latest.
    func turn(_ now: Instant) -> Instant? {
        var isDry = false
        for _ in 0..<CoordinatorLoop.eventsPerTurn where !isDry {
            if let event = server.next() { take(event, now) } else { isDry = true }
        }
        dropIdle(now)
        var deadline = unjoinedHead < unjoined.count ? unjoined[unjoinedHead].deadline : nil
        for stream in streams.values {
            if let due = stream.coordinator.nextDeadline, due <= now { stream.coordinator.advance(to: now) }
            drain(stream)
            deadline = earliest(deadline, stream.coordinator.nextDeadline)
            if let since = stream.emptySince {
                deadline = earliest(deadline, since + CoordinatorLoop.emptyLimit)
            }
        }
        forgetEmpty(now)
        publish()
        return isDry ? deadline : now
    }

    /// Tells everybody that the coordinator goes.
    func stop() {
        for number in connections.keys { server.close(number, reason: "the coordinator stops") }
    }

    private func take(_ event: ControlServerEvent, _ now: Instant) {
        switch event {
        case .opened(let number, let from):
            let deadline = now + CoordinatorLoop.joinLimit
            connections[number] = Connection(address: PeerAddress(from), deadline: deadline)
            unjoined.append((number, deadline))
        case .message(let number, let text):
            if connections[number] != nil { take(text, from: number, now) }
        case .closed(let number):
            guard let gone = connections.removeValue(forKey: number), let stream = gone.stream else { return }
            stream.connections.remove(number)
            stream.viewers.remove(number)
            stream.coordinator.disconnected(number, now: now)
        case .httpGet(let number, let path, let query):
            let page = page(path, query, now)
            server.answer(number, status: page.status, json: page.body)
        }
    }

    private func take(_ text: [UInt8], from number: UInt32, _ now: Instant) {
        let message: ControlMessage
        do throws(JSONError) { message = try ControlMessage(parsing: text.span.bytes) } catch {
            return refuse(number, error.description)
        }
        if case .inspect(let request) = message { return inspect(request, number, now) }
        guard let connection = connections[number] else { return }
        if let stream = connection.stream {
            stream.coordinator.receive(message, from: number, observed: connection.address, now: now)
            return drain(stream)
        }
        guard case .join(let join) = message else {
            return refuse(number, "the first message of a connection is 'join' or 'inspect'")
        }
        guard start.options.token.isEmpty || join.token == start.options.token else {
            return refuse(number, "the token is wrong")
        }
        guard let stream = stream(named: join.stream, now) else {
            return refuse(number, "there is no stream '\(join.stream)' here")
        }
        connections[number]?.stream = stream
        stream.connections.insert(number)
        if join.role == .viewer || join.role == .relay { stream.viewers.insert(number) }
        // Who is on this host knows better than we by which address others reach it.
        var observed = connection.address
        if observed.isLoopback, !join.addresses.isEmpty { observed = PeerAddress(high: 0, low: 0, port: 0) }
        stream.coordinator.receive(message, from: number, observed: observed, now: now)
        drain(stream)
    }

    /// Tells the client why, in a message that all versions know and in the close, and ends the connection.
    private func refuse(_ number: UInt32, _ reason: String) {
        server.send(ControlMessage.leave(LeaveMessage(reason: reason)).text, to: number)
        server.close(number, reason: reason, isRefusal: true)
    }

    private func stream(named name: String, _ now: Instant) -> CoordinatedStream? {
        if let stream = streams[name] { return stream }
        let options = start.options
        let isKnown = options.streamNames.isEmpty || options.streamNames.contains(name)
        guard isKnown, streams.count < options.streamLimit, !name.isEmpty,
            let key = try? start.certificate.derivedKey(label: "tickets of \(name)"),
            let sourceToken = try? options.sourceToken(of: name, start.certificate)
        else { return nil }
        var configuration = options.tree
        configuration.stream = name
        configuration.token = ""
        configuration.sourceToken = sourceToken
        if let key = start.mirrorKey {
            configuration.mirrorPorts = mirrorPorts
            configuration.mirrorKey = key
        }
        // Minutes of the wall clock: after a restart the era is not less than before.
        configuration.firstEra = UInt32(truncatingIfNeeded: WallTime.now.nanoseconds / 60_000_000_000)
        let coordinator = Coordinator(
            configuration: configuration, key: SipKey(low: key.low, high: key.high),
            random: PRNG(seed: random.next()))
        let stream = CoordinatedStream(name: name, coordinator)
        stream.emptySince = now
        streams[name] = stream
        return stream
    }

    private func drain(_ stream: CoordinatedStream) {
        while let output = stream.coordinator.nextMessage() {
            // Who was removed because it did not answer may come back: only the connection ends.
            if !output.closes || output.isFinal { server.send(output.message.text, to: output.connection) }
            guard output.closes, case .leave(let leave) = output.message else { continue }
            server.close(output.connection, reason: leave.reason, isRefusal: output.isFinal)
        }
    }

    private func dropIdle(_ now: Instant) {
        while unjoinedHead < unjoined.count {
            let first = unjoined[unjoinedHead]
            let hasJoined =
                connections[first.number].map { $0.stream != nil || $0.deadline != first.deadline } ?? true
            guard hasJoined || first.deadline <= now else { break }
            if !hasJoined { server.close(first.number, reason: "it said nothing for ten seconds") }
            unjoinedHead += 1
        }
        if unjoinedHead > 1_024 {
            unjoined.removeFirst(unjoinedHead)
            unjoinedHead = 0
        }
    }

    private func forgetEmpty(_ now: Instant) {
        for stream in streams.values {
            let isEmpty = stream.coordinator.memberCount == 0 && stream.connections.isEmpty
            if !isEmpty {
                stream.emptySince = nil
            } else if let since = stream.emptySince {
                if now - since >= CoordinatorLoop.emptyLimit { streams[stream.name] = nil }
            } else {
                stream.emptySince = now
            }
        }
    }

    private func publish() {
        var counts: [String: CoordinatorBoard.Counts] = [:]
        for stream in streams.values where stream.coordinator.memberCount > 0 {
            counts[stream.name] = CoordinatorBoard.Counts(
                members: stream.coordinator.memberCount, viewers: stream.viewers.count)
        }
        start.board.counts.withLock { if $0 != counts { $0 = counts } }
    }

    // MARK: Looking at it

    private func inspect(_ request: InspectMessage, _ number: UInt32, _ now: Instant) {
        guard start.options.token.isEmpty || request.token == start.options.token else {
            return refuse(number, "the token is wrong")
        }
        connections[number]?.deadline = now + .seconds(30)
        unjoined.append((number, now + .seconds(30)))
        server.send(StreamPage.stream(request.stream, streams[request.stream], now), to: number)
    }

    private func page(_ path: String, _ query: String, _ now: Instant) -> (status: Int, body: [UInt8]) {
        let token = query.split(separator: "&").first { $0.hasPrefix("token=") }?.dropFirst(6) ?? ""
        guard start.options.token.isEmpty || ControlURL.plain(token) == start.options.token else {
            return (403, StreamPage.error("the token is wrong; ask for the page with ?token=…"))
        }
        if path == "/streams" { return (200, StreamPage.list(streams.values.sorted { $0.name < $1.name })) }
        guard path.hasPrefix("/streams/") else {
            return (404, StreamPage.error("there are /streams and /streams/NAME here"))
        }
        let name = String(path.dropFirst("/streams/".count))
        guard let stream = streams[name] else {
            return (404, StreamPage.error("there is no stream '\(name)' here"))
        }
        return (200, StreamPage.stream(name, stream, now))
    }
}

extension PeerAddress {
    /// The address as the tree's messages know it.
    init(_ address: SocketAddress) {
        let bytes = address.ipBytes
        if bytes.count == 4 {
            self.init(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) }, port: address.port)
        } else {
            let high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
            self.init(high: high, low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }, port: address.port)
        }
    }
}
