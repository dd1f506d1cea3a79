import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire
import TestSupport
import Testing

@testable import FreshetEngine

/// The coordinator's service over real WebSockets on the loopback.
@Suite(.serialized) struct CoordinatorServiceTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func start(
        port: Int = 0, _ change: (inout CoordinatorOptions) -> Void = { _ in }
    ) throws -> CoordinatorService {
        var options = CoordinatorOptions()
        options.listen = "127.0.0.1:\(port)"
        options.stateDirectory = scratch.path
        change(&options)
        return try CoordinatorService.start(options)
    }

    private func source(of service: CoordinatorService, token: String = "") throws -> ServiceClient {
        let client = try ServiceClient(service.sourceURL(name: "show"), seed: 1)
        try client.join(.source, token: token, port: 5_000)
        _ = try client.welcome()
        return client
    }

    @Test func `a viewer is given the source for a parent in one round trip`() throws {
        let service = try start()
        let source = try source(of: service)
        let viewer = try ServiceClient(service.joinURL(name: "show"), seed: 2)
        try viewer.join(.viewer, port: 5_002)
        let welcome = try viewer.welcome()
        #expect(welcome.epoch == 77)
        let assign = try viewer.assign()
        #expect(assign.offers.first?.address.description == "127.0.0.1:5000")
        let forward = try source.wait { if case .forward(let forward) = $0 { forward } else { nil } }
        #expect(forward.child == welcome.member)
        try wait { service.viewerCount(name: "show") == 1 && service.memberCount(name: "show") == 2 }
        viewer.client.close()
        try wait { service.viewerCount(name: "show") == 0 }
        service.stop()
    }

    @Test func `malformed JSON closes its connection with the sentence, and the others play on`() throws {
        let service = try start()
        let source = try source(of: service)
        for text in [
            "{\"type\":\"join\",", "[]", "{\"type\":\"dance\"}", "{\"type\":\"report\"}", "\u{0}", "",
        ] {
            let bad = try ServiceClient(service.joinURL(name: "show"), seed: 3)
            try bad.connect()
            #expect(bad.client.send(Array(text.utf8)))
            #expect(try bad.refusal().isEmpty == false)
        }
        let viewer = try ServiceClient(service.joinURL(name: "show"), seed: 4)
        try viewer.join(.viewer, port: 5_002)
        #expect(try viewer.assign().offers.count >= 1)
        _ = source
        service.stop()
    }

    @Test func `who brings the wrong token is told so, for good`() throws {
        let service = try start { $0.token = "sesame" }
        let source = try source(of: service, token: "sesame")
        let viewer = try ServiceClient(service.joinURL(name: "show"), seed: 2)
        try viewer.join(.viewer, token: "barley", port: 5_002)
        #expect(try viewer.refusal() == "the token is wrong")
        #expect(service.memberCount(name: "show") == 1)
        _ = source
        service.stop()
    }

    @Test func `an onlooker sees the tree as JSON`() throws {
        let service = try start()
        let source = try source(of: service)
        let viewer = try ServiceClient(service.joinURL(name: "show"), seed: 2)
        try viewer.join(.viewer, port: 5_002)
        let member = try viewer.welcome().member
        _ = try viewer.assign()
        var report = ReportMessage()
        report.delivery.kilobits = 5_000
        report.delivery.repairedCount = 3
        #expect(viewer.client.send(ControlMessage.report(report).text))
        let onlooker = try ServiceClient(service.joinURL(name: "show"), seed: 5)
        try onlooker.connect()
        var row: JSONValue?
        try wait {
            #expect(onlooker.client.send(ControlMessage.inspect(InspectMessage(stream: "show")).text))
            guard case .message(let text) = try onlooker.next() else { return false }
            let page = try JSONParser.parse(text.span.bytes)
            guard case .array(let rows)? = page["tree"] else { return false }
            row = rows.first { $0["member"] == .integer(Int64(member.number)) }
            return row?["rate"] == .integer(5_000)
        }
        #expect(row?["repaired"] == .integer(3))
        #expect(row?["role"] == .string("viewer"))
        guard case .array(let places)? = row?["places"] else {
            Issue.record("the viewer has no place")
            return
        }
        #expect(places.first?["depth"] == .integer(1))
        _ = source
        service.stop()
    }

    @Test func `members come back to a coordinator that was away, with their numbers`() throws {
        var service = try start()
        let port = service.port
        let source = try ServiceClient(service.sourceURL(name: "show"), seed: 1)
        try source.join(.source, port: 5_000)
        let welcome = try source.welcome()
        service.stop()
        service = try start(port: port)
        try source.connect()
        try source.sendJoin(.source, port: 5_000, resuming: welcome)
        #expect(try source.welcome().member == welcome.member)
        service.stop()
    }

    @Test func `only who has the URL of the source is the source`() throws {
        let service = try start { $0.streamNames = ["show", "other"] }
        let urls = [
            service.joinURL(name: "show"), try service.sourceURL(name: "other"),
        ].map { url in
            var url = url
            url.name = "show"
            return url
        }
        for url in urls {
            let stranger = try ServiceClient(url, seed: 1)
            try stranger.join(.source, port: 5_000)
            #expect(try stranger.refusal().contains("the source's token is wrong"))
        }
        _ = try source(of: service)
        service.stop()
        // The same after a restart, and another where one is given.
        let first = try service.sourceURL(name: "show").sourceToken
        let again = try start()
        #expect(first.utf8.count == 22)
        again.stop()
        let given = try start { $0.sourceToken = "mine" }
        #expect(try given.sourceURL(name: "show").sourceToken == "mine")
        given.stop()
    }

    @Test func `three hundred members from as many addresses are all placed within the depth`() throws {
        let service = try start { $0.tree.depthLimit = 6 }
        let source = try source(of: service)
        let thread = try ControlThread(connectionLimit: 310)
        var viewers: [ServiceClient] = []
        for index in 0..<300 {
            let client = try ServiceClient(
                service.joinURL(name: "show"), seed: UInt64(index), thread: thread,
                from: "127.1.\(index / 200).\(1 + index % 200)")
            viewers.append(client)
        }
        for (index, viewer) in viewers.enumerated() { try viewer.join(.viewer, port: UInt16(10_000 + index)) }
        var members: Set<UInt32> = []
        for viewer in viewers {
            members.insert(try viewer.welcome().member.number)
            #expect(try viewer.assign().offers.contains { !$0.ticket.stripes.isEmpty })
        }
        #expect(members.count == 300)
        try wait { service.viewerCount(name: "show") == 300 }
        _ = source
        service.stop()
    }

    @Test func `a flood at the mirrors keeps nobody from joining, and they answer on`() throws {
        let service = try start()
        let source = try ServiceClient(service.sourceURL(name: "show"), seed: 1)
        try source.join(.source, port: 5_000)
        let welcome = try source.welcome()
        #expect(welcome.mirrorPorts.count == 2)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_200, alignment: 8)
        defer { memory.deallocate() }
        var bytes = MutableRawSpan(_unsafeBytes: memory)
        let count = LinkMessage.locate(nonce: 7).write(into: &bytes, ssrc: 0)
        let asked = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count]))
        // Answers that nobody reads.
        let flood = try UDPSocket(.ipv4)
        let host = try #require(SocketAddress("127.0.0.1", port: 0))
        try flood.bind(host, isShared: false)
        func pour() {
            for _ in 0..<5_000 {
                for port in welcome.mirrorPorts { _ = flood.send(asked, to: host.with(port: port)) }
            }
        }
        pour()
        let viewer = try ServiceClient(service.joinURL(name: "show"), seed: 2)
        try viewer.join(.viewer, port: 5_002)
        pour()
        #expect(try viewer.assign().offers.count == 1)
        // Who asks is answered.
        let socket = try UDPSocket(.ipv4)
        try socket.bind(host, isShared: false)
        let pool = PacketPool(slotCount: 8)
        do {
            var reader = DatagramReader(capacity: 4)
            try wait {
                _ = socket.send(asked, to: host.with(port: welcome.mirrorPorts[1]))
                let now = MonotonicClock.now
                guard case .success(let count) = reader.receive(socket, limit: 4, pool: pool, now: now),
                    count > 0, let packet = reader.next(pool: pool)
                else { return false }
                while reader.next(pool: pool) != nil {}
                return packet.byteCount == LinkMessage.locateByteCount
            }
        }
        // The reader's packets are the pool's.
        withExtendedLifetime(pool) {}
        service.stop()
    }
}
