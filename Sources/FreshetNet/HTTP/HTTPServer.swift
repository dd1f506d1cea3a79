import CWebSockets

/// An HTTP server by libwebsockets, which is loaded by the first one.
///
/// ``run()`` belongs to one thread of the caller's; ``wake()`` and ``stop()`` are for any. Memory: 34 KB for
/// the server; a
/// connection has up to 4 KB of request, one piece of 32 KB that the kernel did not take, and the kernel's
/// send buffer, which
/// is set to 256 KB. A request that takes longer than 5 s, and a client that takes nothing for 30 s, are closed.
public final class HTTPServer: @unchecked Sendable {
    // Safe to share: the C server takes `wake` and `stop` from any thread; the handler is called by run()'s
    // thread only, and
    // by deinit, when no other reference is left.
    private let server: OpaquePointer
    private let handler: HTTPHandler

    /// Listens on the numeric `address` and `port` (0: any), with at most `connectionLimit` connections at
    /// once; more are
    /// closed as they come.
    public init(
        address: String, port: Int, connectionLimit: Int, handler: HTTPHandler
    ) throws(SystemCallError) {
        self.handler = handler
        var code: Int32 = 0
        var message = [CChar](repeating: 0, count: 512)
        let calls = cws_handler(
            owner: Unmanaged.passUnretained(handler).toOpaque(),
            answer: { HTTPServer.answer($0, $1, $2) },
            read: { owner, number, buffer, capacity in
                let handler = Unmanaged<HTTPHandler>.fromOpaque(owner).takeUnretainedValue()
                switch handler.read(number, into: .init(start: buffer, count: capacity)) {
                case .bytes(let count): return count
                case .later: return Int(CWS_LATER)
                case .end: return Int(CWS_END)
                }
            },
            closed: { Unmanaged<HTTPHandler>.fromOpaque($0).takeUnretainedValue().closed($1) })
        let opened = cws_open(
            address, Int32(port), Int32(connectionLimit), calls, &code, &message, message.count)
        guard let opened else {
            if code != 0 {
                throw SystemCallError("cannot serve HTTP on \(address) port \(port)", Errno(code))
            }
            let words = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw SystemCallError(message: String(decoding: words, as: UTF8.self))
        }
        server = opened
    }

    deinit { cws_close(server) }

    /// The port that is listened on.
    public var port: Int { Int(cws_port(server)) }

    /// Serves until ``stop()``.
    public func run() { cws_run(server) }

    /// Streamed bodies that had nothing may have something now.
    public func wake() { cws_wake(server) }

    /// Ends ``run()``.
    public func stop() { cws_stop(server) }

    private static func answer(
        _ owner: UnsafeMutableRawPointer, _ request: UnsafePointer<cws_request>,
        _ answer: UnsafeMutablePointer<cws_answer>
    ) {
        let handler = Unmanaged<HTTPHandler>.fromOpaque(owner).takeUnretainedValue()
        let method: HTTPRequest.Method =
            switch request.pointee.method {
            case CWS_GET: .get
            case CWS_HEAD: .head
            case CWS_OPTIONS: .options
            default: .other
            }
        let path = String(cString: request.pointee.path)
        switch handler.answer(HTTPRequest(method: method, path: path)) {
        case .content(let status, let type, let body):
            answer.pointee.status = Int32(status)
            answer.pointee.content_type = UnsafeRawPointer(type.utf8Start).assumingMemoryBound(to: CChar.self)
            body.withUnsafeBufferPointer { cws_set_body(answer, $0.baseAddress, $0.count) }
        case .stream(let type, let number):
            answer.pointee.status = 200
            answer.pointee.content_type = UnsafeRawPointer(type.utf8Start).assumingMemoryBound(to: CChar.self)
            answer.pointee.stream = number
        }
    }
}
