import FreshetCore
import FreshetNet
import TestSupport
import Testing

/// Client and server over real sockets on the loopback.
@Suite struct ControlServerTests {
    private let scratch: Scratch
    private let peers: ControlPeers

    init() throws {
        scratch = try Scratch()
        peers = try ControlPeers(scratch.path)
    }

    @Test func `messages go both ways`() throws {
        let server = try peers.server()
        let client = try peers.client(of: server)
        #expect(try client.wait() == .connected)
        let number = try server.waitForOpened()
        #expect(client.send(Array("hello".utf8)))
        #expect(try server.wait() == .message(number, Array("hello".utf8)))
        server.send(Array("and you".utf8), to: number)
        #expect(try client.wait() == .message(Array("and you".utf8)))
        client.close()
        #expect(try server.wait() == .closed(number))
    }

    @Test func `a long message arrives whole`() throws {
        let server = try peers.server()
        let client = try peers.client(of: server)
        #expect(try client.wait() == .connected)
        let number = try server.waitForOpened()
        let text = [UInt8]((0..<60_000).map { UInt8(ascii: "a") + UInt8($0 % 26) })
        #expect(client.send(text))
        #expect(try server.wait() == .message(number, text))
        server.send(text, to: number)
        #expect(try client.wait() == .message(text))
    }

    @Test func `what was sent before a close arrives, and the reason with it`() throws {
        let server = try peers.server()
        let client = try peers.client(of: server)
        #expect(try client.wait() == .connected)
        let number = try server.waitForOpened()
        for index in 0..<10 { server.send(Array("\(index)".utf8), to: number) }
        server.close(number, reason: "the token is wrong", isRefusal: true)
        for index in 0..<10 { #expect(try client.wait() == .message(Array("\(index)".utf8))) }
        #expect(try client.wait() == .refused(reason: "the token is wrong"))
    }

    @Test func `a server whose key is not the pinned one is refused before anything is said`() throws {
        let server = try peers.server()
        var url = peers.url(of: server)
        url.pin?[0] ^= 1
        let client = try ControlClient(url, seed: 1)
        guard case .refused(let reason) = try client.wait() else {
            Issue.record("it was let in")
            return
        }
        #expect(reason.contains("pins"))
        #expect(server.next() == nil)
    }

    @Test func `without a pin a self-signed certificate is not believed`() throws {
        let server = try peers.server()
        var url = peers.url(of: server)
        url.pin = nil
        let client = try ControlClient(url, seed: 1)
        guard case .disconnected(let reason) = try client.wait() else {
            Issue.record("it was let in")
            return
        }
        #expect(reason.contains("use its whole join URL, with pin="), "\(reason)")
        #expect(server.next() == nil)
    }

    @Test func `a client comes back after its server did`() throws {
        var server: ControlServer? = try peers.server()
        let port = UInt16(try #require(server).port)
        let client = try peers.client(of: try #require(server))
        #expect(try client.wait() == .connected)
        server = nil
        guard case .disconnected = try client.wait() else {
            Issue.record("the end of the server was not told")
            return
        }
        #expect(!client.send([65]))
        let second = try peers.server(port: port)
        var event = try client.wait()
        while case .disconnected = event { event = try client.wait() }
        #expect(event == .connected)
        _ = try second.waitForOpened()
    }

    @Test func `a message that is too long closes its connection and no other`() throws {
        var limits = ControlServerLimits()
        limits.messageByteCount = 4_096
        let server = try peers.server(limits: limits)
        let client = try peers.client(of: server)
        let other = try peers.client(of: server)
        #expect(try client.wait() == .connected)
        #expect(try other.wait() == .connected)
        var numbers: Set<UInt32> = [try server.waitForOpened(), try server.waitForOpened()]
        #expect(client.send([UInt8](repeating: 65, count: 5_000)))
        #expect(try client.wait() == .refused(reason: "a message is longer than 4096 bytes"))
        guard case .closed(let gone) = try server.wait() else {
            Issue.record("the connection stayed")
            return
        }
        numbers.remove(gone)
        #expect(other.send([66]))
        #expect(try server.wait() == .message(try #require(numbers.first), [66]))
    }

    @Test func `a client that reads nothing is let go, with bounded memory`() throws {
        var limits = ControlServerLimits()
        limits.sendByteCount = 100_000
        let server = try peers.server(limits: limits)
        let client = try peers.client(of: server)
        #expect(try client.wait() == .connected)
        let number = try server.waitForOpened()
        let text = [UInt8](repeating: 65, count: 50_000)
        for _ in 0..<200 { server.send(text, to: number) }
        #expect(try server.wait() == .closed(number))
    }

    @Test func `one address has so many connections and no more, and the others play on`() throws {
        var limits = ControlServerLimits()
        limits.connectionsPerAddress = 8
        let server = try peers.server(limits: limits)
        let thread = try ControlThread(connectionLimit: 64)
        let url = peers.url(of: server)
        var greedy: [ControlClient] = []
        for seed in 0..<40 { greedy.append(try ControlClient(url, seed: UInt64(seed), thread: thread)) }
        for _ in 0..<8 { _ = try server.waitForOpened() }
        let other = try ControlClient(url, seed: 99, from: "127.0.0.2")
        #expect(try other.wait() == .connected)
        guard case .opened(let number, let address) = try server.wait() else {
            Issue.record("the greedy one got another")
            return
        }
        #expect(address.host == "127.0.0.2")
        #expect(other.send([66]))
        #expect(try server.wait() == .message(number, [66]))
        #expect(server.connectionCount == 9)
    }
}
