/// A fixed table of places, each empty or holding one move-only element; for buffers indexed by sequence
/// number.
public struct FixedSlots<Element: ~Copyable>: ~Copyable {
    @usableFromInline let storage: UnsafeMutablePointer<Element?>
    /// How many places there are.
    public let capacity: Int

    /// A table of `capacity` empty places.
    @inlinable public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        storage = .allocate(capacity: capacity)
        for index in 0..<capacity { (storage + index).initialize(to: nil) }
    }

    @inlinable deinit {
        storage.deinitialize(count: capacity)
        storage.deallocate()
    }

    /// True when place `index` is empty.
    @inlinable public func isEmpty(_ index: Int) -> Bool {
        precondition(index >= 0 && index < capacity)
        return (storage + index).pointee == nil
    }

    /// Puts `element` at place `index`; what was there is dropped.
    @inlinable public mutating func put(_ element: consuming Element, at index: Int) {
        precondition(index >= 0 && index < capacity)
        (storage + index).pointee = consume element
    }

    /// Empties place `index` and gives what was there.
    @inlinable public mutating func take(_ index: Int) -> Element? {
        precondition(index >= 0 && index < capacity)
        return (storage + index).pointee.take()
    }

    /// Looks at the element at place `index`; `nil` when it is empty.
    @inlinable public func withElement<Result>(_ index: Int, _ body: (borrowing Element) -> Result) -> Result?
    {
        precondition(index >= 0 && index < capacity)
        if (storage + index).pointee == nil { return nil }
        return body((storage + index).pointee!)
    }
}
