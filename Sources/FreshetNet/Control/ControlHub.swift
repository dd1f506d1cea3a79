import CLinux
import CWebSockets
import FreshetCore
import Synchronization

/// What has connections in a ``ControlHub``: a client or a server. All calls are made on the hub's thread.
class ControlEndpoint: @unchecked Sendable {
    /// Guarded by the hub's mutex.
    fileprivate var isPoked = false

    /// Somebody poked it, or the instant it gave last has come; when to call again.
    func work(_ hub: ControlHub, now: Instant) -> Instant? { nil }
    /// The program wants the thread to end: finish what is under way.
    func end() {}
    /// A connection comes; its number, 0 to turn it away.
    func arrived(_ link: OpaquePointer, from address: SocketAddress) -> UInt32 { 0 }
    func opened(_ number: UInt32) {}
    func received(_ number: UInt32, _ bytes: UnsafeRawBufferPointer) {}
    func requested(_ number: UInt32, path: String, query: String) {}
    /// The next piece to send: its length, `CWS_NOTHING` or `CWS_CLOSE`.
    func fill(_ number: UInt32, _ buffer: UnsafeMutableRawBufferPointer, isLast: inout Bool) -> Int { 0 }
    func closed(_ number: UInt32, isRefused: Bool, reason: String) {}
}

/// libwebsockets' loop on a thread of its own, so that a TLS handshake never stalls media.
///
/// Endpoints keep their queues themselves, behind a mutex each; the hub's own mutex guards only who was poked. The
/// thread keeps endpoints alive while they have connections.
final class ControlHub: @unchecked Sendable {
    // Safe to share: `hub` takes wake and stop from any thread, everything else happens on the hub's own thread, or
    // before it starts.
    private struct Requests {
        var poked: [ControlEndpoint] = []
        var isWoken = false
        var isEnding = false
        var isOver = false
    }

    private var hub: OpaquePointer?
    private var thread: LoopThread?
    private let requests = Mutex(Requests())
    private var endpoints: [ObjectIdentifier: ControlEndpoint] = [:]
    private var alarms: [ObjectIdentifier: Instant] = [:]
    private var endsBy: Instant?

    /// How long what is under way may take when the program wants the thread to end.
    private static let endingLimit = Nanoseconds.milliseconds(500)

    /// A hub that is not running yet.
    init(connectionLimit: Int, messageLimit: Int) throws(ControlError) {
        var message = [CChar](repeating: 0, count: 512)
        hub = cws_hub_open(
            Int32(clamping: connectionLimit), messageLimit, ControlHub.handler,
            Unmanaged.passUnretained(self).toOpaque(), &message, message.count)
        guard hub != nil else { throw .failure(ControlHub.text(message)) }
    }

    /// Listens for `endpoint`; before ``start()``. The port.
    func listen(
        on address: SocketAddress, certificate: String, key: String, for endpoint: ControlEndpoint
    ) throws(ControlError) -> Int {
        guard let hub else { return 0 }
        var message = [CChar](repeating: 0, count: 512)
        let raw = address.raw
        let status = withUnsafeBytes(of: raw.bytes) { bytes in
            let place = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
            return cws_hub_listen(
                hub, place, raw.length, certificate, key, Unmanaged.passUnretained(endpoint).toOpaque(),
                &message, message.count)
        }
        if status < 0 { throw .failure(ControlHub.text(message)) }
        if status > 0 {
            throw .failure("cannot listen for the control channel on \(address): \(Errno(status))")
        }
        endpoints[ObjectIdentifier(endpoint)] = endpoint
        return Int(cws_hub_port(hub))
    }

    /// Starts the thread.
    func start() throws(ControlError) {
        thread = LoopThread(name: "freshet-control") { [self] in run() }
        guard thread != nil else {
            if let hub { cws_hub_close(hub) }
            hub = nil
            throw .failure("the system gives no more threads")
        }
    }

    private func run() {
        guard let hub else { return }
        cws_hub_run(hub)
        requests.withLock { $0.isOver = true }
        cws_hub_close(hub)
        endpoints.removeAll()
    }

    /// Ends the thread, once endpoints have said goodbye or half a second has passed.
    func stop() {
        guard thread != nil else {
            if let hub { cws_hub_close(hub) }
            hub = nil
            return
        }
        requests.withLock { requests in
            requests.isEnding = true
            wake(&requests)
        }
        thread?.join()
        thread = nil
        hub = nil
    }

    private func wake(_ requests: inout Requests) {
        guard !requests.isWoken, !requests.isOver, let hub else { return }
        requests.isWoken = true
        cws_hub_wake(hub)
    }

    /// Has `endpoint` called on the thread soon.
    func poke(_ endpoint: ControlEndpoint) {
        requests.withLock { requests in
            guard !endpoint.isPoked else { return }
            endpoint.isPoked = true
            requests.poked.append(endpoint)
            wake(&requests)
        }
    }

    /// `endpoint` has no connection any more and wants none.
    func retire(_ endpoint: ControlEndpoint) {
        endpoints[ObjectIdentifier(endpoint)] = nil
        alarms[ObjectIdentifier(endpoint)] = nil
    }

    /// Begins a connection for `endpoint`; what became of it comes through the endpoint.
    func connect(
        _ endpoint: ControlEndpoint, to url: ControlURL, from: String?, number: UInt32
    ) -> OpaquePointer? {
        guard let hub else { return nil }
        let owner = Unmanaged.passUnretained(endpoint).toOpaque()
        func connect(_ from: UnsafePointer<CChar>?, _ pin: UnsafePointer<UInt8>?) -> OpaquePointer? {
            url.host.withCString { host in
                var place = cws_place(host: host, port: Int32(url.port), from: from, pin: pin)
                return cws_hub_connect(hub, &place, number, owner)
            }
        }
        func connect(_ from: UnsafePointer<CChar>?) -> OpaquePointer? {
            guard let pin = url.pin else { return connect(from, nil) }
            return pin.withUnsafeBufferPointer { connect(from, $0.baseAddress) }
        }
        guard let from else { return connect(nil) }
        return from.withCString { connect($0) }
    }

    private func woken() {
        let (poked, isEnding) = requests.withLock { requests in
            let taken = requests.poked
            for endpoint in taken { endpoint.isPoked = false }
            requests.poked = []
            requests.isWoken = false
            return (taken, requests.isEnding)
        }
        let now = MonotonicClock.now
        if isEnding, endsBy == nil {
            endsBy = now + ControlHub.endingLimit
            for endpoint in endpoints.values { endpoint.end() }
            for endpoint in Array(endpoints.values) { work(endpoint, now) }
        }
        for endpoint in poked { work(endpoint, now) }
        let due = alarms.filter { $0.value <= now }.map(\.key)
        for key in due {
            alarms[key] = nil
            if let endpoint = endpoints[key] { work(endpoint, now) }
        }
        guard let hub else { return }
        if let endsBy, endpoints.isEmpty || endsBy <= now { return cws_hub_stop(hub) }
        let next = earliest(alarms.values.min(), endsBy)
        cws_hub_alarm(hub, next.map { max(0, ($0 - now).count / 1_000 + 1) } ?? -1)
    }

    private func work(_ endpoint: ControlEndpoint, _ now: Instant) {
        let key = ObjectIdentifier(endpoint)
        endpoints[key] = endpoint
        let next = endpoint.work(self, now: now)
        if endpoints[key] != nil { alarms[key] = next }
    }

    static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func endpoint(_ owner: UnsafeMutableRawPointer) -> ControlEndpoint {
        Unmanaged<ControlEndpoint>.fromOpaque(owner).takeUnretainedValue()
    }

    private static let handler = cws_hub_handler(
        woken: { Unmanaged<ControlHub>.fromOpaque($0).takeUnretainedValue().woken() },
        arrived: { owner, link, address in
            guard let from = SocketAddress(copying: UnsafeRawPointer(address)) else { return 0 }
            return ControlHub.endpoint(owner).arrived(link, from: from)
        },
        opened: { ControlHub.endpoint($0).opened($1) },
        received: { owner, number, bytes, count in
            ControlHub.endpoint(owner).received(number, UnsafeRawBufferPointer(start: bytes, count: count))
        },
        requested: { owner, number, path, query in
            ControlHub.endpoint(owner).requested(
                number, path: String(cString: path), query: String(cString: query))
        },
        fill: { owner, number, buffer, capacity, isLast in
            var last = true
            let count = ControlHub.endpoint(owner).fill(
                number, UnsafeMutableRawBufferPointer(start: buffer, count: capacity), isLast: &last)
            isLast.pointee = last ? 1 : 0
            return count
        },
        closed: { owner, number, ending, reason in
            ControlHub.endpoint(owner).closed(
                number, isRefused: ending == CWS_REFUSED, reason: String(cString: reason))
        })
}

/// A thread of libwebsockets that several ``ControlClient``s share. Ends when it and they are let go.
public final class ControlThread: Sendable {
    let hub: ControlHub

    /// A thread for at most `connectionLimit` connections; messages are at most `messageLimit` bytes long.
    public init(connectionLimit: Int = 4, messageLimit: Int = 65_536) throws(ControlError) {
        hub = try ControlHub(connectionLimit: connectionLimit, messageLimit: messageLimit)
        try hub.start()
    }

    deinit { hub.stop() }
}
