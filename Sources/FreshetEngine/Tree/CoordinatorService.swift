internal import FreshetCore
public import FreshetNet
internal import Synchronization

/// A coordinator at work: ``FreshetOverlay``'s ``Coordinator`` state machines, one per stream, behind a TLS port, on a
/// thread of their own.
///
/// In nobody's data path: media goes on while it is away. Safe to use from any thread; ends when it is let go.
public final class CoordinatorService: Sendable {
    private let board: CoordinatorBoard
    private let server: ControlServer
    private let wakeup: Wakeup
    private let thread: LoopThread
    private let options: CoordinatorOptions
    private let pinBytes: [UInt8]
    private let certificate: ControlCertificate

    /// Starts a coordinator as `options` say.
    public static func start(_ options: CoordinatorOptions) throws(ControlError) -> CoordinatorService {
        try CoordinatorService(options)
    }

    private init(_ options: CoordinatorOptions) throws(ControlError) {
        self.options = options
        let certificate = try options.certificate()
        do throws(SystemCallError) { wakeup = try Wakeup() } catch { throw .failure(error.message) }
        server = try ControlServer(
            listen: try options.listenAddress(), certificate: certificate, limits: options.limits)
        pinBytes = certificate.pin
        self.certificate = certificate
        board = CoordinatorBoard()
        // Checked here, so that the thread cannot fail by it.
        _ = try certificate.derivedKey(label: "")
        let loop = CoordinatorStart(
            options: options, certificate: certificate, server: server, wakeup: wakeup, board: board)
        let thread = LoopThread(name: "freshet-coord") { loop.run() }
        guard let thread else { throw .failure("the system gives no more threads") }
        self.thread = thread
    }

    deinit { stop() }

    /// Says goodbye to everybody and ends. Members keep streaming, and come back when there is a coordinator again.
    public func stop() {
        board.isStopping.store(true, ordering: .relaxed)
        wakeup.signal()
        thread.join()
        server.close()
    }

    /// The TCP port.
    public var port: Int { server.port }

    /// The pin of the certificate, as join URLs carry it.
    public var pin: String { server.pin }

    /// Where members of the stream `name` go: the URL to give to viewers, with the pin and the token. `host` takes the
    /// place of the address that others reach this host by.
    public func joinURL(name: String, host: String? = nil) -> ControlURL {
        ControlURL(
            host: host ?? reachableHost, port: UInt16(truncatingIfNeeded: server.port), name: name,
            pin: pinBytes,
            token: options.token)
    }

    /// Where the source of the stream `name` goes: ``joinURL(name:host:)`` with what lets it be the source, which is
    /// nobody else's to see.
    public func sourceURL(name: String) throws(ControlError) -> ControlURL {
        var url = joinURL(name: name)
        url.sourceToken = try options.sourceToken(of: name, certificate)
        return url
    }

    private var reachableHost: String {
        if !options.publicHost.isEmpty { return options.publicHost }
        guard let address = try? options.listenAddress() else { return "127.0.0.1" }
        return address.isAny ? NetworkInterface.reachableHost : address.host
    }

    /// Members of the stream `name`, the source counted.
    public func memberCount(name: String) -> Int { board.counts.withLock { $0[name]?.members ?? 0 } }

    /// Viewers and relays of the stream `name` that are connected.
    public func viewerCount(name: String) -> Int { board.counts.withLock { $0[name]?.viewers ?? 0 } }

    /// The names of the streams that have members.
    public var streamNames: [String] { board.counts.withLock { $0.keys.sorted() } }

    /// Connections that are open.
    public var connectionCount: Int { server.connectionCount }
}

/// What the coordinator's thread tells others, and they it.
final class CoordinatorBoard: Sendable {
    /// How many are in one stream.
    struct Counts: Equatable {
        var members = 0
        var viewers = 0
    }

    let isStopping = Atomic(false)
    let counts = Mutex<[String: Counts]>([:])
}

extension NetworkInterface {
    /// An address of this host by which others reach it: the first of an interface that is up and leads outside.
    static var reachableHost: String {
        let all = (try? list()) ?? []
        let outside = all.filter { $0.isUp && !$0.isLoopback }
        let address = outside.lazy.compactMap { $0.ipv4Address }.first ?? outside.first?.addresses.first
        return address?.host ?? "127.0.0.1"
    }
}
