import CWebSockets
import FreshetCore
import Synchronization

/// What happens to a ``ControlClient``.
public enum ControlEvent: Equatable, Sendable {
    /// The connection is up: nothing that was sent before has arrived.
    case connected
    /// A message of the other side.
    case message([UInt8])
    /// The connection is gone, or could not be made; another is tried by itself.
    case disconnected(reason: String)
    /// The other side is not who it should be, or will not have us. The last event.
    case refused(reason: String)
}

/// One WebSocket over TLS to a coordinator, subprotocol `freshet.v1`, made again by itself until it is closed.
///
/// Safe to use from any thread. ``descriptor`` is readable while ``next()`` has something. Memory: what waits to be
/// sent is bounded by `sendLimit`; while ``receiveLimit`` bytes wait to be taken, nothing is read from the network.
public final class ControlClient: Sendable {
    private let core: ClientCore
    private let thread: ControlThread

    /// Bytes of messages that may wait to be taken.
    public static let receiveLimit = 1 << 20

    /// Connects to `url` from now on. `seed` is where the random waits between tries come from. `thread` is shared with
    /// other clients; one of its own when `nil`. `from` is a local address to come from.
    public init(
        _ url: ControlURL, seed: UInt64, sendLimit: Int = 1 << 20, thread: ControlThread? = nil,
        from: String? = nil
    ) throws(ControlError) {
        let wakeup: Wakeup
        do throws(SystemCallError) { wakeup = try Wakeup() } catch { throw .failure(error.message) }
        let used: ControlThread
        if let thread { used = thread } else { used = try ControlThread() }
        self.thread = used
        core = ClientCore(url, PRNG(seed: seed), sendLimit, wakeup, from)
        used.hub.poke(core)
    }

    deinit { close() }

    /// Readable when ``next()`` has something.
    public var descriptor: Int32 { core.wakeup.number }

    /// Sends `text`; false when there is no connection or the queue is full.
    public func send(_ text: [UInt8]) -> Bool {
        guard core.send(text) else { return false }
        thread.hub.poke(core)
        return true
    }

    /// The next event; `nil` when there is none.
    public func next() -> ControlEvent? {
        let (event, resumes) = core.take()
        if resumes { thread.hub.poke(core) }
        return event
    }

    /// Sends what waits, says goodbye and connects no more. What has come can still be taken.
    public func close() {
        core.close()
        thread.hub.poke(core)
    }
}

/// The part of a client that its thread keeps alive.
private final class ClientCore: ControlEndpoint, @unchecked Sendable {
    // Safe to share: `state` is behind its mutex; what follows it belongs to the hub's thread.
    private struct State {
        var outgoing: TextQueue
        var events: [ControlEvent] = []
        var head = 0
        var waitingByteCount = 0
        var isOpen = false
        var isClosed = false
        var isPaused = false
    }

    let wakeup: Wakeup
    private let url: ControlURL
    private let from: String?
    private let state: Mutex<State>

    private var random: PRNG
    private var backOff = BackOff()
    private weak var hub: ControlHub?
    private var link: OpaquePointer?
    private var isConnecting = false
    private var wasPaused = false
    private var openedAt: Instant?
    private var retryAt: Instant? = .zero

    init(_ url: ControlURL, _ random: PRNG, _ sendLimit: Int, _ wakeup: Wakeup, _ from: String?) {
        self.url = url
        self.random = random
        self.wakeup = wakeup
        self.from = from
        state = Mutex(State(outgoing: TextQueue(byteCountLimit: sendLimit)))
    }

    // MARK: Any thread

    func send(_ text: [UInt8]) -> Bool {
        state.withLock { state in
            state.isOpen && !state.isClosed && state.outgoing.append(text)
        }
    }

    func close() { state.withLock { $0.isClosed = true } }

    func take() -> (ControlEvent?, resumes: Bool) {
        state.withLock { state in
            guard state.head < state.events.count else {
                state.events.removeAll(keepingCapacity: true)
                state.head = 0
                wakeup.drain()
                return (nil, false)
            }
            let event = state.events[state.head]
            state.head += 1
            if case .message(let text) = event { state.waitingByteCount -= text.count + 64 }
            let resumes = state.isPaused && state.waitingByteCount < ControlClient.receiveLimit / 2
            if resumes { state.isPaused = false }
            return (event, resumes)
        }
    }

    private func add(_ event: ControlEvent, _ state: inout State) {
        if state.head == state.events.count { wakeup.signal() }
        state.events.append(event)
    }

    // MARK: The hub's thread

    override func work(_ hub: ControlHub, now: Instant) -> Instant? {
        self.hub = hub
        let (isClosed, wantsToSend, isPaused) = state.withLock { state in
            (state.isClosed, !state.outgoing.isEmpty, state.isPaused)
        }
        if let link {
            if isPaused != wasPaused {
                wasPaused = isPaused
                cws_link_pause(link, isPaused ? 1 : 0)
            }
            if isClosed, !state.withLock({ $0.isOpen }) {
                cws_link_abort(link)
            } else if wantsToSend || isClosed {
                cws_link_wants_to_send(link)
            }
            return nil
        }
        if isConnecting { return nil }
        guard !isClosed, let retryAt else {
            hub.retire(self)
            return nil
        }
        if retryAt > now { return retryAt }
        isConnecting = true
        let made = hub.connect(self, to: url, from: from, number: 1)
        // It may have failed already: then `closed` was called, and says when to try again.
        if isConnecting { link = made }
        return self.retryAt.flatMap { isConnecting ? nil : $0 }
    }

    override func end() { close() }

    override func opened(_ number: UInt32) {
        openedAt = MonotonicClock.now
        state.withLock { state in
            state.isOpen = true
            add(.connected, &state)
        }
    }

    override func received(_ number: UInt32, _ bytes: UnsafeRawBufferPointer) {
        let pauses = state.withLock { state in
            if state.isClosed { return false }
            add(.message(Array(bytes)), &state)
            state.waitingByteCount += bytes.count + 64
            guard state.waitingByteCount >= ControlClient.receiveLimit, !state.isPaused else { return false }
            state.isPaused = true
            return true
        }
        if pauses, let link {
            wasPaused = true
            cws_link_pause(link, 1)
        }
    }

    override func fill(
        _ number: UInt32, _ buffer: UnsafeMutableRawBufferPointer, isLast: inout Bool
    ) -> Int {
        state.withLock { state in
            if let piece = state.outgoing.read(into: buffer) {
                isLast = piece.isLast
                return piece.count
            }
            return Int(state.isClosed ? CWS_CLOSE : CWS_NOTHING)
        }
    }

    override func closed(_ number: UInt32, isRefused: Bool, reason: String) {
        let now = MonotonicClock.now
        let wasOpen = openedAt != nil
        link = nil
        isConnecting = false
        wasPaused = false
        if let openedAt, now - openedAt > .seconds(10) { backOff.reset() }
        openedAt = nil
        retryAt = isRefused ? nil : now + backOff.next(&random)
        state.withLock { state in
            state.isOpen = false
            state.outgoing = TextQueue(byteCountLimit: state.outgoing.byteCountLimit)
            state.isPaused = false
            if state.isClosed { return }
            let told = wasOpen || isRefused ? reason : whyUnreachable(reason)
            add(isRefused ? .refused(reason: told) : .disconnected(reason: told), &state)
            if isRefused { state.isClosed = true }
        }
        hub?.poke(self)
    }

    /// What a person is told when there was no connection at all. OpenSSL's words say nothing to one, and nearly always
    /// the certificate is the coordinator's own.
    private func whyUnreachable(_ reason: String) -> String {
        let place = "the coordinator at \(url.host) port \(url.port)"
        if url.pin == nil, reason.contains("SSL") {
            return "\(place) has no certificate that this host trusts; use its whole join URL, with pin=…"
        }
        return "\(place) cannot be reached: \(reason)"
    }
}
