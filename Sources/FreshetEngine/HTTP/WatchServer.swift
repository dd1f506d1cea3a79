internal import FreshetCore
internal import FreshetNet
internal import Synchronization

/// Wakes a server from any thread, for as long as there is one.
final class ServerWaker: Sendable {
    private let server = Mutex<HTTPServer?>(nil)

    /// The server from now on.
    func set(_ server: HTTPServer?) { self.server.withLock { $0 = server } }

    /// Clients that had nothing may have something now.
    func wake() { server.withLock { $0?.wake() } }
}

/// A server of one stream, with its thread. Ends when it is let go.
final class WatchServer {
    /// What the line tells the server, and it the line.
    let board = WatchBoard()
    /// Where it listens.
    let port: Int
    private let handler: WatchHandler
    private let waker = ServerWaker()
    private var thread: LoopThread?
    private let server: HTTPServer

    /// Connections beside those that watch: the page, the counters, refusals.
    private static let spareConnectionCount = 32

    /// Serves at `place` from now on.
    init(
        at place: ListenAddress, clientLimit: Int, cacheByteCount: Int, servesMP4: Bool
    ) throws(StageError) {
        handler = WatchHandler(
            board, clientLimit: clientLimit, cacheByteCount: cacheByteCount, servesMP4: servesMP4,
            waker: waker)
        let server: HTTPServer
        do throws(SystemCallError) {
            server = try HTTPServer(
                address: place.address, port: place.port,
                connectionLimit: clientLimit + WatchServer.spareConnectionCount, handler: handler)
        } catch {
            if error.errno == .addressInUse {
                throw .failure("\(error.message): another program listens there; choose another port")
            }
            if error.errno == .invalidArgument, error.message.hasPrefix("cannot serve") {
                throw .usage(
                    "http-serve: '\(place.address)' is no address of numbers; use one such as 127.0.0.1")
            }
            throw .failure(error.message)
        }
        self.server = server
        port = server.port
        waker.set(server)
        thread = LoopThread(name: "freshet-http") { server.run() }
        if thread == nil { throw .failure("the system gives no more threads") }
    }

    deinit {
        server.stop()
        thread?.join()
        waker.set(nil)
        handler.stop()
    }

    /// There is something new for clients.
    func wake() { server.wake() }
}
