/// What a request asks for.
public struct HTTPRequest: Sendable {
    /// How it asks.
    public enum Method: Sendable {
        /// For all.
        case get
        /// For what stands in front of the body only.
        case head
        /// For what is allowed.
        case options
        /// Anything else.
        case other
    }

    /// How it asks.
    public let method: Method
    /// What for: the path without its query.
    public let path: String
}

/// How a request is answered.
public enum HTTPAnswer: Sendable {
    /// With a whole body; copied before the handler returns.
    case content(status: Int, type: StaticString, body: [UInt8])
    /// With a body that is asked for piece by piece under a number of the handler's choosing, not 0.
    case stream(type: StaticString, number: UInt64)
}

/// What there is of a streamed body.
public enum HTTPPiece: Equatable, Sendable {
    /// So many bytes were put in the buffer.
    case bytes(Int)
    /// Nothing now; ``HTTPServer/wake()`` has it asked for again.
    case later
    /// That was all.
    case end
}

/// Answers the requests of an ``HTTPServer``. All calls are made on the thread that runs the server.
open class HTTPHandler {
    /// A handler.
    public init() {}

    /// How `request` is answered.
    open func answer(_ request: HTTPRequest) -> HTTPAnswer {
        .content(status: 404, type: "text/plain; charset=utf-8", body: [])
    }

    /// Puts the next bytes of the streamed body `number` in `buffer`.
    open func read(_ number: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> HTTPPiece { .end }

    /// The client of the streamed body `number` has gone, or has had all; called once for each.
    open func closed(_ number: UInt64) {}
}
