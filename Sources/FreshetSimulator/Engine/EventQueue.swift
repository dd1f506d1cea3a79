import FreshetCore

/// Something that will happen: when, and what, told by three numbers whose meaning depends on the kind.
struct Event {
    /// What happens.
    enum Kind: UInt32 {
        /// A node's next deadline. `target`: the node, `cargo`: the node's life.
        case deadline
        /// A datagram has left a member's own line. `target`: the attachment.
        case entersSegment
        /// A datagram has come up from its segment. `target`: the attachment it came from.
        case entersCore
        /// A datagram has come down to a segment. `target`: the segment.
        case reachesSegment
        /// A datagram is at the start of a member's own line. `target`: the attachment.
        case reachesLine
        /// A datagram reaches all members of a class at once. `target`: the class.
        case reachesClass
        /// A datagram reaches one member. `target`: the attachment.
        case reachesMember
        /// Something breaks. `target`: the fault.
        case fault
        /// Something that broke works again. `target`: the remedy.
        case remedy
        /// The checkers look at everything.
        case inspection
    }

    var time: Instant
    var serial: UInt64
    var kind: Kind
    var target: Int32
    /// The datagram's place in the hold.
    var cargo: Int32
    var extra: Int32 = 0

    @inline(__always)
    static func < (a: Event, b: Event) -> Bool {
        a.time == b.time ? a.serial < b.serial : a.time < b.time
    }
}

/// What will happen, in the order in which it will: by time, and at one time in the order in which it was put
/// in, so that a run is the same each time. A 4-ary heap; it grows.
struct EventQueue: ~Copyable {
    private var storage: UnsafeMutablePointer<Event>
    private var capacity: Int
    private(set) var count = 0
    private var serial: UInt64 = 0

    /// An empty queue.
    init(capacity: Int = 1024) {
        self.capacity = max(capacity, 16)
        storage = .allocate(capacity: self.capacity)
    }

    deinit { storage.deallocate() }

    /// When the first event happens; `nil` when there is none.
    var nextTime: Instant? { count == 0 ? nil : storage[0].time }

    /// How many events were ever put in.
    var totalCount: UInt64 { serial }

    /// Puts an event in.
    mutating func insert(
        _ kind: Event.Kind, at time: Instant, target: Int32, cargo: Int32 = -1, extra: Int32 = 0
    ) {
        if count == capacity { grow() }
        let event = Event(
            time: time, serial: serial, kind: kind, target: target, cargo: cargo, extra: extra)
        serial &+= 1
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

    /// Takes the first event.
    mutating func popFirst() -> Event? {
        guard count > 0 else { return nil }
        let first = storage[0]
        count &-= 1
        if count > 0 { sink(storage[count]) }
        return first
    }

    /// Puts `event` where it belongs, from the root down.
    private mutating func sink(_ event: Event) {
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
        let larger = UnsafeMutablePointer<Event>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: storage, count: count)
        storage.deallocate()
        storage = larger
        capacity *= 2
    }
}
