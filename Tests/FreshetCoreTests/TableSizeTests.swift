import FreshetCore
import Testing

@Suite struct TableSizeTests {
    @Test func sizesAreTheNextPowerOfTwo() {
        #expect(
            [0, 1, 2, 3, 64, 65, 1000].map { $0.roundedUpToPowerOfTwo() } == [1, 1, 2, 4, 64, 128, 1024])
    }

    @Test func noneIsBelowTheLeast() {
        #expect([1, 16, 17].map { $0.roundedUpToPowerOfTwo(atLeast: 16) } == [16, 16, 32])
    }
}
