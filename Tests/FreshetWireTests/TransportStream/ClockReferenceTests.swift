import FreshetCore
import FreshetWire
import Testing

@Suite struct ClockReferenceTests {
    @Test func whatIsWrittenIsRead() {
        var random = PRNG(seed: 41)
        for turn in 0..<50_000 {
            let ticks =
                turn == 0 ? ClockReference.modulus - 1 : Int64(random.below(UInt64(ClockReference.modulus)))
            let wire = Wire(byteCount: 6) { ClockReference.write(ticks, into: &$0, at: 0) }
            #expect(wire.read { ClockReference.read($0, at: 0) } == ticks)
        }
    }

    @Test func bitsStandWhereTheStandardPutsThem() {
        // Base 2³³ − 1 and extension 299: all ones, six reserved ones, 1 0010 1011.
        let last = Wire(byteCount: 6) { ClockReference.write(ClockReference.modulus - 1, into: &$0, at: 0) }
        #expect(last == Wire(hex: "FFFFFFFF FF2B"))
        #expect(
            Wire(byteCount: 6) { ClockReference.write(300, into: &$0, at: 0) } == Wire(hex: "00000000 FE00"))
    }

    @Test func anyTimeIsWrapped() {
        for (ticks, wrapped) in [(ClockReference.modulus, 0), (-1, ClockReference.modulus - 1)] {
            let wire = Wire(byteCount: 6) { ClockReference.write(ticks, into: &$0, at: 0) }
            #expect(wire.read { ClockReference.read($0, at: 0) } == wrapped)
        }
    }

    @Test func stepsGoTheShorterWayRound() {
        let end = ClockReference.modulus
        #expect(ClockReference.step(from: end - 5, to: 5) == 10)
        #expect(ClockReference.step(from: 5, to: end - 5) == -10)
        #expect(ClockReference.step(from: 100, to: 127) == 27)
    }

    @Test func aPacketOfItsOwnCarriesJustTheClock() throws {
        let wire = Wire(byteCount: 188) {
            ClockReference.writePacket(pid: 0x100, continuityCounter: 9, ticks: 27_000_000, into: &$0)
        }
        let packet = try #require(wire.read { TSPacket(parsing: $0) })
        #expect(packet.pid == 0x100 && packet.continuityCounter == 9 && packet.payloadByteCount == 0)
        #expect(packet.flags == [.hasAdaptation, .hasClockReference] && packet.clockReference == 27_000_000)
        #expect(Array(wire.bytes[..<6]) == [0x47, 0x01, 0x00, 0x29, 0xB7, 0x10])
        let jump = Wire(byteCount: 188) {
            ClockReference.writePacket(
                pid: 0x100, continuityCounter: 9, ticks: 0, isDiscontinuity: true, into: &$0)
        }
        #expect(try #require(jump.read { TSPacket(parsing: $0) }).flags.contains(.isDiscontinuity))
    }

    @Test func aNullPacketIsOne() throws {
        let wire = Wire(byteCount: 188) { ClockReference.writeNullPacket(into: &$0) }
        let packet = try #require(wire.read { TSPacket(parsing: $0) })
        #expect(packet.pid == TSPacket.nullPID && packet.flags == .hasPayload)
    }
}
