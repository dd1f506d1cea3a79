import FreshetWire
import Testing

@Suite struct ContinuityCheckerTests {
    private func packet(
        _ counter: UInt8, pid: UInt16 = 0x100, hasPayload: Bool = true, isDiscontinuity: Bool = false
    ) -> TSPacket {
        var wire = TSPacketTests.packet("47")
        wire.bytes[1] = UInt8(pid >> 8)
        wire.bytes[2] = UInt8(pid & 0xFF)
        wire.bytes[3] = 0x20 | (hasPayload ? 0x10 : 0) | counter & 0x0F
        wire.bytes[4] = 1
        wire.bytes[5] = isDiscontinuity ? 0x80 : 0
        guard let packet = wire.read({ TSPacket(parsing: $0) }) else { fatalError("not a packet") }
        return packet
    }

    @Test func countsUpAndWraps() {
        var checker = ContinuityChecker()
        for counter in 0..<100 as Range<UInt8> { #expect(checker.check(packet(counter)) == .inOrder) }
        #expect(checker.gapCount == 0)
    }

    @Test func allowsADuplicateOnce() {
        var checker = ContinuityChecker()
        _ = checker.check(packet(3))
        #expect(checker.check(packet(3)) == .duplicate)
        #expect(checker.check(packet(3)) == .gap(missingCount: 15))
        #expect(checker.check(packet(4)) == .inOrder)
        #expect(checker.duplicateCount == 1 && checker.gapCount == 1)
    }

    @Test func tellsHowManyAreMissing() {
        var checker = ContinuityChecker()
        _ = checker.check(packet(14))
        #expect(checker.check(packet(2)) == .gap(missingCount: 3))
    }

    @Test func packetsWithoutPayloadStandStill() {
        var checker = ContinuityChecker()
        _ = checker.check(packet(5))
        for _ in 0..<3 { #expect(checker.check(packet(5, hasPayload: false)) == .inOrder) }
        #expect(checker.check(packet(6)) == .inOrder)
    }

    @Test func honoursAnAnnouncedDiscontinuity() {
        var checker = ContinuityChecker()
        _ = checker.check(packet(5))
        #expect(checker.check(packet(12, isDiscontinuity: true)) == .inOrder)
        #expect(checker.check(packet(13)) == .inOrder)
    }

    @Test func keepsPIDsApartAndIgnoresStuffing() {
        var checker = ContinuityChecker()
        _ = checker.check(packet(5))
        #expect(checker.check(packet(9, pid: 0x101)) == .inOrder)
        for counter in [0, 9, 3] as [UInt8] {
            #expect(checker.check(packet(counter, pid: 0x1FFF)) == .inOrder)
        }
        #expect(checker.check(packet(6)) == .inOrder)
        checker.reset()
        #expect(checker.check(packet(0)) == .inOrder)
    }
}
