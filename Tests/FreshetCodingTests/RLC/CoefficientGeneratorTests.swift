import Testing

@testable import FreshetCoding

@Suite struct CoefficientGeneratorTests {
    @Test func atFullDensityTheyAreTheGeneratorsBytesWithoutZeros() {
        var coefficients = CoefficientGenerator(key: 1, density: 15)
        for value: UInt8 in [37, 225, 177, 176, 21, 246, 54, 139, 168, 237] {
            #expect(coefficients.next() == value)
        }
        for key in UInt16(0)..<200 {
            var coefficients = CoefficientGenerator(key: key, density: 15)
            for _ in 0..<64 { #expect(coefficients.next() != 0) }
        }
    }

    @Test func theThresholdDecidesHowManyAreZero() {
        for density in UInt8(0)..<15 {
            var zeros = 0
            for key in UInt16(0)..<64 {
                var coefficients = CoefficientGenerator(key: key, density: density)
                for _ in 0..<256 where coefficients.next() == 0 { zeros += 1 }
            }
            let expected = 64 * 256 * (15 - Int(density)) / 16
            #expect(abs(zeros - expected) < 64 * 256 / 50, "density \(density): \(zeros) zeros")
        }
    }

    @Test func belowFullDensityADieComesBeforeEachByte() {
        // Seed 1 draws 5, 1, 1, 0, 5, 6 … of 16: with threshold 4 the first is 0, the next is the byte after
        // the die 1: 177.
        var coefficients = CoefficientGenerator(key: 1, density: 4)
        #expect(coefficients.next() == 0)
        #expect(coefficients.next() == 177)
        #expect(coefficients.next() == 21)
    }
}
