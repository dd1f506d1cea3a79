import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct StreamReceiverTests {
    /// A receiver on the loopback and a sender to it.
    private func loopback(
        _ texts: [(name: String, text: String)] = [], scheme: String = "rtp", slotCount: Int = 1024
    ) throws -> (bench: StreamBench, port: UInt16) {
        let end = MonotonicClock.now + .seconds(5)
        while true {
            let port = freePort()
            // Another program may have the port.
            if let bench = try? StreamBench.receiver(
                "\(scheme)://127.0.0.1:\(port)", texts, slotCount: slotCount), bench.events.isEmpty
            {
                return (bench, port)
            }
            if MonotonicClock.now > end { throw NotInTime() }
        }
    }

    @Test func `the goodbye ends the source at once when all that was announced came`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        for sequence in 0..<100 { hand.send(rtp(sequence)) }
        try bench.run(untilSeen: 100)
        bench.hold()
        hand.tell(ControlDatagram(ssrc: 2, highest: 99, count: 100, isGoodbye: true))
        try bench.run { bench.isFinished }
        #expect(bench.count(.lost) == 0 && bench.events.last == .endOfStream)
        #expect(bench.seen.map(\.sequence) == Array(0..<100))
        #expect(bench.seen.map(\.bytes) == (0..<100).map { rtp($0) })
    }

    @Test func `a lost tail is counted exactly, after the grace`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        for sequence in 0..<93 { hand.send(rtp(sequence)) }
        try bench.run(untilSeen: 93)
        bench.hold()
        let end = bench.now + StreamEnding.grace
        hand.tell(ControlDatagram(ssrc: 2, highest: 99, count: 100, isGoodbye: true))
        try bench.run { bench.nextDeadline == end }
        #expect(!bench.isFinished)
        bench.skip(StreamEnding.grace)
        try bench.turn()
        #expect(bench.isFinished && bench.count(.lost) == 7)
        // The end is told once, however often the stage is asked.
        try bench.turn()
        #expect(bench.count(.lost) == 7 && bench.events.filter { $0 == .endOfStream }.count == 1)
    }

    @Test(arguments: ["rtp", "udp"])
    func `a stream that was over before it was first read is received whole and ends`(scheme: String) throws {
        let (bench, port) = try loopback(scheme: scheme)
        let hand = try Hand("127.0.0.1", port)
        // Nothing is known of the sender when its goodbye waits together with its packets.
        for sequence in 0..<150 { hand.send(scheme == "rtp" ? rtp(sequence) : transportPacket(sequence)) }
        hand.tell(ControlDatagram(ssrc: 2, highest: 149, count: 150, isGoodbye: true))
        bench.hold()
        try bench.run { bench.isFinished }
        #expect(bench.seen.count == 150 && bench.count(.lost) == 0)
    }

    @Test func `what was said before the source began is not about it`() throws {
        let (bench, port) = try loopback(scheme: "udp")
        let hand = try Hand("127.0.0.1", port)
        hand.tell(ControlDatagram(ssrc: 2, highest: 5, count: 6, isGoodbye: true))
        let said = MonotonicClock.now
        try bench.run { MonotonicClock.now > said + .milliseconds(10) }
        hand.send(transportPacket(1))
        try bench.run(untilSeen: 1)
        for _ in 0..<3 {
            bench.skip(.seconds(1))
            try bench.turn()
        }
        #expect(!bench.isFinished)
        hand.tell(ControlDatagram(ssrc: 4, highest: 0, count: 1, isGoodbye: true))
        try bench.run { bench.isFinished }
    }

    @Test func `packets still under way at the goodbye are waited for`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        for sequence in 0..<5 { hand.send(rtp(sequence)) }
        // A packet that came twice does not stand for the one that is missing.
        hand.send(rtp(4))
        try bench.run(untilSeen: 6)
        bench.hold()
        let end = bench.now + StreamEnding.grace
        hand.tell(ControlDatagram(ssrc: 2, highest: 5, count: 6, isGoodbye: true))
        try bench.run { bench.nextDeadline == end }
        #expect(!bench.isFinished)
        hand.send(rtp(5))
        try bench.run(untilSeen: 7)
        // With a duplicate among them no number shows that all have come: only the grace does.
        #expect(!bench.isFinished)
        bench.skip(StreamEnding.grace)
        try bench.run { bench.isFinished }
        #expect(bench.seen.count == 7 && bench.count(.lost) == 0)
    }

    @Test func `a goodbye from another address, or for another source, is ignored`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        let forger = try Hand("127.0.0.1", port, from: "127.0.0.2")
        hand.send(rtp(0))
        try bench.run(untilSeen: 1)
        forger.tell(ControlDatagram(ssrc: 2, highest: 0, count: 1, isGoodbye: true))
        hand.tell(ControlDatagram(ssrc: 4, highest: 0, count: 1, isGoodbye: true))
        hand.tell(ControlDatagram(ssrc: 2, highest: 0, count: 1))
        hand.send(rtp(1))
        try bench.run(untilSeen: 2)
        bench.skip(.seconds(2))
        for _ in 0..<20 { try bench.turn() }
        #expect(!bench.isFinished)
        hand.tell(ControlDatagram(ssrc: 2, highest: 1, count: 2, isGoodbye: true))
        try bench.run { bench.isFinished }
    }

    @Test func `of two sources on one group the first is kept and the other told of once`() throws {
        let port = freePort()
        let bench = try StreamBench.receiver("rtp://239.77.252.1:\(port)?interface=lo")
        let first = try Hand("239.77.252.1", port)
        let second = try Hand("239.77.252.1", port)
        for sequence in 0..<50 {
            first.send(rtp(sequence))
            second.send(rtp(9_000 + sequence, ssrc: 2))
        }
        try bench.run { bench.seen.count == 50 && bench.count(.foreign) == 50 }
        #expect(bench.seen.map(\.bytes) == (0..<50).map { rtp($0) })
        guard let address = second.socket.localAddress else { throw NotInTime() }
        #expect(
            bench.events.filter { if case .secondSource = $0 { true } else { false } }
                == [.secondSource(description: address.description)])
    }

    @Test func `a source that begins again after silence is a new epoch, and the old one's tail is counted`()
        throws
    {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        for sequence in 0..<80 { hand.send(rtp(sequence)) }
        hand.tell(ControlDatagram(ssrc: 2, highest: 84, count: 85))
        try bench.run(untilSeen: 80)
        try bench.turn()
        let again = try Hand("127.0.0.1", port)
        var sequence = 40_000
        // Foreign until the first has been silent for long enough.
        try bench.run {
            again.send(rtp(sequence, ssrc: 6))
            sequence += 1
            return bench.seen.count > 90
        }
        let fresh = bench.seen[80...]
        #expect(bench.count(.foreign) > 0 && bench.count(.sourceChanges) == 2)
        #expect(fresh.allSatisfy { $0.epoch == 1 })
        #expect(fresh.map(\.isDiscontinuity) == [true] + Array(repeating: false, count: fresh.count - 1))
        #expect(bench.seen[..<80].allSatisfy { $0.epoch == 0 && !$0.isDiscontinuity })
        let from = try #require(fresh.first).sequence
        #expect(fresh.map(\.sequence) == Array(from..<from + Int64(fresh.count)))
        #expect(bench.count(.lost) == 5)
    }

    @Test func `sequence numbers go on past 65535`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        for sequence in 65_500..<65_600 { hand.send(rtp(sequence)) }
        try bench.run(untilSeen: 100)
        #expect(bench.seen.map(\.sequence) == Array(65_500..<65_600))
        bench.hold()
        // The sender may count from another multiple of 65536.
        hand.tell(ControlDatagram(ssrc: 2, highest: 63, count: 100, isGoodbye: true))
        try bench.run { bench.isFinished }
        #expect(bench.count(.lost) == 0)
    }

    @Test func `garbage before and during a good stream costs nothing of it`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        let stranger = try Hand("127.0.0.1", port)
        var random = PRNG(seed: 3)
        let noise = (0..<300).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let junk: [[UInt8]] = [
            [], [0x80], noise, [UInt8](repeating: 0, count: 1328), Array(rtp(1).prefix(12)),
            [0x80, 33, 0, 1] + [UInt8](repeating: 0, count: 1000), rtp(1) + [0], rtp(1, payloadType: 0),
            [0xBF] + rtp(1).dropFirst(), [UInt8](repeating: 0x47, count: 9_000), transportPacket(1),
        ]
        for bytes in junk {
            hand.send(bytes)
            stranger.send(bytes)
        }
        for sequence in 0..<110 {
            hand.send(rtp(sequence))
            stranger.send(junk[sequence % junk.count])
        }
        try bench.run(untilSeen: 110)
        #expect(bench.seen.map(\.bytes) == (0..<110).map { rtp($0) })
        #expect(bench.count(.oversized) == 12)
        let counted = bench.count(.malformed) + bench.count(.foreign) + bench.count(.oversized)
        try bench.run { bench.count(.malformed) + bench.count(.foreign) + bench.count(.oversized) >= counted }
        #expect(bench.events.count == 1, "\(bench.events)")
    }

    @Test func `without packets for the timeout it ends, and not before`() throws {
        let (bench, port) = try loopback([("timeout", "3s")])
        let hand = try Hand("127.0.0.1", port)
        bench.skip(.milliseconds(2_000))
        try bench.turn()
        #expect(bench.events == [.silent(.seconds(2))] || bench.events.count == 1)
        hand.send(rtp(0))
        try bench.run(untilSeen: 1)
        bench.hold()
        bench.skip(.milliseconds(900))
        try bench.turn()
        #expect(!bench.isFinished)
        bench.skip(.milliseconds(2_100))
        try bench.turn()
        #expect(bench.isFinished)
    }

    @Test func `silence is told once, and that it is over`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        hand.send(rtp(0))
        try bench.run(untilSeen: 1)
        bench.events.removeAll()
        for _ in 0..<5 {
            bench.skip(.seconds(1))
            try bench.turn()
        }
        #expect(bench.events.count == 1)
        guard case .silent(let span) = try #require(bench.events.first) else { throw NotInTime() }
        #expect(span >= .seconds(1) && span < .seconds(4))
        hand.send(rtp(1))
        try bench.run(untilSeen: 2)
        try #require(bench.events.count > 1)
        #expect(bench.events[1] == .resumed && !bench.isFinished)
    }

    @Test func `what waits unread while the stages behind are stuck is neither silence nor the end`() throws {
        let (bench, port) = try loopback([("timeout", "2s")])
        let hand = try Hand("127.0.0.1", port)
        bench.isDraining = false
        for sequence in 0..<64 { hand.send(rtp(sequence)) }
        try bench.run { bench.output.isFull }
        for sequence in 64..<200 { hand.send(rtp(sequence)) }
        hand.tell(ControlDatagram(ssrc: 2, highest: 205, count: 206, isGoodbye: true))
        try bench.turn()
        bench.skip(.seconds(10))
        // One place becomes free, late: the goodbye is read, and its grace passes.
        for _ in 0..<3 {
            _ = bench.output.popFirst()
            try bench.turn()
            bench.skip(.seconds(10))
            #expect(!bench.isFinished)
        }
        bench.isDraining = true
        bench.drain()
        try bench.run { bench.isFinished }
        #expect(bench.seen.count == 197 && bench.count(.received) == 200 && bench.count(.lost) == 6)
    }

    @Test func `what waits when the pool is empty comes once there is room, with nothing new to wake us`()
        throws
    {
        let (bench, port) = try loopback(slotCount: 70)
        bench.isDraining = false
        let hand = try Hand("127.0.0.1", port)
        for sequence in 0..<130 { hand.send(rtp(sequence)) }
        try bench.run { bench.pool.freeCount == 0 && bench.output.count > 30 }
        for _ in 0..<5 { try bench.turn() }
        bench.isDraining = true
        try bench.run(untilSeen: 130)
        #expect(bench.seen.map(\.bytes) == (0..<130).map { rtp($0) })
    }

    @Test func `read at intervals, the end still waits for what came`() throws {
        let (bench, port) = try loopback([("batch", "1s")])
        let hand = try Hand("127.0.0.1", port)
        hand.send(rtp(0))
        try bench.run(untilSeen: 1)
        bench.hold()
        for sequence in 1..<10 { hand.send(rtp(sequence)) }
        hand.tell(ControlDatagram(ssrc: 2, highest: 9, count: 10, isGoodbye: true))
        let end = bench.now + StreamEnding.grace
        try bench.run { bench.nextDeadline == end }
        #expect(bench.seen.count == 1 && !bench.isFinished)
        bench.skip(StreamEnding.grace)
        try bench.run { bench.isFinished }
        #expect(bench.seen.count == 10 && bench.count(.lost) == 0)
    }

    @Test func `bare transport stream is received too, and ends at the goodbye of its host`() throws {
        let (bench, port) = try loopback(scheme: "udp")
        let hand = try Hand("127.0.0.1", port)
        let stranger = try Hand("127.0.0.1", port)
        stranger.send([1, 2, 3])
        for number in 0..<30 {
            hand.send(transportPacket(number) + transportPacket(number + 1))
            stranger.send(transportPacket(7))
        }
        try bench.run(untilSeen: 30)
        #expect(bench.seen.map(\.bytes) == (0..<30).map { transportPacket($0) + transportPacket($0 + 1) })
        try bench.run { bench.count(.foreign) == 30 }
        #expect(bench.count(.malformed) == 1)
        bench.hold()
        hand.tell(ControlDatagram(ssrc: 77, highest: 29, count: 30, isGoodbye: true))
        try bench.run { bench.isFinished }
    }

    @Test func `packets carry the kernel's arrival times, not those of reading`() throws {
        let (bench, port) = try loopback()
        let hand = try Hand("127.0.0.1", port)
        let end = MonotonicClock.now + .seconds(5)
        var count = 0
        while true {
            let before = MonotonicClock.now
            hand.send(rtp(count))
            let after = MonotonicClock.now
            while MonotonicClock.now < after + .milliseconds(20) {}
            count += 1
            try bench.run(untilSeen: count)
            let arrival = try #require(bench.seen.last).arrival
            #expect(arrival >= before - .milliseconds(1))
            // The kernel begins to stamp a moment after it was asked to.
            if arrival <= after + .milliseconds(5) { return }
            if arrival > end { throw NotInTime() }
        }
    }

    @Test func `a port that is taken is a failure in a sentence, a control port that is taken a notice`()
        throws
    {
        let (bench, port) = try loopback()
        let error = #expect(throws: StageError.self) { try StreamBench.receiver("rtp://127.0.0.1:\(port)") }
        #expect(error?.message.contains("another program has port \(port)") == true)
        let below = try StreamBench.receiver("rtp://127.0.0.1:\(port - 1)?control=on")
        try below.turn()
        guard case .notice(let text) = try #require(below.events.first) else { throw NotInTime() }
        #expect(text.hasPrefix("no reports are heard: cannot listen on 127.0.0.1:\(port)"))
        _ = bench
    }
}
