import Testing

/// `#expect` takes its operands apart and copies them; a move-only value's answer is taken here first.
func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}
