import FreshetCore
import FreshetOverlay

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
        var content: Content
    }

    /// What a datagram says.
    enum Content {
        /// It repairs this packet.
        case repair(Int64)
        /// It asks for packets; read once, as all in the class hear it.
        case request(HeardRequest)
        /// Something else, to be read by each. `peer`: who sent it, as the members know him; `isLocal`: it came from their
        /// own segment.
        case control(peer: Int32, isLocal: Bool)
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

    /// Keeps what `note` says of `datagram`, and the datagram if each is to read it.
    mutating func append(_ note: Note, _ datagram: borrowing Packet) {
        let place = Int(end & (PassingLog.capacity - 1))
        (notes + place).initialize(to: note)
        if case .control = note.content { datagrams.put(datagram.share(), at: place) }
        end += 1
    }

    /// Datagram `index` of all.
    @inline(__always)
    func note(_ index: Int64) -> Note { notes[Int(index & (PassingLog.capacity - 1))] }

    /// Looks at datagram `index`, which each is to read.
    @inline(__always)
    func withDatagram(_ index: Int64, _ body: (borrowing Packet) -> Void) {
        _ = datagrams.withElement(Int(index & (PassingLog.capacity - 1)), body)
    }
}

/// What a member of a class slept through: packets that came in order, and between them datagrams that passed.
struct Slept {
    /// All of the packets; there may be none.
    let run: PacketRun
    let passings: UnsafePointer<PassingLog>
    /// Which of the datagrams in the log.
    let passed: Range<Int64>
}
