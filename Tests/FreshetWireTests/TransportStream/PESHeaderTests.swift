import FreshetCore
import FreshetWire
import Testing

@Suite struct PESHeaderTests {
    @Test func readsBothTimes() throws {
        // §2.4.3.6 by hand: video, unbounded, PTS 126000 + 3600, DTS 126000 (a first picture as muxers write it).
        let wire = Wire(hex: "000001E0 0000 80 C0 0A 31 00 07 F4 81 11 00 07 D8 61 00000001")
        let header = try #require(wire.read { PESHeader(parsing: $0) })
        #expect(header.streamID == 0xE0 && header.isVideo && !header.isAudio && header.packetLength == 0)
        #expect(header.presentationTime == 129_600 && header.decodingTime == 126_000)
        #expect(header.headerByteCount == 19)
    }

    @Test func timesMakeTheRoundTrip() throws {
        var random = PRNG(seed: 42)
        for _ in 0..<20_000 {
            let pts = Int64(random.below(1 << 33))
            let dts = Int64(random.below(1 << 33))
            var wire = Wire(hex: "000001C0 0010 80 C0 0A 0000000000 0000000000")
            let times = Wire(byteCount: 10) {
                PESHeader.writeTime(pts, mark: 3, into: &$0, at: 0)
                PESHeader.writeTime(dts, mark: 1, into: &$0, at: 5)
            }
            wire.bytes.replaceSubrange(9..., with: times.bytes)
            let header = try #require(wire.read { PESHeader(parsing: $0) })
            #expect(header.presentationTime == pts && header.decodingTime == dts && header.isAudio)
        }
    }

    @Test func takesNoTimeWithAWrongMarker() throws {
        // The PTS's last marker bit is 0.
        let wire = Wire(hex: "000001E0 0000 80 80 05 21 00 07 F4 80")
        let header = try #require(wire.read { PESHeader(parsing: $0) })
        #expect(header.presentationTime == nil && header.decodingTime == nil)
    }

    @Test func refusesWhatIsNoHeader() {
        let wrong = [
            "", "000001E0 00", "000002E0 0000 80 00 00", "000001E0 0000 40 00 00",
            "000001E0 0000 80 80 04 21000100",
            "000001E0 0000 80 80 05 21 00 07",
        ]
        for hex in wrong { #expect(Wire(hex: hex).read { PESHeader(parsing: $0) } == nil, "\(hex)") }
    }

    @Test func paddingStreamsHaveNoTimes() throws {
        let header = try #require(Wire(hex: "000001BE 0004 FFFFFFFF").read { PESHeader(parsing: $0) })
        #expect(header.presentationTime == nil && header.headerByteCount == 6 && header.packetLength == 4)
    }
}
