extension Int {
    /// This number of places, rounded up to a power of two, so that a mask finds a number's place; `least`, a power of two
    /// itself, at least.
    public func roundedUpToPowerOfTwo(atLeast least: Int = 1) -> Int {
        var size = least
        while size < self { size *= 2 }
        return size
    }
}
