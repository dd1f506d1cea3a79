/// A bounded first-in first-out queue of move-only elements in storage taken once. It never grows:
/// ``append(_:)`` to a full ring traps, so ask ``isFull`` first.
public struct FixedRing<Element: ~Copyable>: ~Copyable {
    @usableFromInline let storage: UnsafeMutablePointer<Element>
    /// How many elements fit.
    public let capacity: Int
    @usableFromInline var head = 0
    @usableFromInline var elementCount = 0

    /// An empty ring for `capacity` elements.
    @inlinable public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        storage = .allocate(capacity: capacity)
    }

    @inlinable deinit {
        for offset in 0..<elementCount { (storage + wrapped(head &+ offset)).deinitialize(count: 1) }
        storage.deallocate()
    }

    @inlinable func wrapped(_ index: Int) -> Int { index >= capacity ? index &- capacity : index }

    /// How many elements are in the ring.
    @inlinable public var count: Int { elementCount }
    /// True when there is none.
    @inlinable public var isEmpty: Bool { elementCount == 0 }
    /// True when nothing more fits.
    @inlinable public var isFull: Bool { elementCount == capacity }
    /// How many more fit.
    @inlinable public var freeCount: Int { capacity &- elementCount }

    /// Puts `element` at the back; traps when full.
    @inlinable public mutating func append(_ element: consuming Element) {
        precondition(elementCount < capacity, "append to a full ring")
        (storage + wrapped(head &+ elementCount)).initialize(to: element)
        elementCount &+= 1
    }

    /// Puts `element` back at the front; traps when full.
    @inlinable public mutating func prepend(_ element: consuming Element) {
        precondition(elementCount < capacity, "prepend to a full ring")
        head = head == 0 ? capacity &- 1 : head &- 1
        (storage + head).initialize(to: element)
        elementCount &+= 1
    }

    /// Takes the front element; `nil` when empty.
    @inlinable public mutating func popFirst() -> Element? {
        if elementCount == 0 { return nil }
        let element = (storage + head).move()
        head = wrapped(head &+ 1)
        elementCount &-= 1
        return element
    }

    /// Takes the back element; `nil` when empty.
    @inlinable public mutating func popLast() -> Element? {
        if elementCount == 0 { return nil }
        elementCount &-= 1
        return (storage + wrapped(head &+ elementCount)).move()
    }

    /// Looks at, or changes, the element `offset` places behind the front.
    @inlinable public subscript(offset: Int) -> Element {
        _read {
            precondition(offset >= 0 && offset < elementCount)
            let place = storage + wrapped(head &+ offset)
            yield place.pointee
        }
        _modify {
            precondition(offset >= 0 && offset < elementCount)
            let place = storage + wrapped(head &+ offset)
            yield &place.pointee
        }
    }

    /// Drops every element.
    @inlinable public mutating func removeAll() {
        while popFirst() != nil {}
    }
}

/// The unit of work between two stages: up to a fixed number of packets, in order.
public typealias PacketBatch = FixedRing<Packet>
