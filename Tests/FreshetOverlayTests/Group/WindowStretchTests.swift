import Testing

@testable import FreshetOverlay

/// A segment whose members hear each other late.
@Suite struct WindowStretchTests {
    @Test func manyRequestsStretchItAndAreNotWithoutEnd() {
        var stretch = WindowStretch()
        stretch.note(requests: 4)
        #expect(stretch.factor == 1)
        for _ in 0..<10 { stretch.note(requests: 50) }
        #expect(stretch.factor == WindowStretch.limit)
    }

    @Test func fewRequestsLetItShrink() {
        var stretch = WindowStretch()
        stretch.note(requests: 5)
        stretch.note(requests: 5)
        for _ in 0..<128 { stretch.note(requests: 1) }
        #expect(stretch.factor == 1)
    }
}
