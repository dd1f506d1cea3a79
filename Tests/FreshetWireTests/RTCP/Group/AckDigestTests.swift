import FreshetCore
import FreshetWire
import Testing

@Suite struct AckDigestTests {
    @Test func digestsStandAsTheirPageSays() {
        var digest = AckDigest(senderSSRC: 7, mediaSSRC: 0x1020_3040, base: 0x1_0000_0005)
        for index in 0..<33 { _ = digest.append(isMissing: index == 0 || index == 32) }
        let layout = Wire(
            hex: """
                8CCC0009 00000007 46525348 01 00 0021 10203040 00000000 0000000100000005 80000000
                80000000
                """)
        #expect(Wire.compound { $0.write(digest) } == layout)
        let read = layout.firstPacket { AckDigest($0) }
        #expect(read == digest)
        #expect(read?.isMissing(32) == true && read?.isMissing(31) == false && read?.isMissing(33) == false)
    }

    @Test func digestsMakeTheRoundTrip() {
        var random = PRNG(seed: 12)
        for count in [0, 1, 31, 32, 64, 1000, 1024] {
            var digest = AckDigest(
                senderSSRC: 7, mediaSSRC: 2, base: Int64(truncatingIfNeeded: random.next()))
            for _ in 0..<count { _ = digest.append(isMissing: random.chance(1, in: 3)) }
            #expect(Wire.compound { $0.write(digest) }.firstPacket { AckDigest($0) } == digest)
        }
    }

    @Test func aDigestThatIsFullSaysSo() {
        var digest = AckDigest(senderSSRC: 7, mediaSSRC: 2, base: 0)
        for _ in 0..<AckDigest.bitLimit {
            let hasRoom = digest.append(isMissing: true)
            #expect(hasRoom)
        }
        let hasRoom = digest.append(isMissing: true)
        #expect(!hasRoom)
    }

    @Test func digestsShorterThanTheirBitsAreNotRead() {
        var wire = Wire(
            hex: "8CCC0008 00000007 46525348 01 00 0020 10203040 00000000 0000000100000005 80000000")
        #expect(wire.firstPacket { AckDigest($0) } != nil)
        wire.bytes[15] = 0x21
        #expect(wire.firstPacket { AckDigest($0) } == nil)
        wire.bytes[14] = 0x04
        wire.bytes[15] = 0x01
        #expect(wire.firstPacket { AckDigest($0) } == nil)
    }
}
