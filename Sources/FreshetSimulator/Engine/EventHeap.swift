import FreshetCore

/// Events that are far off, the first at the root: a 4-ary heap that grows.
struct EventHeap<Kind: BitwiseCopyable>: ~Copyable {
    typealias Item = Event<Kind>
    private var storage: UnsafeMutablePointer<Item>
    private var capacity = 256
    private(set) var count = 0

    init() { storage = .allocate(capacity: capacity) }

    deinit { storage.deallocate() }

    /// The first event; `nil` when there is none.
    var first: Item? { count == 0 ? nil : storage[0] }

    mutating func insert(_ event: Item) {
        if count == capacity { grow() }
        var hole = count
        count &+= 1
        while hole > 0 {
            let parent = (hole &- 1) >> 2
            guard event < storage[parent] else { break }
            storage[hole] = storage[parent]
            hole = parent
        }
        storage[hole] = event
    }

    /// Takes the first event out; there must be one.
    mutating func removeFirst() {
        count &-= 1
        if count > 0 { sink(storage[count]) }
    }

    /// Puts `event` where it belongs, from the root down.
    private mutating func sink(_ event: Item) {
        var hole = 0
        while true {
            let child = hole &* 4 &+ 1
            guard child < count else { break }
            var least = child
            var other = child &+ 1
            let end = min(child &+ 4, count)
            while other < end {
                if storage[other] < storage[least] { least = other }
                other &+= 1
            }
            guard storage[least] < event else { break }
            storage[hole] = storage[least]
            hole = least
        }
        storage[hole] = event
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Item>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: storage, count: count)
        storage.deallocate()
        storage = larger
        capacity *= 2
    }
}
