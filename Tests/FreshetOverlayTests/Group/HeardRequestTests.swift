import FreshetCore
import FreshetOverlay
import FreshetWire
import Testing

/// A request that was read once tells a node what its datagram tells it.
@Suite struct HeardRequestTests {
    /// A member that misses packet 1002.
    private static func member(_ ssrc: UInt32) -> GroupRepair {
        var configuration = GroupConfiguration(ssrc: ssrc, mediaSSRC: 2, latency: .milliseconds(500))
        configuration.serves = false
        var node = GroupRepair(configuration, random: PRNG(seed: UInt64(ssrc)))
        node.advance(to: .zero)
        for sequence in [1000, 1001, 1003] as [Int64] {
            node.note(sequence, isRetransmission: false, byteCount: 1000, now: .zero)
        }
        return node
    }

    private static func request() throws -> [UInt8] {
        var asker = member(6)
        var storage = [UInt8](repeating: 0, count: GroupRepair.datagramByteCount)
        for step in 1...500 as ClosedRange<Int64> {
            let now = Instant.zero + .milliseconds(step)
            asker.advance(to: now)
            var span = storage.mutableSpan
            var bytes = span.mutableBytes
            if let sent = asker.nextTransmit(into: &bytes, now: now) {
                return Array(storage[..<sent.byteCount])
            }
        }
        return try #require(nil as [UInt8]?)
    }

    private static func read(_ datagram: [UInt8], isLocal: Bool) -> HeardRequest? {
        HeardRequest(datagram.span.bytes, from: Peer(3), isLocal: isLocal)
    }

    @Test("A node that is told what a request says stands as one that has read it", arguments: [false, true])
    func hearingIsReading(isLocal: Bool) throws {
        let datagram = try Self.request()
        var reader = Self.member(9)
        var hearer = Self.member(9)
        let now = Instant.zero + .milliseconds(1)
        reader.read(
            datagram.span.bytes, from: Peer(3), isLocal: isLocal, isFromSource: false, now: now)
        let heard = try #require(Self.read(datagram, isLocal: isLocal))
        let before = hearer.nextDeadline
        _ = hearer.glance(at: heard)
        #expect(hearer.nextDeadline == before)
        hearer.hear(heard, now: now)
        #expect(reader.counts.suppressed == 1)
        #expect(hearer.counts == reader.counts)
        #expect(hearer.nextDeadline == reader.nextDeadline)
    }

    @Test("Its own request, and one for another stream, say nothing to a node")
    func whatConcernsOthersIsPassedOver() throws {
        let datagram = try Self.request()
        let heard = try #require(Self.read(datagram, isLocal: true))
        var own = Self.member(6)
        own.hear(heard, now: .zero + .milliseconds(1))
        #expect(own.counts.suppressed == 0)
        var other = Self.member(9)
        other.restart(mediaSSRC: 8)
        other.note(1000, isRetransmission: false, byteCount: 1000, now: .zero)
        other.note(1003, isRetransmission: false, byteCount: 1000, now: .zero)
        other.hear(heard, now: .zero + .milliseconds(1))
        #expect(other.counts.suppressed == 0)
    }

    @Test("What says more than one request, or was not meant to come this far, is left to each node")
    func othersAreNotRead() throws {
        let datagram = try Self.request()
        #expect(Self.read(datagram + datagram, isLocal: true) == nil)
        #expect(Self.read([1, 2, 3], isLocal: true) == nil)
        var storage = [UInt8](repeating: 0, count: 64)
        var span = storage.mutableSpan
        var bytes = span.mutableBytes
        var writer = CompoundWriter(&bytes)
        writer.writeReceiverReport(ssrc: 6)
        writer.write(SegmentMark(senderSSRC: 6, patience: 5))
        let length = writer.byteCount
        let marked = Array(storage[..<length]) + datagram
        #expect(Self.read(marked, isLocal: true) != nil)
        #expect(Self.read(marked, isLocal: false) == nil)
    }
}
