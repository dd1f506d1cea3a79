import FreshetCore
import FreshetEngine
import FreshetNet
import FreshetOverlay
import FreshetWire
import Glibc

/// A source, its coordinator and up to a thousand children of one relay in one process, so that a relay can be measured by
/// itself: the source sends to the relay, the relay to the children, and what arrives is counted and timed by the kernel's
/// stamps.
///
/// Children shake hands, report, ask for what they miss and answer the coordinator as members do; they keep nothing and
/// forward to nobody. In plain form (`--to`) the same source sends RTP to any relay, and the same children are ports.
/// Prints a tree's URL, then `measuring`, then the figures as JSON.
final class TreeLoad {
    private static let readyLimit = Nanoseconds.seconds(60)
    private static let controlBit: UInt64 = 1 << 32

    private let options: LoadOptions
    private let service: CoordinatorService?
    private let url: ControlURL?
    private let threads: [ControlThread]
    private var poller: Poller
    private let pool = PacketPool(slotCount: 512)
    private var reader = DatagramReader(capacity: 32)
    private var source: LoadSource
    private var origin: LoadMember
    private var children: [LoadMember] = []
    private var deliveries = Deliveries()
    private let destination: SocketAddress?
    /// Bytes of media that came while it was measured.
    private var byteCount = 0
    private var isFlowing = false
    private var driven = 0
    private var driveAt = Instant.zero

    init(_ options: LoadOptions) throws {
        self.options = options
        source = try LoadSource(rate: options.rate, media: options.media)
        poller = try Poller()
        try TreeLoad.raiseDescriptorLimit()
        guard let place = SocketAddress(options.address, port: 0) else {
            throw LoadOptions.Failure(description: "--address needs an address, not '\(options.address)'")
        }
        if let to = options.to {
            (service, url, threads) = (nil, nil, [])
            let words = to.split(separator: ":")
            guard words.count == 2, let port = UInt16(words[1]),
                let address = SocketAddress(String(words[0]), port: port)
            else { throw LoadOptions.Failure(description: "--to needs ADDRESS:PORT, not '\(to)'") }
            destination = address
            origin = try LoadMember(place, seed: 1)
            if let interface = options.interface {
                try origin.socket.setMulticastInterface(.named(interface))
            }
        } else {
            var tree = CoordinatorOptions()
            tree.listen = "\(options.address):0"
            tree.limits.connectionsPerAddress = options.childCount + 16
            tree.tree.backupCount = 0
            let service = try CoordinatorService.start(tree)
            let found = service.joinURL(name: "load", host: options.address)
            threads = try (0..<2).map { _ in try ControlThread(connectionLimit: 2 * options.childCount + 64) }
            var join = JoinMessage()
            join.stream = "load"
            join.role = .source
            join.sourceToken = try service.sourceURL(name: "load").sourceToken
            join.childLimit = 1
            join.epoch = LoadSource.ssrc
            join.streamKilobits = UInt32(clamping: options.rate / 1000)
            origin = try LoadMember(place, join: join, url: found, thread: threads[0], seed: 1)
            (self.service, url, destination) = (service, found, nil)
            try poller.add(origin.control, tag: TreeLoad.controlBit | UInt64(UInt32.max))
        }
        try poller.add(origin.socket.number, tag: UInt64(UInt32.max))
    }

    private static func raiseDescriptorLimit() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    // MARK: The course of it

    func run() throws -> Int32 {
        MonotonicClock.sharpenTimers()
        if let url { say("\(url)") }
        try open()
        origin.begin(at: source.sequence, now: MonotonicClock.now)
        source.begin(at: MonotonicClock.now)
        isFlowing = true
        // Who reads a plain port may need a while to find the stream.
        let began = MonotonicClock.now
        try turn(until: began + TreeLoad.readyLimit) {
            $0.children.allSatisfy { $0.packetCount > 0 }
                && MonotonicClock.now - began >= .seconds(Int64($0.options.warmUp))
        }
        let start = MonotonicClock.now
        let end = start + .seconds(Int64(options.seconds))
        deliveries.measure(from: start, to: end)
        let before = children.reduce(0) { $0 + $1.byteCount }
        say("measuring")
        try turn(until: end) { _ in false }
        byteCount = children.reduce(0) { $0 + $1.byteCount } - before
        isFlowing = false
        try turn(until: end + .milliseconds(400)) { _ in false }
        deliveries.finish()
        report(start, end)
        return children.allSatisfy { $0.packetCount > 0 } ? 0 : 1
    }

    private func open() throws {
        if let service {
            try turn(until: MonotonicClock.now + TreeLoad.readyLimit) { _ in
                service.viewerCount(name: "load") > 0
            }
        }
        for index in 0..<options.childCount {
            var port: UInt16 = 0
            if destination != nil { port = UInt16(options.firstPort + index * options.portStep) }
            guard let address = SocketAddress(options.address, port: port) else { continue }
            var join = JoinMessage()
            join.stream = "load"
            join.forwards = false
            let child = try LoadMember(
                address, join: join, url: url, thread: threads.isEmpty ? nil : threads[index % threads.count],
                seed: UInt64(index + 2))
            try poller.add(child.socket.number, tag: UInt64(index))
            if child.control >= 0 { try poller.add(child.control, tag: UInt64(index) | TreeLoad.controlBit) }
            children.append(child)
            // Not all handshakes at once.
            if url != nil, index % 50 == 49 {
                try turn(until: MonotonicClock.now + .seconds(5)) {
                    $0.children.count { !$0.hasNeighbour } < 25
                }
            }
        }
        if url == nil { return }
        try turn(until: MonotonicClock.now + TreeLoad.readyLimit) {
            $0.children.allSatisfy { $0.hasNeighbour } && $0.origin.childCount > 0
        }
        let alone = children.count { !$0.hasNeighbour }
        guard alone == 0, origin.childCount == 1 else {
            let troubles = Set(children.compactMap(\.trouble)).joined(separator: "; ")
            throw LoadOptions.Failure(description: "\(alone) children without a parent: \(troubles)")
        }
        try turn(until: MonotonicClock.now + .seconds(1)) { _ in false }
    }

    /// Goes on until `deadline`, or until `isDone`.
    private func turn(
        until deadline: Instant, _ isDone: (TreeLoad) -> Bool
    ) throws {
        var lookAt = Instant.zero
        while true {
            let now = MonotonicClock.now
            if now >= deadline { return }
            if now >= lookAt {
                if isDone(self) { return }
                lookAt = now + .milliseconds(20)
            }
            var wake = min(deadline, now + .milliseconds(2))
            if isFlowing { wake = min(wake, source.due) }
            let count = try poller.wait(until: wake)
            for index in 0..<count {
                sendDue()
                serve(poller[index].tag)
            }
            sendDue()
            driveSome()
        }
    }

    private func sendDue() {
        guard isFlowing else { return }
        var now = MonotonicClock.now
        while source.due <= now {
            let (origin, destination) = (origin, destination)
            source.next { bytes, number in
                now = MonotonicClock.now
                deliveries.noteSent(UInt16(truncatingIfNeeded: number), at: now)
                if let destination {
                    _ = origin.socket.send(bytes, to: destination)
                } else {
                    origin.send(bytes, number, now: now)
                }
            }
        }
    }

    private func serve(_ tag: UInt64) {
        let index = Int(tag & ~TreeLoad.controlBit)
        let isOrigin = index == Int(UInt32.max)
        let member = isOrigin ? origin : children[index]
        if tag & TreeLoad.controlBit != 0 { return member.readControl(MonotonicClock.now) }
        let now = MonotonicClock.now
        guard case .success(let count) = reader.receive(member.socket, limit: 32, pool: pool, now: now),
            count > 0
        else { return }
        while !reader.isDrained {
            guard let packet = reader.next(pool: pool) else { continue }
            let arrival = reader.arrival(now: now)
            guard let got = member.read(packet.bytes, from: reader.sender, at: arrival), !isOrigin else {
                continue
            }
            deliveries.noteArrival(got.number, at: arrival, isNew: got.isNew, isRepaired: got.isRepaired)
        }
    }

    /// Does what is due for some of the members, so that each has its turn every 20 ms or so.
    private func driveSome() {
        let now = MonotonicClock.now
        guard url != nil, now >= driveAt else { return }
        driveAt = now + .milliseconds(1)
        origin.drive(now)
        for _ in 0..<min(children.count, children.count / 20 + 1) {
            driven = (driven + 1) % children.count
            children[driven].drive(now)
        }
    }

    // MARK: What came of it

    private func report(_ start: Instant, _ end: Instant) {
        let wanted = deliveries.sentCount * options.childCount
        say(
            """
            {"from": \(seconds(start)), "to": \(seconds(end)), "sent": \(deliveries.sentCount), "wanted": \(wanted), \
            "delivered": \(deliveries.count), "duplicates": \(deliveries.duplicateCount), \
            "repaired": \(deliveries.repairedCount), "bytes": \(byteCount), \
            "least": \(children.map(\.packetCount).min() ?? 0), \
            "p50": \(deliveries.microseconds(500, ofFirst: false)), \
            "p99": \(deliveries.microseconds(990, ofFirst: false)), \
            "first50": \(deliveries.microseconds(500, ofFirst: true)), \
            "first99": \(deliveries.microseconds(990, ofFirst: true))}
            """)
    }

    private func seconds(_ instant: Instant) -> Double { Double(instant.nanoseconds) / 1e9 }

    private func say(_ text: String) {
        print(text)
        fflush(nil)
    }
}
