import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite struct StreamSenderTests {
    /// A socket that hears what a sender says.
    private final class Ear {
        let socket: UDPSocket
        let pool = PacketPool(slotCount: 128)
        private(set) var heard: [[UInt8]] = []

        init(_ port: UInt16) throws {
            guard let address = SocketAddress("127.0.0.1", port: port) else { throw NotInTime() }
            socket = try UDPSocket(.ipv4)
            try socket.bind(address, isShared: false)
        }

        func listen() throws {
            var reader = DatagramReader(capacity: 16)
            while try reader.receive(socket, limit: 16, pool: pool, now: MonotonicClock.now).get() > 0 {
                while let packet = reader.next(pool: pool) { heard.append(Array(packet.unsafeBytes)) }
            }
        }
    }

    /// Media and control beside it, both free.
    private func ears() throws -> (media: Ear, control: Ear, port: UInt16) {
        let end = MonotonicClock.now + .seconds(5)
        while MonotonicClock.now < end {
            let port = freePort()
            if let media = try? Ear(port), let control = try? Ear(port + 1) { return (media, control, port) }
        }
        throw NotInTime()
    }

    private func give(_ numbers: Range<Int>, isRTP: Bool = true, to bench: StreamBench) throws {
        for number in numbers {
            if isRTP {
                try bench.give(number)
                continue
            }
            guard var packet = bench.pool.allocate() else { throw NotInTime() }
            packet.append(transportPacket(number).span.bytes)
            bench.input.append(packet)
        }
    }

    @Test func `each destination gets its protocol, and reports beside it from the first packet on`() throws {
        let (media, control, port) = try ears()
        let (bare, bareControl, barePort) = try ears()
        let bench = try StreamBench(
            UDPSendStage.self, [("to", "rtp://127.0.0.1:\(port),udp://127.0.0.1:\(barePort)")])
        try bench.turn()
        try control.listen()
        #expect(control.heard.isEmpty)
        try give(500..<520, to: bench)
        try bench.run {
            for ear in [media, control, bare, bareControl] { try ear.listen() }
            return media.heard.count == 20 && bare.heard.count == 20 && !bareControl.heard.isEmpty
        }
        #expect(media.heard == (500..<520).map { rtp($0) })
        #expect(bare.heard == (500..<520).map { transportPacket($0) })
        let told = try #require(control.heard.first.flatMap { Told($0) })
        #expect(told.report.ssrc == 2 && told.report.packetCount == 20 && told.report.octetCount == 20 * 188)
        #expect(told.heartbeat.highestSequence == 519 && !told.isGoodbye)
        #expect(bareControl.heard == control.heard)
        #expect(bench.count(.packetsOut) == 20 && bench.count(.sendErrors) == 0)
    }

    @Test func `at the end goodbye is said three times with the last number`() throws {
        let (media, control, port) = try ears()
        let bench = try StreamBench(UDPSendStage.self, [("to", "rtp://127.0.0.1:\(port)")])
        try give(0..<10, to: bench)
        try bench.finish()
        try bench.run {
            try control.listen()
            try media.listen()
            return control.heard.count == 4 && media.heard.count == 10
        }
        let told = control.heard.compactMap { Told($0) }
        #expect(told.map(\.isGoodbye) == [false, true, true, true])
        #expect(told.allSatisfy { $0.heartbeat.highestSequence == 9 && $0.heartbeat.packetCount == 10 })
        #expect(Set(told.map(\.name)).count == 1)
    }

    @Test func `a group that loops back what its source says asks for nothing by that`() throws {
        let bench = try StreamBench(
            UDPSendStage.self, [("to", "rtp://239.77.252.2:\(freePort())?interface=lo")])
        try give(0..<10, to: bench)
        try bench.finish()
        #expect(bench.count(.packetsOut) == 10 && bench.count(.requestsIn) == 0)
    }

    @Test func `a sender that sent nothing says nothing and ends at once`() throws {
        let (_, control, port) = try ears()
        let bench = try StreamBench(UDPSendStage.self, [("to", "rtp://127.0.0.1:\(port)")])
        bench.hold()
        try bench.finish()
        try control.listen()
        #expect(control.heard.isEmpty)
    }

    @Test func `with control off there are packets only`() throws {
        let (media, control, port) = try ears()
        let bench = try StreamBench(UDPSendStage.self, [("to", "udp://127.0.0.1:\(port)?control=off")])
        try give(0..<5, isRTP: false, to: bench)
        try bench.finish()
        try bench.run {
            try media.listen()
            return media.heard.count == 5
        }
        try control.listen()
        #expect(control.heard.isEmpty && media.heard == (0..<5).map { transportPacket($0) })
    }

    @Test func `bare packets for an RTP destination are a mistake that is told`() throws {
        let bench = try StreamBench(UDPSendStage.self, [("to", "rtp://127.0.0.1:\(freePort())")])
        try give(0..<1, isRTP: false, to: bench)
        let error = #expect(throws: StageError.self) { try bench.turn() }
        #expect(error?.kind == .usage && error?.message.contains("put packetize before it") == true)
    }

    @Test func `a destination that nobody listens to is told once and stops nothing`() throws {
        let (media, _, port) = try ears()
        let closed = freePort()
        let bench = try StreamBench(
            UDPSendStage.self,
            [("to", "rtp://127.0.0.1:\(closed)?ttl=3,rtp://127.0.0.1:\(port)?ttl=4"), ("control", "no")])
        var sent = 0
        try bench.run {
            try give(sent..<sent + 4, to: bench)
            sent += 4
            try bench.turn()
            try media.listen()
            return bench.events.count > 0 && media.heard.count > 40
        }
        try bench.run {
            try media.listen()
            return media.heard.count == sent
        }
        #expect(bench.events == [.notice("127.0.0.1:\(closed) refuses: Connection refused")])
    }
}
