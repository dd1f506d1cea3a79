internal import FreshetCore

/// One promise of the sender: copies of a packet to a peer.
struct QueuedRepair: Sendable {
    /// When the next copy leaves.
    var due: Instant
    /// After this instant it would come too late.
    var end: Instant
    /// The packet; ``parity`` for parity over all that the peer misses.
    var sequence: Int64
    /// Between two copies.
    var spacing: Nanoseconds
    /// The place of the peer in the sender's table.
    var peer: Int32
    /// Copies still to be sent.
    var copies: Int32

    /// Stands for no packet.
    static let parity = Int64.min
}

/// Repairs by the instant at which they are due: a binary heap of fixed size.
struct RepairQueue: Sendable {
    private var heap: [QueuedRepair]
    private(set) var count = 0

    /// An empty queue for `capacity` repairs.
    init(capacity: Int) {
        let none = QueuedRepair(
            due: .zero, end: .zero, sequence: 0, spacing: .zero, peer: 0, copies: 0)
        heap = Array(repeating: none, count: capacity)
    }

    var isFull: Bool { count == heap.count }
    var capacity: Int { heap.count }

    /// The repair that is due first; `nil` when there is none.
    var first: QueuedRepair? { count > 0 ? heap[0] : nil }

    /// Adds `repair`; traps when full.
    mutating func push(_ repair: QueuedRepair) {
        precondition(!isFull)
        var place = count
        count += 1
        while place > 0 {
            let parent = (place - 1) / 2
            if heap[parent].due <= repair.due { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = repair
    }

    /// Takes the first out.
    mutating func removeFirst() {
        precondition(count > 0)
        count -= 1
        let last = heap[count]
        var place = 0
        while true {
            var child = 2 * place + 1
            if child >= count { break }
            if child + 1 < count, heap[child + 1].due < heap[child].due { child += 1 }
            if last.due <= heap[child].due { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = last
    }

    /// Forgets all.
    mutating func removeAll() { count = 0 }
}
