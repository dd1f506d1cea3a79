import FreshetCore

/// Datagrams that passed a class of members and say nothing to those who miss nothing: they are told later, all
/// together, when something is said to them that does.
///
/// In storage of its own, so that a host can look at it while it is told.
struct PassingLog: ~Copyable {
    /// One datagram.
    struct Note {
        /// When it came, by the world's clock.
        var time: Instant
        /// The newest media packet of the class at that moment.
        var newest: Int64
        /// Who sent it, as the members know him.
        var peer: Int32
        /// It came from the members' own segment.
        var isLocal: Bool
        /// The packet that it repairs; -1 for a datagram of control.
        var repaired: Int64
    }

    /// Datagrams that are remembered; members are told before they are forgotten.
    static let capacity: Int64 = 512
    private let notes: UnsafeMutablePointer<Note>
    private var datagrams: FixedSlots<Packet>
    /// Datagrams so far.
    private(set) var end: Int64 = 0
    /// Pools outlive their packets.
    private let pool: PacketPool

    /// An empty log of datagrams of `pool`.
    init(pool: PacketPool) {
        self.pool = pool
        notes = .allocate(capacity: Int(PassingLog.capacity))
        datagrams = FixedSlots(capacity: Int(PassingLog.capacity))
    }

    deinit { notes.deallocate() }

    /// Keeps what `note` says of `datagram`, and the datagram if it is one of control.
    mutating func append(_ note: Note, _ datagram: borrowing Packet) {
        let place = Int(end & (PassingLog.capacity - 1))
        (notes + place).initialize(to: note)
        if note.repaired < 0 { datagrams.put(datagram.share(), at: place) }
        end += 1
    }

    /// Datagram `index` of all.
    @inline(__always)
    func note(_ index: Int64) -> Note { notes[Int(index & (PassingLog.capacity - 1))] }

    /// Looks at the bytes of datagram `index`, which is one of control.
    @inline(__always)
    func withDatagram(_ index: Int64, _ body: (borrowing Packet) -> Void) {
        _ = datagrams.withElement(Int(index & (PassingLog.capacity - 1)), body)
    }
}
