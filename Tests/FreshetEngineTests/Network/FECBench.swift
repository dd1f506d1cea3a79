import FreshetCore
import FreshetNet
import FreshetWire
import Testing

@testable import FreshetEngine

/// A sending and a receiving stage on the loopback with a bad network between them: what the sender sends is
/// heard here, and passed on or not.
final class FECBench {
    private struct Relay: ~Copyable {
        let socket: UDPSocket
        var reader = DatagramReader(capacity: 16)
    }

    let sender: StreamBench
    let receiver: StreamBench
    private let port: UInt16
    private let target: UInt16
    private var relays: FixedSlots<Relay>
    private let offsets: [UInt16] = [0, 1, 2, 4]
    private let pool = PacketPool(slotCount: 256)
    /// Datagrams heard, by port offset.
    private(set) var heard: [UInt16: Int] = [:]
    /// The loss that a receiver reports in answer to each of the sender's reports, in 256ths.
    var reported: UInt8?
    /// What is lost, by sequence number.
    var isLost: (UInt16) -> Bool = { _ in false }
    /// What becomes of a datagram of parity; `nil` loses it.
    var alter: ([UInt8]) -> [[UInt8]] = { [$0] }

    init(fec: String, receiving texts: [(name: String, text: String)] = [("fec", "on")]) throws {
        let end = MonotonicClock.now + .seconds(5)
        while true {
            let port = freePort()
            let target = port &+ 20_000
            var relays = FixedSlots<Relay>(capacity: 4)
            do {
                for (index, offset) in [UInt16(0), 1, 2, 4].enumerated() {
                    guard let address = SocketAddress("127.0.0.1", port: port + offset) else {
                        throw NotInTime()
                    }
                    let socket = try UDPSocket(.ipv4)
                    try socket.bind(address, isShared: false)
                    relays.put(Relay(socket: socket), at: index)
                }
                receiver = try StreamBench.receiver("rtp://127.0.0.1:\(target)", texts)
            } catch {
                if MonotonicClock.now > end { throw error }
                continue
            }
            self.port = port
            self.target = target
            self.relays = relays
            break
        }
        sender = try StreamBench(UDPSendStage.self, [("to", "rtp://127.0.0.1:\(port)"), ("fec", fec)])
    }

    /// Sends packets `numbers`, a millisecond apart, and passes everything on.
    func send(_ numbers: Range<Int>) throws {
        for number in numbers {
            try sender.give(number)
            sender.skip(.milliseconds(1))
            try sender.turn()
            try pass()
            try receiver.turn()
        }
    }

    /// Passes on what has been sent.
    func pass() throws {
        for index in 0..<4 {
            guard var relay = relays.take(index) else { continue }
            try pass(&relay, offsets[index])
            relays.put(relay, at: index)
        }
    }

    private func pass(_ relay: inout Relay, _ offset: UInt16) throws {
        guard let to = SocketAddress("127.0.0.1", port: target + offset) else { throw NotInTime() }
        while try relay.reader.receive(relay.socket, limit: 16, pool: pool, now: MonotonicClock.now).get() > 0
        {
            while let packet = relay.reader.next(pool: pool) {
                heard[offset, default: 0] += 1
                if offset == 1, let reported {
                    _ = relay.socket.send(receiverReport(reported).span.bytes, to: relay.reader.sender)
                }
                if offset == 0 && isLost(packet.bytes.uint16(at: 2)) { continue }
                let bytes = Array(packet.unsafeBytes)
                for datagram in offset >= 2 ? alter(bytes) : [bytes] {
                    _ = relay.socket.send(datagram.span.bytes, to: to)
                }
            }
        }
    }

    private func receiverReport(_ fraction: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: CompoundWriter.sufficientByteCount)
        var length = 0
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            var writer = CompoundWriter(&raw)
            let block = ReportBlock(
                ssrc: 2, fractionLost: fraction, cumulativeLost: 0, highestSequence: 0, jitter: 0,
                lastReport: 0,
                delaySinceLastReport: 0)
            writer.writeReceiverReport(ssrc: 77, block: block)
            writer.writeDescription(ssrc: 77, name: CanonicalName("r"))
            length = writer.byteCount
        }
        return Array(bytes.prefix(length))
    }

    /// The numbers of the packets that came out, each whole; traps the test on one that is not.
    var received: [Int64] {
        for seen in receiver.seen where seen.bytes != rtp(Int(seen.sequence)) {
            Issue.record("packet \(seen.sequence) is not as it was sent")
        }
        return receiver.seen.map(\.sequence)
    }
}
