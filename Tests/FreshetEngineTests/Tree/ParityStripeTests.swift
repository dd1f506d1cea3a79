import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire
import Testing

@testable import FreshetEngine

@Suite("The parity stripe", .serialized) struct ParityStripeTests {
    private let pool = PacketPool(slotCount: 256)
    private static let ssrc: UInt32 = 0x1234_5670

    private func media(_ number: Int64) throws -> Packet {
        guard var packet = pool.allocate() else { throw ServiceClient.TooLate() }
        let length = 200 + Int(number % 7) * 30
        packet.append(byteCount: 12 + length) { bytes in
            RTPHeader(
                sequenceNumber: UInt16(truncatingIfNeeded: number),
                timestamp: UInt32(truncatingIfNeeded: number),
                ssrc: ParityStripeTests.ssrc
            ).write(into: &bytes)
            for place in 12..<12 + length {
                bytes.write(UInt8(truncatingIfNeeded: Int(number) &* 31 &+ place), at: place)
            }
        }
        packet.info.extendedSequence = number
        packet.info.ssrc = ParityStripeTests.ssrc
        packet.info.headerByteCount = 12
        packet.info.flags = .hasSequence
        return packet
    }

    private func text(_ packet: borrowing Packet) -> [UInt8] {
        let bytes = packet.bytes
        return (0..<bytes.byteCount).map { bytes.uint8(at: $0) }
    }

    @Test(
        "whichever stripe is lost comes back whole, and nothing from before the first packet",
        arguments: 0..<4)
    func recovery(lost: Int) throws {
        let source = ParityStripe(stripeCount: 4, isSource: true)
        let viewer = ParityStripe(stripeCount: 4, isSource: false)
        var found: [Int64] = []
        for number: Int64 in 70_001..<70_081 {
            let packet = try media(number)
            source.note(packet)
            if Int(number % 4) != lost { viewer.note(packet) }
            guard let sum = source.sum(behind: packet, pool: pool) else { continue }
            #expect(number % 4 == 3)
            let first = viewer.first(in: sum, ssrc: ParityStripeTests.ssrc)
            #expect(first == number - 3)
            viewer.take(sum)
            while let back = viewer.next(pool: pool) {
                let info = back.info
                let texts = (text(back), text(try media(info.extendedSequence)))
                #expect(texts.0 == texts.1)
                #expect(info.flags.contains(.isFromParity))
                found.append(info.extendedSequence)
            }
        }
        // The source has no sum of the first three packets: one is missing before them.
        let wanted = (70_004..<70_080).filter { Int($0 % 4) == lost }.map { Int64($0) }
        #expect(found == wanted)
    }

    @Test("sums of other streams, of other groups and of no form are none")
    func foreign() throws {
        let source = ParityStripe(stripeCount: 4, isSource: true)
        let viewer = ParityStripe(stripeCount: 2, isSource: false)
        let same = ParityStripe(stripeCount: 4, isSource: false)
        for number: Int64 in 4..<8 { source.note(try media(number)) }
        guard let sum = source.sum(behind: try media(7), pool: pool) else { throw ServiceClient.TooLate() }
        let ssrc = ParityStripeTests.ssrc
        let firsts = [
            same.first(in: sum, ssrc: ssrc), same.first(in: sum, ssrc: 9), viewer.first(in: sum, ssrc: ssrc),
            same.first(in: try media(1), ssrc: ssrc),
        ]
        #expect(firsts == [4, nil, nil, nil])
        var random = PRNG(seed: 4)
        for _ in 0..<5_000 {
            guard var noise = pool.allocate() else { throw ServiceClient.TooLate() }
            let count = Int(random.below(100))
            noise.append(byteCount: count) { bytes in
                for place in 0..<count { bytes.write(UInt8(truncatingIfNeeded: random.next()), at: place) }
            }
            if same.first(in: noise, ssrc: ParityStripeTests.ssrc) != nil { same.take(noise) }
        }
        if same.next(pool: pool) != nil { Issue.record("noise gave a packet") }
    }

    @Test("a stripe whose parent has stopped is bridged before the silence is noticed")
    func bridge() throws {
        var configuration = CoordinatorConfiguration()
        configuration.stripeCount = 4
        configuration.hasParity = true
        let tree = try LocalTree(configuration, children: 1)
        for _ in 0..<6 { _ = try tree.join(children: 3) }
        tree.run(.milliseconds(1_500))
        func stripes(_ member: LocalMember, through relay: MemberID) -> Int {
            (0..<5).count { member.member.node.path(of: $0).contains(relay) }
        }
        // A relay through which others get one stripe, and nobody gets two.
        let victim = try #require(
            tree.members.first { relay in
                tree.members.map { stripes($0, through: relay.id) }.max() == 1
            })
        let below = tree.members.filter { stripes($0, through: victim.id) == 1 }
        let before = tree.next
        victim.isStopped = true
        // Less than it takes to notice that somebody is silent.
        tree.run(.milliseconds(80))
        let last = tree.next - 13
        tree.run(.milliseconds(15), isSending: false) {
            below.allSatisfy { member in (before...last).allSatisfy { member.received[$0] != nil } }
        }
        #expect(last > before + 10)
        for member in below {
            #expect((before...last).allSatisfy { member.received[$0] != nil })
        }
        // Those that lost the parity stripe itself lost nothing.
        #expect(
            below.contains {
                $0.member.parity?.recoveredCount ?? 0 > 0 || $0.member.node.path(of: 4).contains(victim.id)
            })
        tree.run(.milliseconds(1_500))
        let end = tree.next - 1
        tree.run(.seconds(5), isSending: false) { below.allSatisfy { $0.received[end] != nil } }
        for member in tree.members where member !== victim {
            #expect(member.missing(through: end).isEmpty)
            for (number, byte) in member.received { #expect(byte == UInt8(truncatingIfNeeded: number)) }
        }
    }
}
