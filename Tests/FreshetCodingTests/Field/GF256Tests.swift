import FreshetCore
import Testing

@testable import FreshetCoding

@Suite struct GF256Tests {
    @Test func everyNumberTimesItsInverseIsOne() {
        for a in UInt8(1)...255 { #expect(GF256.multiply(a, GF256.inverse(a)) == 1) }
        #expect(GF256.inverse(0) == 0)
    }

    @Test func productsAreThoseOfThePolynomial() {
        // x · x⁷ = x⁸ = x⁴ + x³ + x² + 1 (RFC 8681 §3.4).
        #expect(GF256.multiply(2, 0x80) == 0x1D)
        #expect(GF256.multiply(0x53, 1) == 0x53)
        #expect(GF256.multiply(0, 0xFF) == 0)
        for a in stride(from: UInt8(3), to: 250, by: 7) {
            for b in stride(from: UInt8(5), to: 250, by: 11) {
                #expect(GF256.multiply(a, b) == GF256.multiply(b, a))
                let c: UInt8 = 0xA7
                #expect(
                    GF256.multiply(a, b ^ c) == GF256.multiply(a, b) ^ GF256.multiply(a, c),
                    "the products of \(a) do not distribute")
            }
        }
    }

    @Test func wholeRowsAreMultipliedAsSingleBytesAre() {
        var random = PRNG(seed: 7)
        for byteCount in [64, 128, 192, 1344, 1536] {
            let source = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let before = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for factor in [UInt8(0), 1, 2, 0x1D, 0x8E, 0xFF] {
                var target = before
                var plain = before
                GF256.multiplyAdd(factor, source, into: &target, byteCount: byteCount)
                GF256.multiplyAddPlainly(factor, source, into: &plain, byteCount: byteCount)
                let expected = zip(before, source).map { $0 ^ GF256.multiply(factor, $1) }
                let areSame = target == expected && plain == expected
                #expect(areSame, "factor \(factor), \(byteCount) bytes")
            }
        }
    }

    @Test func theLibraryDoesTheWorkWhereItIsInstalled() {
        #expect(GF256.isAccelerated, "libisal2 is not installed; scripts/setup installs it")
    }
}
