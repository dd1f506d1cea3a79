import FreshetWire
import Testing

@Suite struct SectionChecksumTests {
    @Test func givesTheCatalogueValue() {
        // CRC-32/MPEG-2 of "123456789", the check value every catalogue of CRCs lists.
        #expect(Wire(Array("123456789".utf8)).read { SectionChecksum.of($0) } == 0x0376_E6E7)
    }

    @Test func isZeroOverAWholeSection() {
        #expect(ProgramTablesTests.association.read { SectionChecksum.of($0) } == 0)
    }
}
