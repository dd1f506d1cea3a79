public import FreshetCore

/// A bounded queue of packets ordered by the instant at which they leave; those of the same instant leave in
/// the order in which they came. A binary heap over fixed storage.
public struct DepartureQueue: ~Copyable {
    private struct Node {
        var departure: Instant
        var serial: Int64
        var place: Int
        var tag: UInt64

        static func < (a: Node, b: Node) -> Bool {
            a.departure < b.departure || (a.departure == b.departure && a.serial < b.serial)
        }
    }

    private var nodes: [Node] = []
    private var places: FixedSlots<Packet>
    private var freePlaces: [Int]
    private var serial: Int64 = 0
    private let capacity: Int

    /// An empty queue for `capacity` packets.
    public init(capacity: Int) {
        self.capacity = capacity
        nodes.reserveCapacity(capacity)
        places = FixedSlots(capacity: capacity)
        freePlaces = Array((0..<capacity).reversed())
    }

    /// How many packets are under way.
    public var count: Int { nodes.count }
    /// How many more can be.
    public var freeCount: Int { capacity - nodes.count }

    /// When the next packet leaves; `nil` when there is none.
    public var nextDeparture: Instant? { nodes.first?.departure }

    /// The tag that the next packet came in with; `nil` when there is none.
    public var nextTag: UInt64? { nodes.first?.tag }

    /// Puts a packet in, with a tag of the caller's; traps when full.
    public mutating func insert(_ packet: consuming Packet, departure: Instant, tag: UInt64 = 0) {
        guard let place = freePlaces.popLast() else {
            preconditionFailure("insert into a full departure queue")
        }
        places.put(packet, at: place)
        nodes.append(Node(departure: departure, serial: serial, place: place, tag: tag))
        serial &+= 1
        var child = nodes.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard nodes[child] < nodes[parent] else { break }
            nodes.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the packet that leaves first.
    public mutating func popFirst() -> Packet? {
        guard let first = nodes.first else { return nil }
        let last = nodes.removeLast()
        if !nodes.isEmpty {
            nodes[0] = last
            sink()
        }
        freePlaces.append(first.place)
        return places.take(first.place)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2)
            where child < nodes.count && nodes[child] < nodes[least] {
                least = child
            }
            if least == parent { return }
            nodes.swapAt(parent, least)
            parent = least
        }
    }
}
