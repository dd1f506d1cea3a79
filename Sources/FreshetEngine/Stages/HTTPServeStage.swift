public import FreshetCore
internal import Synchronization

/// `http-serve`: lets browsers and players watch the line by a URL.
public struct HTTPServeStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "http-serve",
            summary: "serves the line by HTTP: a page for browsers, /stream.ts for players, /stream.mp4",
            takes: [.transportStream, .bytes], gives: .none,
            parameters: [
                StageParameter(
                    "listen", .text, default: "http://127.0.0.1:8080",
                    "where to serve: http://ADDRESS:PORT; http://*:8080 for all addresses, port 0 for any"),
                StageParameter(
                    "clients", .integer(1...4096), default: "64",
                    "how many may watch at once; more are told so"),
                StageParameter(
                    "cache", .integer(1 << 18...1 << 30), default: "8388608",
                    "bytes kept for clients that start or are slow: from the last keyframe on, if they are enough"
                ),
                StageParameter("mp4", .flag, default: "on", "make MP4 for browsers, while one watches"),
            ],
            example:
                "multicast-receive url=rtp://239.77.1.1:5004 ! jitter ! depacketize ! http-serve listen=http://*:8080"
        )
    }

    /// Clients are woken when so many bytes are new, or the first of them is so old.
    private static let wakeByteCount = 64 * 1024
    private static let wakeInterval = Nanoseconds.milliseconds(10)
    /// How long clients may take to have the rest: without any progress, in all, and when the user wants to end.
    private static let stallSpan = Nanoseconds.seconds(2)
    private static let drainSpan = Nanoseconds.seconds(30)
    private static let stopSpan = Nanoseconds.seconds(1)

    private let place: ListenAddress
    private let clientLimit: Int
    private let cacheByteCount: Int
    private let servesMP4: Bool
    private var server: WatchServer?
    private var feed: StreamFeed?
    private var waitingByteCount = 0
    private var wakeDeadline: Instant?
    private var drainStart: Instant?
    private var lastProgress = Instant.zero
    private var lastSentByteCount = 0

    /// A stage with the given parameters; opens nothing.
    public init(arguments: StageArguments) throws(StageError) {
        place = try ListenAddress(arguments.text("listen"))
        clientLimit = arguments.integer("clients") ?? 64
        cacheByteCount = (arguments.integer("cache") ?? 8 << 20) / 188 * 188
        servesMP4 = arguments.flag("mp4")
    }

    /// Serves from now on.
    public mutating func start(context: inout StageContext) throws(StageError) {
        let opened = try WatchServer(
            at: place, clientLimit: clientLimit, cacheByteCount: cacheByteCount, servesMP4: servesMP4)
        server = opened
        context.report(.notice("watch at \(place.url(port: opened.port))"))
    }

    /// Takes everything that comes, whatever clients do.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        guard let server, !input.isEmpty else { return }
        var byteCount = 0
        while let packet = input.popFirst() {
            if feed == nil {
                let made = StreamFeed(first: packet, capacity: cacheByteCount)
                server.board.source.withLock { $0 = (made.ring, made.kind) }
                feed = consume made
            }
            feed?.take(packet)
            byteCount += packet.byteCount
            context.counters.add(.packetsIn)
        }
        context.counters.add(.bytesIn, byteCount)
        server.board.byteCount.add(byteCount, ordering: .relaxed)
        waitingByteCount += byteCount
        if waitingByteCount >= HTTPServeStage.wakeByteCount {
            wake(context: &context)
        } else if wakeDeadline == nil {
            wakeDeadline = context.now + HTTPServeStage.wakeInterval
        }
    }

    /// Wakes the clients for what has come since they last were.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        if waitingByteCount > 0 { wake(context: &context) } else { wakeDeadline = nil }
    }

    private mutating func wake(context: inout StageContext) {
        waitingByteCount = 0
        wakeDeadline = nil
        guard let server else { return }
        if server.board.clientCount.load(ordering: .relaxed) > 0 { server.wake() }
        count(context: &context)
    }

    private mutating func count(context: inout StageContext) {
        guard let board = server?.board else { return }
        let missing = feed?.missingCount ?? 0
        board.missingCount.store(missing, ordering: .relaxed)
        context.counters[.continuityErrors] = missing
        context.counters[.bytesOut] = board.sentByteCount.load(ordering: .relaxed)
        context.counters[.queueDrops] = board.skippedByteCount.load(ordering: .relaxed) / 188
        if let notice = board.notice.withLock({ $0.take() }) { context.report(.notice(notice)) }
    }

    /// Ends the stream; false while clients still take the rest of it.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        guard let server else { return true }
        if drainStart == nil {
            drainStart = context.now
            lastProgress = context.now
            server.board.isOpen.store(false, ordering: .relaxed)
            feed?.ring.close()
            server.wake()
        }
        count(context: &context)
        let sent = server.board.sentByteCount.load(ordering: .relaxed)
        if sent != lastSentByteCount {
            lastSentByteCount = sent
            lastProgress = context.now
        }
        let drained = context.now - (drainStart ?? context.now)
        let limit = context.isStopping ? HTTPServeStage.stopSpan : HTTPServeStage.drainSpan
        let isOver =
            server.board.clientCount.load(ordering: .relaxed) == 0 || drained >= limit
            || context.now - lastProgress >= HTTPServeStage.stallSpan
        if !isOver {
            wakeDeadline = context.now + HTTPServeStage.wakeInterval
            return false
        }
        self.server = nil
        wakeDeadline = nil
        return true
    }

    /// When clients are to be woken, or looked after at the end.
    public var nextDeadline: Instant? { wakeDeadline }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(HTTPServeStage.self, in: $0) }
