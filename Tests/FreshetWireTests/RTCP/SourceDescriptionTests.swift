import FreshetCore
import FreshetWire
import Testing

@Suite struct SourceDescriptionTests {
    private func name(of ssrc: UInt32, in wire: Wire) -> [UInt8]? {
        wire.firstPacket { $0.canonicalName(of: ssrc)?.array }
    }

    @Test func findsTheNameAmongItemsAndChunks() {
        // RFC 3550 §6.5 by hand: chunk 1 with a tool, chunk 2 with a note and then the name "ab".
        let wire = Wire(hex: "82CA0006 00000001 0602 7878 00000000 00000002 0701 6E 0102 6162 00")
        #expect(name(of: 2, in: wire) == Array("ab".utf8))
        #expect(name(of: 1, in: wire) == nil && name(of: 3, in: wire) == nil)
    }

    @Test func namesOfEveryLengthMakeTheRoundTrip() {
        for length in 0...CanonicalName.capacity {
            let text = String(repeating: "n", count: length)
            let wire = Wire.compound { $0.writeDescription(ssrc: 9, name: CanonicalName(text)) }
            #expect(wire.bytes.count % 4 == 0)
            #expect(name(of: 9, in: wire) == Array(text.utf8))
        }
    }

    @Test func aLongNameIsCutBetweenCharacters() {
        let name = CanonicalName(String(repeating: "é", count: 40) + "x")
        #expect(name.byteCount == 64 && name.description == String(repeating: "é", count: 32))
        #expect(CanonicalName(String(repeating: "a", count: 63) + "é").byteCount == 63)
        #expect(Wire(Array(name.description.utf8)).read { name.matches($0) })
        #expect(!Wire(Array("x".utf8)).read { name.matches($0) })
        let copy = Wire(Array(repeating: 65, count: 70)).read { CanonicalName(copying: $0) }
        #expect(copy.byteCount == 64 && copy[63] == 65)
    }

    @Test func itemsThatRunOutAreNotRead() {
        #expect(name(of: 1, in: Wire(hex: "81CA0002 00000001 01FF6162")) == nil)
        #expect(name(of: 1, in: Wire(hex: "9FCA0000")) == nil)
        #expect(name(of: 1, in: Wire(hex: "81CA0002 00000001 01026162")) == Array("ab".utf8))
        #expect(name(of: 1, in: Wire(hex: "81C90001 00000001")) == nil)
    }
}
