import CWebSockets
import FreshetCore
import Synchronization

/// What happens to a ``ControlServer``.
public enum ControlServerEvent: Equatable, Sendable {
    /// A WebSocket of our subprotocol is there.
    case opened(UInt32, from: SocketAddress)
    /// A message came on it.
    case message(UInt32, [UInt8])
    /// It is gone.
    case closed(UInt32)
    /// A page is asked for; to be answered by ``ControlServer/answer(_:status:json:)``, once. `query` is what stands
    /// behind the question mark.
    case httpGet(UInt32, path: String, query: String)
}

/// What a ``ControlServer`` takes.
public struct ControlServerLimits: Equatable, Sendable {
    /// Connections at once; more are turned away as they come.
    public var connectionCount = 16_384
    /// Of these from one address.
    public var connectionsPerAddress = 256
    /// Bytes of a message. Longer ones close their connection.
    public var messageByteCount = 65_536
    /// Messages of one connection that wait to be taken; with more, nothing is read from it for the moment.
    public var waitingMessageCount = 64
    /// Bytes that wait to be sent on one connection; with more it is closed.
    public var sendByteCount = 256 * 1024

    /// The defaults.
    public init() {}
}

/// WebSockets over TLS, subprotocol `freshet.v1`, and JSON pages on the same port; on a thread of libwebsockets' own.
///
/// Safe to use from any thread. ``descriptor`` is readable while ``next()`` has something. A client has ten seconds for
/// TLS and the upgrade; what it may cost is bounded by ``ControlServerLimits``.
public final class ControlServer: Sendable {
    private let core: ServerCore
    private let hub: ControlHub
    /// The TCP port.
    public let port: Int
    /// The pin of the certificate, as join URLs carry it.
    public let pin: String

    /// Listens on `address` from now on.
    public init(
        listen address: SocketAddress, certificate: ControlCertificate, limits: ControlServerLimits = .init()
    ) throws(ControlError) {
        let wakeup: Wakeup
        do throws(SystemCallError) { wakeup = try Wakeup() } catch { throw .failure(error.message) }
        hub = try ControlHub(
            connectionLimit: limits.connectionCount, messageLimit: limits.messageByteCount)
        core = ServerCore(limits, hub, wakeup)
        do throws(ControlError) {
            port = try hub.listen(
                on: address, certificate: certificate.certificatePath, key: certificate.keyPath, for: core)
            try hub.start()
        } catch {
            hub.stop()
            throw error
        }
        pin = Base64URL.encode(certificate.pin)
    }

    deinit { hub.stop() }

    /// Says goodbye to everybody and gives the port back. Nothing happens any more.
    public func close() { hub.stop() }

    /// Readable when ``next()`` has something.
    public var descriptor: Int32 { core.wakeup.number }

    /// Connections that are open.
    public var connectionCount: Int { core.connectionCount }

    /// The next event; `nil` when there is none.
    public func next() -> ControlServerEvent? {
        let (event, pokes) = core.take()
        if pokes { hub.poke(core) }
        return event
    }

    /// Sends `text` on `connection`, which is closed when too much waits there. Nothing happens when it is gone.
    public func send(_ text: [UInt8], to connection: UInt32) {
        if core.send(text, to: connection) { hub.poke(core) }
    }

    /// Closes `connection` once what waits is sent. `isRefusal`: the client shall not come back.
    public func close(_ connection: UInt32, reason: String, isRefusal: Bool = false) {
        if core.close(connection, reason, isRefusal) { hub.poke(core) }
    }

    /// Answers a page that was asked for.
    public func answer(_ connection: UInt32, status: Int, json: [UInt8]) {
        core.answer(connection, status, json)
        hub.poke(core)
    }
}

/// The part of a server that its thread keeps alive.
private final class ServerCore: ControlEndpoint, @unchecked Sendable {
    // Safe to share: `state` is behind its mutex; `links` and `perAddress` belong to the hub's thread.
    private struct Connection {
        var address: SocketAddress
        var outgoing: TextQueue
        var waitingCount = 0
        var isOpen = false
        /// The program knows of it.
        var isKnown = false
        var isPaused = false
        var isResuming = false
        var isListed = false
        var isBroken = false
        var closing: (reason: String, isRefusal: Bool)?
    }

    private struct State {
        var connections: [UInt32: Connection] = [:]
        var events: [ControlServerEvent] = []
        var head = 0
        var lastNumber: UInt32 = 0
        /// Connections with something to do.
        var listed: [UInt32] = []
        var answers: [(connection: UInt32, status: Int, body: [UInt8])] = []
        var openCount = 0
        var isEnding = false
    }

    let wakeup: Wakeup
    private let limits: ControlServerLimits
    private weak var hub: ControlHub?
    private let state = Mutex(State())
    private var links: [UInt32: OpaquePointer] = [:]
    private var perAddress: [SocketAddress: Int] = [:]

    init(_ limits: ControlServerLimits, _ hub: ControlHub, _ wakeup: Wakeup) {
        self.limits = limits
        self.hub = hub
        self.wakeup = wakeup
    }

    // MARK: Any thread

    var connectionCount: Int { state.withLock { $0.openCount } }

    func take() -> (ControlServerEvent?, pokes: Bool) {
        state.withLock { state in
            guard state.head < state.events.count else {
                state.events.removeAll(keepingCapacity: state.events.count < 65_536)
                state.head = 0
                wakeup.drain()
                return (nil, false)
            }
            let event = state.events[state.head]
            state.events[state.head] = .closed(0)
            state.head += 1
            if state.head >= 4_096, state.head * 2 >= state.events.count {
                state.events.removeSubrange(..<state.head)
                state.head = 0
            }
            guard case .message(let number, _) = event else { return (event, false) }
            state.connections[number]?.waitingCount -= 1
            guard let connection = state.connections[number], connection.isPaused,
                connection.waitingCount <= limits.waitingMessageCount / 2
            else { return (event, false) }
            state.connections[number]?.isPaused = false
            state.connections[number]?.isResuming = true
            return (event, list(number, &state))
        }
    }

    /// Puts `number` on the list of what the hub's thread has to look at; true when it was not there.
    private func list(_ number: UInt32, _ state: inout State) -> Bool {
        guard let connection = state.connections[number], !connection.isListed else { return false }
        state.connections[number]?.isListed = true
        state.listed.append(number)
        return true
    }

    func send(_ text: [UInt8], to number: UInt32) -> Bool {
        state.withLock { state in
            guard let connection = state.connections[number], connection.isOpen, connection.closing == nil
            else { return false }
            if !state.connections[number]!.outgoing.append(text) {
                state.connections[number]!.isBroken = true
            }
            return list(number, &state)
        }
    }

    func close(_ number: UInt32, _ reason: String, _ isRefusal: Bool) -> Bool {
        state.withLock { state in
            guard let connection = state.connections[number], connection.closing == nil else { return false }
            state.connections[number]?.closing = (reason, isRefusal)
            return list(number, &state)
        }
    }

    func answer(_ number: UInt32, _ status: Int, _ body: [UInt8]) {
        state.withLock { $0.answers.append((number, status, body)) }
    }

    private func add(_ event: ControlServerEvent, _ state: inout State) {
        if state.head == state.events.count { wakeup.signal() }
        state.events.append(event)
    }

    // MARK: The hub's thread

    override func work(_ hub: ControlHub, now: Instant) -> Instant? {
        let (listed, answers) = state.withLock { state in
            defer {
                state.listed.removeAll(keepingCapacity: true)
                state.answers.removeAll()
            }
            for number in state.listed { state.connections[number]?.isListed = false }
            return (state.listed, state.answers)
        }
        for number in listed { attend(number) }
        for answer in answers {
            guard let link = links[answer.connection] else { continue }
            answer.body.withUnsafeBufferPointer {
                cws_link_answer(
                    link, Int32(answer.status), "application/json", $0.baseAddress, $0.count)
            }
        }
        if state.withLock({ $0.isEnding && $0.connections.isEmpty }) { hub.retire(self) }
        return nil
    }

    private func attend(_ number: UInt32) {
        guard let link = links[number], let connection = state.withLock({ $0.connections[number] }) else {
            return
        }
        if connection.isBroken {
            cws_link_set_reason(link, 1008, "it does not read what it is sent")
            return cws_link_abort(link)
        }
        if connection.isResuming {
            state.withLock { $0.connections[number]?.isResuming = false }
            cws_link_pause(link, 0)
        }
        guard connection.isOpen else {
            if connection.closing != nil { cws_link_abort(link) }
            return
        }
        if let closing = connection.closing {
            cws_link_set_reason(link, closing.isRefusal ? 1008 : 1000, closing.reason)
        }
        if connection.closing != nil || !connection.outgoing.isEmpty { cws_link_wants_to_send(link) }
    }

    override func end() {
        let numbers = state.withLock { state in
            state.isEnding = true
            return Array(state.connections.keys)
        }
        for number in numbers { _ = close(number, "the coordinator stops", false) }
    }

    override func arrived(_ link: OpaquePointer, from address: SocketAddress) -> UInt32 {
        let host = address.with(port: 0)
        guard links.count < limits.connectionCount,
            perAddress[host, default: 0] < limits.connectionsPerAddress
        else { return 0 }
        let number = state.withLock { state -> UInt32 in
            if state.isEnding { return 0 }
            repeat {
                state.lastNumber &+= 1
            } while state.lastNumber == 0
                || state.connections[state.lastNumber] != nil
            state.connections[state.lastNumber] = Connection(
                address: address, outgoing: TextQueue(byteCountLimit: limits.sendByteCount))
            return state.lastNumber
        }
        guard number != 0 else { return 0 }
        perAddress[host, default: 0] += 1
        links[number] = link
        return number
    }

    override func opened(_ number: UInt32) {
        state.withLock { state in
            guard let address = state.connections[number]?.address else { return }
            state.connections[number]?.isOpen = true
            state.connections[number]?.isKnown = true
            state.openCount += 1
            add(.opened(number, from: address), &state)
        }
    }

    override func received(_ number: UInt32, _ bytes: UnsafeRawBufferPointer) {
        let pauses = state.withLock { state in
            guard var connection = state.connections[number], connection.closing == nil else { return false }
            connection.waitingCount += 1
            let pauses = !connection.isPaused && connection.waitingCount >= limits.waitingMessageCount
            if pauses { connection.isPaused = true }
            state.connections[number]?.waitingCount = connection.waitingCount
            state.connections[number]?.isPaused = connection.isPaused
            add(.message(number, Array(bytes)), &state)
            return pauses
        }
        if pauses, let link = links[number] { cws_link_pause(link, 1) }
    }

    override func requested(_ number: UInt32, path: String, query: String) {
        state.withLock { state in
            state.connections[number]?.isKnown = true
            add(.httpGet(number, path: path, query: query), &state)
        }
    }

    override func fill(
        _ number: UInt32, _ buffer: UnsafeMutableRawBufferPointer, isLast: inout Bool
    ) -> Int {
        state.withLock { state in
            if let piece = state.connections[number]?.outgoing.read(into: buffer) {
                isLast = piece.isLast
                return piece.count
            }
            return Int(state.connections[number]?.closing == nil ? CWS_NOTHING : CWS_CLOSE)
        }
    }

    override func closed(_ number: UInt32, isRefused: Bool, reason: String) {
        links[number] = nil
        let (gone, isOver) = state.withLock { state in
            let gone = state.connections.removeValue(forKey: number)
            if gone?.isOpen == true { state.openCount -= 1 }
            if gone?.isKnown == true { add(.closed(number), &state) }
            return (gone, state.isEnding && state.connections.isEmpty)
        }
        if let host = gone?.address.with(port: 0), let count = perAddress[host] {
            perAddress[host] = count > 1 ? count - 1 : nil
        }
        if isOver { hub?.poke(self) }
    }
}
