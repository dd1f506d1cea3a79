import FreshetCore
import FreshetOverlay

/// The last media packets that reached a class of members: what members asleep are told of later.
///
/// In storage of its own, so that a host can look at it while it is told.
struct PacketLog: ~Copyable {
    /// Numbers that are remembered, a power of two; members asleep are told before they are forgotten.
    let capacity: Int64
    private let arrivals: UnsafeMutablePointer<Instant>
    /// The packets, as those who were told of them hold them.
    let shelf: PacketShelf
    /// Pools outlive their packets.
    private let pool: PacketPool

    /// An empty log of packets of `pool`, for as many as members hold, four times over.
    init(pool: PacketPool, heldCount: Int) {
        self.pool = pool
        shelf = PacketShelf(capacity: max(1024, heldCount * 4))
        capacity = Int64(shelf.capacity)
        arrivals = .allocate(capacity: shelf.capacity)
        arrivals.initialize(repeating: .zero, count: shelf.capacity)
    }

    deinit { arrivals.deallocate() }

    @inline(__always)
    private func place(_ number: Int64) -> Int { Int(number & (capacity - 1)) }

    /// Notes that packet `number` came at `time` of the world; its ticket is `packet`.
    mutating func note(_ number: Int64, at time: Instant, _ packet: consuming Packet) {
        arrivals[place(number)] = time
        shelf.put(packet)
    }

    /// When packet `number` came.
    @inline(__always)
    func arrival(of number: Int64) -> Instant { arrivals[place(number)] }

    /// Looks at packet `number`.
    @inline(__always)
    func withPacket(_ number: Int64, _ body: (borrowing Packet) -> Void) {
        _ = shelf.withPacket(number, body)
    }
}

/// Consecutive media packets that reached everybody in a class in order.
struct PacketRun {
    /// The first one's number.
    let first: Int64
    /// How many.
    var count: Int
    /// The host's clock.
    let clock: DriftingClock
    let log: UnsafePointer<PacketLog>

    /// The last one's number.
    var last: Int64 { first + Int64(count) - 1 }

    /// The packets from `first` to `last` of these.
    @inline(__always)
    func part(_ first: Int64, through last: Int64) -> PacketRun {
        PacketRun(first: first, count: Int(last - first + 1), clock: clock, log: log)
    }

    /// When packet `number` came, by the host's clock.
    @inline(__always)
    func arrival(of number: Int64) -> Instant { clock.reading(at: log.pointee.arrival(of: number)) }

    /// A copy of packet `number`, of the host's own.
    @inline(__always)
    func copy(of number: Int64, _ line: borrowing HostLine) -> Packet? {
        var copy: Packet?
        log.pointee.withPacket(number) { copy = line.copy(of: $0) }
        return copy
    }
}
