import FreshetCore
import Testing

@testable import FreshetSimulator

struct GeometricSkipTests {
    @Test(
        "The mean and the share of zeros are those of the geometric law", arguments: [500_000, 50_000, 1000])
    func law(part: Int) {
        let skip = GeometricSkip(part, of: 1_000_000)
        var random = PRNG(seed: 9)
        let count = 200_000
        var sum = 0
        var zeros = 0
        for _ in 0..<count {
            let value = skip.next(&random)
            sum += value
            if value == 0 { zeros += 1 }
        }
        let mean = Double(1_000_000 - part) / Double(part)
        #expect(abs(Double(sum) / Double(count) - mean) < 0.02 * mean + 0.01)
        let expected = Double(part) / 1_000_000 * Double(count)
        #expect(abs(Double(zeros) - expected) < 5 * expected.squareRoot() + 5)
    }

    @Test("Never is never, and always is at once")
    func ends() {
        var random = PRNG(seed: 1)
        #expect(GeometricSkip(0, of: 10).next(&random) == .max)
        #expect(GeometricSkip(10, of: 10).next(&random) == 0)
    }
}
