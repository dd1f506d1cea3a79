import FreshetCore
import FreshetNet
import Testing

@testable import FreshetEngine

@Suite("What a member of a group takes from others") struct GroupMemberTests {
    private static let group = "239.77.252.3"
    private static let ssrc: UInt32 = 2

    @Test("Repairs of others fill holes and nothing else, whatever numbers they carry")
    func onlyHolesAreFilled() throws {
        let port = freePort()
        let bench = try StreamBench.receiver(
            "rtp://\(Self.group):\(port)?interface=lo", [("repair", "on")], slotCount: 4096)
        let source = try Hand(Self.group, port)
        let neighbour = try Hand(Self.group, port)
        let liar = try Hand(Self.group, port, from: "127.0.0.2")
        let before = 1000..<1100
        for sequence in before where sequence != 1050 { source.send(rtp(sequence)) }
        try bench.run(untilSeen: before.count - 1)
        // What is still to come, what was there, what was long ago, in order as a stream would be.
        for sequence in [1101..<1200, 1000..<1040, 0..<200, 30_000..<30_100].joined() {
            liar.send(repair(sequence, payload: 7))
        }
        neighbour.send(repair(1050, payload: 1050))
        try bench.run { bench.seen.contains { $0.sequence == 1050 } }
        for sequence in 1100..<1200 { source.send(rtp(sequence)) }
        try bench.run(untilSeen: 200)
        #expect(bench.seen.count == 200 && bench.count(.sourceChanges) == 1)
        let got = bench.seen.sorted { $0.sequence < $1.sequence }
        #expect(got.map(\.bytes) == (1000..<1200).map { rtp($0) })
        #expect(bench.count(.duplicates) == 439)
    }

    /// The packet with `sequence` as a member sends it again, with the payload of `payload`.
    private func repair(_ sequence: Int, payload: Int) -> [UInt8] {
        Array(rtp(sequence, ssrc: Self.ssrc | 1).prefix(12)) + transportPacket(payload)
    }
}
