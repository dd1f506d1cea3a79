import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct SenderOpeningTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    private func request(_ text: String) throws -> DestinationRequest {
        DestinationRequest(url: try StreamURL(text), hasControl: true)
    }

    private func first(_ timestamp: UInt32 = 0) -> PacketInfo {
        var info = PacketInfo()
        info.rtpTimestamp = timestamp
        return info
    }

    @Test func `media waits until everybody has answered and some reports have followed`() throws {
        let requests = try [request("rist://127.0.0.1:5004"), request("rist://127.0.0.1:5008")]
        var opening = SenderOpening(requests + [try request("rtp://127.0.0.1:5012")])
        opening.begin(first(), now: start)
        var heard: [SocketAddress] = []
        var now = start
        for request in requests {
            let mayBegin = opening.mayBegin(now: now) { heard.contains($0) }
            opening.noteReport()
            #expect(!mayBegin && opening.reportInterval == .milliseconds(20))
            heard.append(request.url.address)
            now = now + .milliseconds(20)
        }
        for _ in 0..<4 {
            let mayBegin = opening.mayBegin(now: now) { heard.contains($0) }
            #expect(!mayBegin && opening.isHolding && opening.reportInterval == .milliseconds(10))
            opening.noteReport()
        }
        let mayBegin = opening.mayBegin(now: now) { heard.contains($0) }
        #expect(mayBegin && !opening.isHolding && !opening.isOver)
    }

    @Test(arguments: [("", 1000), ("?hello=250", 250)])
    func `who never answers is waited for so long and no longer`(query: String, milliseconds: Int64) throws {
        var opening = SenderOpening([try request("rist://127.0.0.1:5004\(query)")])
        opening.begin(first(), now: start)
        let end = start + .milliseconds(milliseconds)
        let isEarly = opening.mayBegin(now: end - Nanoseconds(1)) { _ in false }
        #expect(!isEarly && opening.deadline == end)
        let mayBegin = opening.mayBegin(now: end) { _ in false }
        #expect(mayBegin && opening.deadline == nil)
    }

    @Test func `who is to be waited for shortly holds nobody for longer`() throws {
        let requests = try [
            request("rist://127.0.0.1:5004?hello=250"), request("rist://127.0.0.1:5008?hello=4s"),
        ]
        var opening = SenderOpening(requests)
        opening.begin(first(), now: start)
        // The second one answers at once, the first one never.
        func mayBegin(_ now: Instant) -> Bool { opening.mayBegin(now: now) { $0.port == 5008 } }
        let end = start + .milliseconds(250)
        #expect(!mayBegin(start + .milliseconds(100)) && opening.deadline == end)
        #expect(!mayBegin(end) && opening.reportInterval == .milliseconds(10))
        for _ in 0..<4 { opening.noteReport() }
        #expect(mayBegin(end + .milliseconds(40)))
    }

    @Test(arguments: ["rist://239.77.1.1:5004", "rist://127.0.0.1:5004?hello=0", "rtp://127.0.0.1:5004"])
    func `groups are not waited for, nor who is not to be`(url: String) throws {
        let opening = SenderOpening([try request(url)])
        #expect(opening.isOver && !opening.isHolding)
    }

    @Test func `what has waited leaves four times as fast until it has caught up`() throws {
        var opening = SenderOpening([try request("rist://127.0.0.1:5004?hello=300")])
        opening.begin(first(.max - 4499), now: start)
        var now = start + .milliseconds(300)
        let mayBegin = opening.mayBegin(now: now) { _ in false }
        #expect(mayBegin)
        // A packet each 10 ms of the stream. After 97.5 ms goes the last one that can have come.
        var departures: [Int64] = []
        for index in 0..<40 {
            let timestamp = (UInt32.max - 4499) &+ UInt32(index * 900)
            while !opening.mayDepart(timestamp: timestamp, now: now) { now = try #require(opening.deadline) }
            departures.append((now - start).count / 100_000)
        }
        #expect(departures == (0..<40).map { 3000 + $0 * 25 } && !opening.isOver)
        let isFree = opening.mayDepart(timestamp: (UInt32.max - 4499) &+ 36_000, now: now)
        #expect(isFree && opening.isOver && opening.deadline == nil)
    }

    /// A RIST receiver as far as a sender can tell: hears media and reports, and speaks from its control port.
    private final class Ear {
        let media: UDPSocket
        let control: UDPSocket
        let port: UInt16
        private let pool = PacketPool(slotCount: 64)
        private(set) var packets: [[UInt8]] = []
        private(set) var reports: [Told] = []
        private var source: SocketAddress?

        init() throws {
            let end = MonotonicClock.now + .seconds(5)
            while true {
                if MonotonicClock.now > end { throw NotInTime() }
                let port = freePort()
                guard let address = SocketAddress("127.0.0.1", port: port) else { throw NotInTime() }
                let media = try UDPSocket(.ipv4), control = try UDPSocket(.ipv4)
                do {
                    try media.bind(address, isShared: false)
                    try control.bind(address.with(port: port + 1), isShared: false)
                } catch { continue }
                self.media = media
                self.control = control
                self.port = port
                return
            }
        }

        func listen() throws {
            try read(media) { bytes, _ in packets.append(bytes) }
            try read(control) { bytes, sender in
                source = sender
                if let told = Told(bytes) { reports.append(told) }
            }
        }

        private func read(_ socket: borrowing UDPSocket, _ body: ([UInt8], SocketAddress) -> Void) throws {
            var reader = DatagramReader(capacity: 16)
            while try reader.receive(socket, limit: 16, pool: pool, now: MonotonicClock.now).get() > 0 {
                while let packet = reader.next(pool: pool) { body(Array(packet.unsafeBytes), reader.sender) }
            }
        }

        func speak() throws {
            let bytes = ControlDatagram(ssrc: 9).bytes
            guard let source else { throw NotInTime() }
            let error = control.send(bytes.span.bytes, to: source)
            #expect(error == nil)
        }
    }

    private func give(_ numbers: Range<Int>, to bench: StreamBench) throws {
        for number in numbers { try bench.give(number) }
    }

    @Test func `a RIST receiver hears reports, answers, and has the first packet thrice and the last again`()
        throws
    {
        let ear = try Ear()
        let bench = try StreamBench(UDPSendStage.self, [("to", "rist://127.0.0.1:\(ear.port)?hello=4s")])
        try give(500..<520, to: bench)
        try bench.run {
            try ear.listen()
            return ear.reports.count == 5
        }
        #expect(ear.packets.isEmpty && bench.input.count == 20)
        #expect(ear.reports.allSatisfy { $0.report.ssrc == 2 && $0.heartbeat.packetCount == 0 })
        try ear.speak()
        try bench.run {
            try ear.listen()
            return ear.packets.count == 22
        }
        let greeted = ear.reports.prefix { $0.heartbeat.packetCount == 0 }.count
        #expect(greeted >= 9)
        #expect(ear.packets == [rtp(500), rtp(500)] + (500..<520).map { rtp($0) })
        try bench.finish()
        try ear.listen()
        #expect(ear.packets.suffix(4) == [rtp(519), rtp(519), rtp(519), rtp(519)])
        #expect(ear.reports.last?.isGoodbye == true && ear.reports.last?.heartbeat.packetCount == 20)
        #expect(bench.count(.packetsOut) == 20)
    }

    @Test func `a RIST receiver of ours answers the reports of a source that has sent no media`() throws {
        let port = freePort()
        let bench = try StreamBench.receiver("rist://127.0.0.1:\(port)")
        let hand = try Hand("127.0.0.1", port)
        let pool = PacketPool(slotCount: 4)
        var reader = DatagramReader(capacity: 1)
        let greeting = ControlDatagram(ssrc: 2, highest: 499)
        hand.tell(greeting)
        var answer: [UInt8] = []
        try bench.run {
            if try reader.receive(hand.socket, limit: 1, pool: pool, now: MonotonicClock.now).get() > 0,
                let packet = reader.next(pool: pool)
            {
                answer = Array(packet.unsafeBytes)
            }
            return !answer.isEmpty
        }
        #expect(reader.sender.port == port + 1 && answer.count <= greeting.bytes.count)
        guard var compound = CompoundPacket(parsing: answer.span.bytes) else { throw NotInTime() }
        let kind = compound.next()?.kind
        #expect(kind == RTCPPacket.Kind.receiverReport)
        // And it is the source's for all that: what it sends then comes, and it ends when it says so.
        for sequence in 500..<510 { hand.send(rtp(sequence)) }
        try bench.run(untilSeen: 10)
        hand.tell(ControlDatagram(ssrc: 2, highest: 509, count: 10, isGoodbye: true))
        try bench.run { bench.isFinished }
        #expect(bench.count(.lost) == 0)
    }
}
