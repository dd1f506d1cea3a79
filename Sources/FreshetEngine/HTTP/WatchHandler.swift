internal import FreshetCore
internal import FreshetNet
internal import Synchronization

/// What the line and the server tell each other; any thread.
final class WatchBoard: Sendable {
    /// The line's ring, once it is known what the line is.
    let source = Mutex<(ring: BroadcastRing, kind: StreamFeed.Kind)?>(nil)
    /// Bytes and packets of the line, packets missing in it, and whether it goes on.
    let byteCount = Atomic<Int>(0)
    let missingCount = Atomic<Int>(0)
    let isOpen = Atomic<Bool>(true)
    /// Bytes given to clients, and bytes they were too slow for.
    let sentByteCount = Atomic<Int>(0)
    let skippedByteCount = Atomic<Int>(0)
    /// Clients now, in all, and turned away.
    let clientCount = Atomic<Int>(0)
    let servedCount = Atomic<Int>(0)
    let refusedCount = Atomic<Int>(0)
    /// What a person should be told, until it is taken; at most one.
    let notice = Mutex<String?>(nil)
}

/// Answers requests: the page, the stream in two forms, the counters. Everything happens on the server's thread.
final class WatchHandler: HTTPHandler {
    private struct Client {
        var ring: BroadcastRing
        var cursor = BroadcastRing.Cursor()
        var movie: LiveMP4?
        var skippedByteCount = 0
    }

    private let board: WatchBoard
    private let clientLimit: Int
    private let cacheByteCount: Int
    private let servesMP4: Bool
    private let waker: ServerWaker
    private var clients: [UInt64: Client] = [:]
    private var nextNumber: UInt64 = 1
    private var movie: LiveMP4?
    private var lastAttempt = Instant.zero
    private let start = MonotonicClock.now

    init(
        _ board: WatchBoard, clientLimit: Int, cacheByteCount: Int, servesMP4: Bool,
        waker: ServerWaker
    ) {
        self.board = board
        self.clientLimit = clientLimit
        self.cacheByteCount = cacheByteCount
        self.servesMP4 = servesMP4
        self.waker = waker
    }

    /// Ends what runs beside the server; when that runs no more.
    func stop() {
        movie?.stop()
        movie = nil
    }

    override func answer(_ request: HTTPRequest) -> HTTPAnswer {
        switch request.method {
        case .options: return .content(status: 204, type: "text/plain; charset=utf-8", body: [])
        case .other: return sentence(405, "this server answers GET, HEAD and OPTIONS only")
        case .get, .head: break
        }
        switch request.path {
        case "/", "/index.html":
            return .content(status: 200, type: "text/html; charset=utf-8", body: Array(watchPage.utf8))
        case "/stats.json":
            return .content(status: 200, type: "application/json", body: Array(statistics.utf8))
        case "/stream.ts": return stream(request)
        case "/stream.mp4": return movieStream(request)
        default:
            return sentence(
                404,
                "there is no \(shown(request.path)) here; there are / and /stream.ts, /stream.mp4, /stats.json"
            )
        }
    }

    private func stream(_ request: HTTPRequest) -> HTTPAnswer {
        guard let (ring, kind) = board.source.withLock({ $0 }) else { return notYet }
        if let refusal { return refusal }
        let number = admit(Client(ring: ring))
        return .stream(type: kind == .bytes ? "application/octet-stream" : "video/mp2t", number: number)
    }

    private func movieStream(_ request: HTTPRequest) -> HTTPAnswer {
        if !servesMP4 { return sentence(404, "MP4 is turned off here (mp4=off); there is /stream.ts") }
        guard let (ring, kind) = board.source.withLock({ $0 }) else { return notYet }
        if kind == .bytes { return sentence(404, "the stream is no transport stream: there is no MP4 of it") }
        if let refusal { return refusal }
        if let ended = movie, ended.hasEnded {
            if let error = ended.error, MonotonicClock.now - lastAttempt < .seconds(5) {
                return sentence(503, "no MP4 can be made of the stream: \(error.message)")
            }
            ended.stop()
            movie = nil
        }
        let current = movie ?? LiveMP4(of: ring, capacity: cacheByteCount, waker: waker)
        if movie == nil { lastAttempt = MonotonicClock.now }
        movie = current
        return .stream(type: "video/mp4", number: admit(Client(ring: current.ring, movie: current)))
    }

    private var notYet: HTTPAnswer { sentence(503, "the stream has not begun yet; try again") }

    private var refusal: HTTPAnswer? {
        guard clients.count >= clientLimit else { return nil }
        board.refusedCount.add(1, ordering: .relaxed)
        return sentence(503, "there are \(clientLimit) clients already; try again later")
    }

    private func admit(_ client: Client) -> UInt64 {
        let number = nextNumber
        nextNumber += 1
        clients[number] = client
        client.movie?.readerCount.add(1, ordering: .relaxed)
        board.clientCount.store(clients.count, ordering: .relaxed)
        board.servedCount.add(1, ordering: .relaxed)
        return number
    }

    override func read(_ number: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> HTTPPiece {
        guard var client = clients[number] else { return .end }
        let outcome = client.ring.read(&client.cursor, into: buffer)
        let skipped = Int(client.cursor.skippedByteCount)
        board.skippedByteCount.add(skipped - client.skippedByteCount, ordering: .relaxed)
        client.skippedByteCount = skipped
        clients[number] = client
        switch outcome {
        case .bytes(let count):
            board.sentByteCount.add(count, ordering: .relaxed)
            return .bytes(count)
        case .nothing: return .later
        case .ended:
            if let error = client.movie?.error {
                board.notice.withLock { $0 = "no MP4 can be made of the stream: \(error.message)" }
            }
            return .end
        }
    }

    override func closed(_ number: UInt64) {
        clients.removeValue(forKey: number)?.movie?.readerCount.subtract(1, ordering: .relaxed)
        board.clientCount.store(clients.count, ordering: .relaxed)
    }

    private func sentence(_ status: Int, _ words: String) -> HTTPAnswer {
        .content(status: status, type: "text/plain; charset=utf-8", body: Array((words + "\n").utf8))
    }

    /// A path as it can be said again: short, and of plain letters.
    private func shown(_ path: String) -> String {
        String(
            path.unicodeScalars.prefix(60).filter { $0.isASCII && $0.value > 32 && $0.value < 127 }.map(
                Character.init))
    }

    private var statistics: String {
        let milliseconds = (MonotonicClock.now - start).count / 1_000_000
        let movieCount = clients.values.count { $0.movie != nil }
        let failure = movie?.error.map { WatchHandler.quoted($0.message) } ?? "null"
        return """
            {"open":\(board.isOpen.load(ordering: .relaxed)),"milliseconds":\(milliseconds),\
            "bytesIn":\(board.byteCount.load(ordering: .relaxed)),\
            "missing":\(board.missingCount.load(ordering: .relaxed)),\
            "clients":\(clients.count),"clientsMP4":\(movieCount),"clientLimit":\(clientLimit),\
            "served":\(board.servedCount.load(ordering: .relaxed)),\
            "refused":\(board.refusedCount.load(ordering: .relaxed)),\
            "bytesOut":\(board.sentByteCount.load(ordering: .relaxed)),\
            "dropped":\(board.skippedByteCount.load(ordering: .relaxed)),"mp4":\(servesMP4),"mp4Error":\(failure)}

            """
    }

    /// `text` as a JSON string of plain letters.
    private static func quoted(_ text: String) -> String {
        let plain = text.unicodeScalars.map { scalar -> Character in
            if scalar == "\"" || scalar == "\\" { return "'" }
            return scalar.isASCII && scalar.value >= 32 && scalar.value < 127 ? Character(scalar) : " "
        }
        return "\"" + String(plain) + "\""
    }
}
