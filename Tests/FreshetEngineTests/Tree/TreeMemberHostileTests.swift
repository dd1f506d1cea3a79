import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire
import Testing

@testable import FreshetEngine

/// Somebody with a socket of their own, who plays by no rules.
private final class Stranger {
    let socket: UDPSocket
    @exclusivity(unchecked) private var reader = DatagramReader(capacity: 8)
    private let pool = PacketPool(slotCount: 64)

    init() throws {
        let socket = try UDPSocket(.ipv4)
        try socket.bind(SocketAddress("127.0.0.1", port: 0)!, isShared: false)
        self.socket = socket
    }

    func send(_ bytes: [UInt8], to member: LocalMember) {
        _ = socket.send(bytes.span.bytes, to: member.address)
    }

    func send(_ message: LinkMessage, ssrc: UInt32 = 0x1234_5670, to member: LocalMember) {
        var bytes = [UInt8](repeating: 0, count: LinkMessage.byteCountLimit)
        var count = 0
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            count = message.write(into: &raw, ssrc: ssrc)
        }
        send(Array(bytes[..<count]), to: member)
    }

    /// The link messages that have come, and how many bytes of anything.
    func hear() -> (messages: [LinkMessage], byteCount: Int, mediaCount: Int) {
        var messages: [LinkMessage] = []
        var byteCount = 0
        var mediaCount = 0
        while case .success(let count) = reader.receive(socket, limit: 8, pool: pool, now: MonotonicClock.now),
            count > 0
        {
            while let packet = reader.next(pool: pool) {
                byteCount += packet.byteCount
                guard var packets = CompoundPacket(parsing: packet.bytes, allowsReducedSize: true) else {
                    mediaCount += 1
                    continue
                }
                while let part = packets.next() {
                    if let message = LinkMessage(part) { messages.append(message) }
                }
            }
        }
        return (messages, byteCount, mediaCount)
    }
}

@Suite("Hostile neighbours at a tree's real socket", .serialized) struct TreeMemberHostileTests {
    @Test(
        "garbage, media and control of strangers change nothing and are answered with no more bytes than they have"
    )
    func garbage() throws {
        let tree = try LocalTree(children: 4)
        let member = try tree.join()
        tree.run(.milliseconds(300))
        let stranger = try Stranger()
        var random = PRNG(seed: 9)
        var sentByteCount = 0
        for round in 0..<2_000 {
            var bytes = (0..<Int(random.below(200))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if bytes.count > 12, round % 2 == 0 {
                // RTP of the right source, and RTCP of the tree's own kind.
                bytes.replaceSubrange(
                    0..<2, with: round % 4 == 0 ? [0x80, 33] : [0x90 | UInt8(round % 12), 204])
                bytes.replaceSubrange(8..<12, with: [0x46, 0x52, 0x53, 0x48])
            }
            stranger.send(bytes, to: round % 3 == 0 ? member : tree.source)
            sentByteCount += bytes.count
            if round % 50 == 0 { tree.run(.milliseconds(2)) }
        }
        tree.run(.milliseconds(200))
        let last = tree.next - 1
        tree.run(.milliseconds(200), isSending: false)
        #expect(member.missing(through: last).isEmpty)
        #expect(member.failure == nil && tree.source.failure == nil)
        #expect(tree.source.member.addresses.compactMap { $0 }.count == 1)
        #expect(stranger.hear().byteCount <= sentByteCount)
    }

    @Test("an address that never confirms is sent less than it sent, and is not remembered")
    func unconfirmed() throws {
        let tree = try LocalTree(children: 4)
        tree.run(.milliseconds(100))
        let stranger = try Stranger()
        for nonce in 1...200 {
            stranger.send(.hello(nonce: UInt64(nonce)), to: tree.source)
            if nonce % 20 == 0 { tree.run(.milliseconds(2)) }
        }
        tree.run(.milliseconds(50))
        let heard = stranger.hear()
        #expect(heard.byteCount <= 200 * LinkMessage.helloByteCount)
        #expect(heard.byteCount > 0 && heard.mediaCount == 0)
        #expect(tree.source.member.addresses.isEmpty)
    }

    @Test("a ticket that was read off the wire is of no use to another address, nor is one that was made up")
    func replay() throws {
        let tree = try LocalTree(children: 4)
        let member = try tree.join()
        tree.run(.milliseconds(300))
        let ticket = try #require(member.ticket)
        var forged = ticket
        forged.child = MemberID(4711)
        for used in [ticket, forged] {
            let stranger = try Stranger()
            stranger.send(.hello(nonce: 7), to: tree.source)
            tree.run(.milliseconds(30))
            var cookie: UInt64?
            for message in stranger.hear().messages {
                if case .cookie(7, let made) = message { cookie = made }
            }
            let given = try #require(cookie)
            stranger.send(
                .subscribe(
                    Subscription(
                        cookie: given, nonce: 7, stripes: [StripeSet(0)], fromSequence: 0,
                        fromKeyframe: true, ticket: used)), to: tree.source)
            tree.run(.milliseconds(100))
            let heard = stranger.hear()
            #expect(heard.mediaCount == 0)
            #expect(
                heard.messages.contains { message in
                    if case .refuse(_, let refusal) = message { return refusal.reason == .ticket }
                    return false
                })
        }
        #expect(tree.source.member.node.childCount == 1)
    }

    @Test("media that a child sends upwards is not taken")
    func upwards() throws {
        let tree = try LocalTree(children: 4)
        let member = try tree.join()
        tree.run(.milliseconds(300))
        let before = tree.source.member.node.tally
        var bytes = [UInt8](repeating: 0x47, count: 12 + 188)
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            RTPHeader(sequenceNumber: 1, timestamp: 0, ssrc: 0x1234_5670).write(into: &raw)
        }
        _ = member.member.port.send(bytes.span.bytes, to: tree.source.address)
        tree.run(.milliseconds(50), isSending: false)
        #expect(tree.source.member.node.tally.receivedCount == before.receivedCount)
        #expect(tree.source.member.node.tally.duplicateCount == 0)
    }
}
