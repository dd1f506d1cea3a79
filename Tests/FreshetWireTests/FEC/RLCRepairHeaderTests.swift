import FreshetCore
import FreshetWire
import Testing

@Suite struct RLCRepairHeaderTests {
    @Test func theFieldsLieWhereTheStandardHasThem() throws {
        // RFC 8681 §4.1.3: key 0x1234, DT 9, NSS 0x123, ESI 0xFEDCBA98; then the high word and the SSRC.
        let wire = Wire(hex: "1234 9123 FEDCBA98 00000001 AABBCCDD 00")
        let header = try #require(wire.read { RLCRepairHeader(parsing: $0) })
        #expect(header.key == 0x1234 && header.density == 9 && header.count == 0x123)
        #expect(header.first == 0x1_FEDC_BA98 && header.ssrc == 0xAABB_CCDD)
        #expect(Wire(byteCount: 17) { header.write(into: &$0) } == wire)
    }

    @Test func whatIsWrittenIsRead() {
        var random = PRNG(seed: 3)
        for _ in 0..<500 {
            let header = RLCRepairHeader(
                key: UInt16(truncatingIfNeeded: random.next()), density: UInt8(random.below(16)),
                first: Int64(bitPattern: random.next()), count: Int(1 + random.below(4095)),
                ssrc: UInt32(truncatingIfNeeded: random.next()))
            let wire = Wire(byteCount: 40) { header.write(into: &$0) }
            #expect(wire.read { RLCRepairHeader(parsing: $0) } == header)
        }
    }

    @Test func aWindowOfNothingAndARepairWithoutASymbolAreNone() {
        #expect(
            Wire(hex: "1234 9000 FEDCBA98 00000001 AABBCCDD 00").read { RLCRepairHeader(parsing: $0) } == nil)
        #expect(
            Wire(hex: "1234 9001 FEDCBA98 00000001 AABBCCDD").read { RLCRepairHeader(parsing: $0) } == nil)
        #expect(Wire([]).read { RLCRepairHeader(parsing: $0) } == nil)
    }
}
