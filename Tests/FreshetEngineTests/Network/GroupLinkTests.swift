import FreshetCore
@testable import FreshetEngine
import FreshetNet
import FreshetOverlay
import FreshetWire
import Testing

@Suite("Repair in a group, behind its sockets") struct GroupLinkTests {
    private static let ssrc: UInt32 = 0x1020_3040

    @Test("A flood of addresses draws no request away from the source, and is not remembered")
    func addressesAreBounded() throws {
        let url = try StreamURL("rtp://239.255.7.7:5004")
        var configuration = GroupConfiguration(ssrc: 8, mediaSSRC: Self.ssrc, latency: .seconds(1))
        configuration.feedback = .unicast
        var random = PRNG(seed: 3)
        let control = try #require(SocketAddress("239.255.7.7", port: 5005))
        let link = GroupLink(configuration, url, control: control, interface: nil, random: &random)
        let source = try #require(SocketAddress("10.0.0.1", port: 5005))
        var context = StageContext(pool: PacketPool(slotCount: 8), random: PRNG(seed: 1))
        let report = ControlDatagram(ssrc: Self.ssrc).bytes
        link.read(report.span.bytes, from: source, isFromSource: true, now: context.now)
        for number in 0..<3 * GroupLink.peerLimit {
            let host = "10.1.\(number / 256 % 256).\(number % 256)"
            let address = try #require(SocketAddress(host, port: UInt16(5000 + number / 65536)))
            link.read(report.span.bytes, from: address, isFromSource: false, now: context.now)
        }
        for sequence in [1, 3] as [Int64] {
            link.node.note(sequence, isRetransmission: false, byteCount: 1328, now: context.now)
        }
        var asked: [SocketAddress] = []
        for _ in 0..<100 {
            context.now = context.now + .milliseconds(10)
            link.run(context: &context) { _, _, address in asked.append(address) }
        }
        #expect(!asked.isEmpty)
        #expect(asked.allSatisfy { $0 == source })
    }
}
