/// A fixed row of objects that a hot loop walks over without counting references: counting costs an atomic write to each
/// object, on every walk, which after an idle moment is one more line of memory to wait for.
///
/// The table owns its objects and lets go of them when it goes.
public struct ObjectTable<Object: AnyObject>: ~Copyable {
    @usableFromInline let storage: UnsafeMutablePointer<Unmanaged<Object>>
    /// How many objects there are.
    public let count: Int

    /// A table of `objects`, in their order.
    public init(_ objects: [Object]) {
        count = objects.count
        storage = .allocate(capacity: max(1, count))
        for (index, object) in objects.enumerated() {
            (storage + index).initialize(to: .passRetained(object))
        }
    }

    deinit {
        for index in 0..<count { storage[index].release() }
        storage.deallocate()
    }

    /// The places of the objects.
    @inlinable public var indices: Range<Int> { 0..<count }

    /// Gives `body` the object at `index`, which it must not keep.
    @inlinable @inline(__always)
    public func with<Result>(_ index: Int, _ body: (Object) -> Result) -> Result {
        precondition(index >= 0 && index < count)
        return storage[index]._withUnsafeGuaranteedRef { body($0) }
    }

    /// The object at `index`, to be kept.
    @inlinable public subscript(_ index: Int) -> Object {
        precondition(index >= 0 && index < count)
        return storage[index].takeUnretainedValue()
    }
}
