import FreshetCore
import FreshetWire
import Testing

@Suite struct RTPHeaderTests {
    // Laid out by hand from the figure in RFC 3550 §5.1: V=2, M=0, PT=33.
    private let plain = Wire(hex: "80 21 12 34  00 01 02 03  DE AD BE EE  47 1F FF 10")

    @Test func readsAPlainHeader() throws {
        let header = try #require(plain.read { RTPHeader(parsing: $0) })
        #expect(header.payloadType == RTPHeader.transportStreamPayloadType && !header.marker)
        #expect(header.sequenceNumber == 0x1234 && header.timestamp == 0x10203 && header.ssrc == 0xDEAD_BEEE)
        #expect(header.headerByteCount == 12 && header.payloadByteCount == 4 && header.paddingByteCount == 0)
        #expect(!header.hasExtension && header.contributorCount == 0 && !header.isRetransmission)
    }

    @Test func readsContributorsExtensionAndPadding() throws {
        // P, X, CC=2, M, PT=96; two CSRCs; extension of one word; 3 bytes of payload; 5 of padding.
        let wire = Wire(
            hex: """
                B2 E0 00 01  00 00 00 02  00 00 00 05  0A0A0A0A 0B0B0B0B  BEDE 0001 10203040
                AA BB CC 00 00 00 00 05
                """)
        let header = try #require(wire.read { RTPHeader(parsing: $0) })
        #expect(
            header.marker && header.payloadType == 96 && header.contributorCount == 2 && header.hasExtension)
        #expect(header.headerByteCount == 28 && header.payloadByteCount == 3 && header.paddingByteCount == 5)
        #expect(header.isRetransmission && header.sourceSSRC == 4)
    }

    @Test func refusesWhatDoesNotAddUp() {
        let wrong = [
            "", "80 21 12 34 00 01 02 03 DE AD BE",  // short
            "40 21 12 34 00 01 02 03 DE AD BE EF",  // version 1
            "81 21 12 34 00 01 02 03 DE AD BE EF",  // a CSRC that is not there
            "90 21 12 34 00 01 02 03 DE AD BE EF",  // an extension that is not there
            "90 21 12 34 00 01 02 03 DE AD BE EF BEDE 0001",  // an extension cut short
            "A0 21 12 34 00 01 02 03 DE AD BE EF",  // padding without a byte for it
            "A0 21 12 34 00 01 02 03 DE AD BE EF 00",  // padding of none
            "A0 21 12 34 00 01 02 03 DE AD BE EF 00 03",  // padding into the header
        ]
        for hex in wrong { #expect(Wire(hex: hex).read { RTPHeader(parsing: $0) } == nil, "\(hex)") }
    }

    @Test func whatIsWrittenIsRead() throws {
        var random = PRNG(seed: 20)
        for _ in 0..<20_000 {
            let bits = random.next()
            let header = RTPHeader(
                payloadType: UInt8(bits & 0x7F), marker: bits & 0x80 != 0,
                sequenceNumber: UInt16(truncatingIfNeeded: bits >> 8),
                timestamp: UInt32(truncatingIfNeeded: bits >> 32),
                ssrc: UInt32(truncatingIfNeeded: random.next()))
            let wire = Wire(byteCount: 12) { header.write(into: &$0) }
            #expect(wire.read { RTPHeader(parsing: $0) } == header)
        }
    }

    @Test func marksRetransmissionsInPlace() throws {
        let marked = Wire(byteCount: 16) { span in
            for (index, byte) in plain.bytes.enumerated() { span.write(byte, at: index) }
            RTPHeader.markRetransmission(true, in: &span)
        }
        #expect(try #require(marked.read { RTPHeader(parsing: $0) }).ssrc == 0xDEAD_BEEF)
        #expect(RTPHeader.originalSSRC(0xDEAD_BEEF) == 0xDEAD_BEEE)
        #expect(RTPHeader.retransmissionSSRC(0xDEAD_BEEE) == 0xDEAD_BEEF)
    }

    @Test func neverTrapsAndNeverPointsOutside() {
        var random = PRNG(seed: 21)
        let seeds = [
            plain, Wire(hex: "B2E000010000000200000005 0A0A0A0A0B0B0B0B BEDE000110203040 AABBCC0000000005"),
        ]
        for turn in 0..<100_000 {
            let wire = seeds[turn & 1].mutated(&random)
            guard let header = wire.read({ RTPHeader(parsing: $0) }) else { continue }
            let sum = header.headerByteCount + header.payloadByteCount + header.paddingByteCount
            #expect(sum == wire.bytes.count && header.payloadByteCount >= 0)
        }
    }
}
