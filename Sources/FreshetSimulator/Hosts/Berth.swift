/// Room for one value that may not be there. The value stays where it is: looking at it or changing it moves
/// nothing, which an optional of something large does at every call.
struct Berth<Value: ~Copyable>: ~Copyable {
    /// Where the value is; `nil` when there is none.
    private(set) var value: UnsafeMutablePointer<Value>?

    /// Empty.
    init() { value = nil }

    deinit {
        value?.deinitialize(count: 1)
        value?.deallocate()
    }

    /// Looks at the value where it stands; `nil` when there is none. (What is only read through `pointee` is copied
    /// whole by the compiler, kilobytes for one date.)
    @inline(__always)
    func look<Result>(_ body: (inout Value) -> Result) -> Result? {
        guard let value else { return nil }
        return body(&value.pointee)
    }

    /// Holds `value` from now on, and lets go of what it held.
    mutating func put(_ value: consuming Value) {
        clear()
        let place = UnsafeMutablePointer<Value>.allocate(capacity: 1)
        place.initialize(to: value)
        self.value = place
    }

    /// Lets go of what it holds.
    mutating func clear() {
        value?.deinitialize(count: 1)
        value?.deallocate()
        value = nil
    }
}
