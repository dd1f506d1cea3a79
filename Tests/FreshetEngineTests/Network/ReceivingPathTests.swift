import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

/// One stream by two paths (SMPTE ST 2022-7).
@Suite struct ReceivingPathTests {
    private func pair() throws -> (bench: StreamBench, ports: (UInt16, UInt16)) {
        let end = MonotonicClock.now + .seconds(5)
        while true {
            let ports = (freePort(), freePort())
            let url = "rtp://127.0.0.1:\(ports.0),rtp://127.0.0.1:\(ports.1)"
            if let bench = try? StreamBench.receiver(url), bench.events.isEmpty { return (bench, ports) }
            if MonotonicClock.now > end { throw NotInTime() }
        }
    }

    @Test func `one source by two paths is one stream, numbered alike on both`() throws {
        let (bench, ports) = try pair()
        let first = try Hand("127.0.0.1", ports.0)
        let second = try Hand("127.0.0.1", ports.1)
        for sequence in 65_530..<65_560 { first.send(rtp(sequence)) }
        try bench.run(untilSeen: 30)
        for sequence in 65_540..<65_570 { second.send(rtp(sequence)) }
        try bench.run(untilSeen: 60)
        let numbers = bench.seen.map(\.sequence)
        let start = try #require(numbers.first)
        #expect(Array(numbers[..<30]) == Array(start..<start + 30))
        #expect(Array(numbers[30...]) == Array(start + 10..<start + 40))
        #expect(bench.seen.allSatisfy { $0.epoch == 0 && !$0.isDiscontinuity })
        #expect(bench.count(.sourceChanges) == 1 && bench.count(.foreign) == 0)
    }

    @Test func `either path ends the stream, and another source is followed only when both are silent`()
        throws
    {
        let (bench, ports) = try pair()
        let first = try Hand("127.0.0.1", ports.0)
        let second = try Hand("127.0.0.1", ports.1)
        for sequence in 0..<20 {
            first.send(rtp(sequence))
            second.send(rtp(sequence))
        }
        try bench.run(untilSeen: 40)
        let stranger = try Hand("127.0.0.1", ports.0)
        for sequence in 500..<520 { stranger.send(rtp(sequence, ssrc: 8)) }
        try bench.run { bench.count(.foreign) == 20 }
        bench.hold()
        second.tell(ControlDatagram(ssrc: 2, highest: 19, count: 20, isGoodbye: true))
        try bench.run { bench.nextDeadline == bench.now + StreamEnding.grace }
        bench.skip(StreamEnding.grace)
        try bench.turn()
        #expect(bench.isFinished && bench.count(.lost) == 0)
    }

    @Test func `several paths need RTP, and are not too many`() {
        #expect(throws: StageError.self) {
            try ReceiveOptions.urls("udp://127.0.0.1:5004,udp://127.0.0.1:5006")
        }
        let many = (0..<9).map { "rtp://127.0.0.1:\(5004 + 2 * $0)" }.joined(separator: ",")
        #expect(throws: StageError.self) { try ReceiveOptions.urls(many) }
        #expect(throws: StageError.self) { try ReceiveOptions.urls("") }
    }
}
