import FreshetOverlay
import Testing

@Suite struct SizeEstimateTests {
    @Test func tooManyRequestsMakeItLargerAndSilenceSmallerAgain() {
        var size = SizeEstimate(100)
        size.note(requests: 3)
        #expect(size.value == 100)
        size.note(requests: 40)
        #expect(size.value >= 800)
        let large = size.value
        for _ in 0..<64 { size.note(requests: 1) }
        #expect(size.value == large / 2)
        for _ in 0..<10_000 { size.note(requests: 1) }
        #expect(size.value == 100)
    }

    @Test func itStaysANumber() {
        var size = SizeEstimate(.max)
        for _ in 0..<100 { size.note(requests: 10_000) }
        #expect(size.value == .max)
        size.set(0)
        #expect(size.value > 0)
    }
}
