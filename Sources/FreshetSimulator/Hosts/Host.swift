import FreshetCore
import FreshetOverlay
import FreshetWire

/// What runs at a place of the simulated network: it turns datagrams and time into datagrams and deliveries,
/// by calling the shipping protocol code.
///
/// A world is generic over its hosts, so nothing is looked up at run time. Instants are those of the host's
/// own clock.
protocol Host: ~Copyable {
    /// The host at place `host` in its life number `life`, which begins at `now`.
    init(_ blueprint: HostBlueprint, host: Int32, life: Int32, now: Instant)
    /// A datagram for the media port.
    mutating func receive(_ packet: consuming Packet, from peer: Int32, _ line: inout HostLine)
    /// A datagram for the control port.
    mutating func read(_ packet: borrowing Packet, from peer: Int32, _ line: inout HostLine)
    /// The time is `line.now`.
    mutating func advance(_ line: inout HostLine)
    /// Media packets that reached the host in order while it was quiet, and datagrams that it only takes note of: does what
    /// that many calls of ``receive(_:from:_:)`` and ``read(_:from:_:)``, each at its time, would have done.
    mutating func catchUp(_ slept: Slept, _ line: inout HostLine)
    /// Looks at what ``catchUp(_:_:)`` looks at, of one datagram or beside those: it changes nothing, and what it gives
    /// means nothing.
    mutating func glance() -> Bool
    mutating func glance(at request: HeardRequest) -> Bool
    /// The end: what is held goes to the player, and a goodbye on the wire.
    mutating func finish(_ line: inout HostLine)
    /// How it stands after what it was told.
    mutating func standing() -> HostStanding
}

/// How a host stands.
struct HostStanding {
    /// When it wants to be called.
    var deadline: Instant?
    /// The next media packet, if it follows the last one, changes nothing but counts and what the player is given.
    var isQuiet = true
    /// The node that answers requests in its place, while it misses nothing: repairs, and requests that are the first for
    /// a packet, then change nothing but what it knows; -1: nobody.
    var answerer: Int32 = -1
}

/// A datagram that changes nothing for members that miss nothing and leave answers to another.
enum Passing {
    /// A repair of this packet, which all in the class have.
    case repair(Int64)
    /// The first request for some packets.
    case request
    /// A heartbeat that tells of nothing new; a repair of a packet that nobody here lost or asked for; a request from
    /// elsewhere for packets that nobody here lost: forgotten as soon as heard.
    case trifle(isRepair: Bool)
}

/// A datagram that a host gives.
struct Outgoing: ~Copyable {
    var packet: Packet
    var channel: Channel
    var scope: Scope

    /// Whom it goes to.
    enum Scope {
        /// To one peer, by one path.
        case peer(Int32)
        /// To everybody on a path.
        case group(path: Int)
        /// To everybody on the host's segment of a path.
        case segment(path: Int)
    }
}

/// What a host is given at each call: the time, buffers, a way out, and the checkers to tell what it gives to
/// its player.
struct HostLine: ~Copyable {
    /// The host's own time.
    var now = Instant.zero
    /// Who it is.
    var host: Int32 = 0
    /// Where media packets come from: small slots, as most of a payload is not carried.
    let mediaPool: PacketPool
    /// Where datagrams of control come from.
    let controlPool: PacketPool
    /// What goes on the wire after the call.
    var outbox: FixedRing<Outgoing>
    /// What is counted and checked.
    var checkers: Checkers
    /// The datagram came from the host's own segment.
    var isFromOwnSegment = false
    /// For stages that hosts drive; shared, as each is called by itself.
    var stage: StageContext
    var input = PacketBatch(capacity: 4)
    var output = PacketBatch(capacity: 512)
    /// Datagrams that found the outbox full.
    var droppedCount = 0

    /// A line for `hostCount` hosts. Behind one gap each may hold some hundreds of packets; what is not used is not
    /// touched.
    init(hostCount: Int, carriedByteCount: Int, checkers: Checkers) {
        mediaPool = PacketPool(
            slotCount: max(1 << 22, hostCount * 320),
            slotByteCount: 16 + RTPHeader.fixedByteCount + max(16, carriedByteCount),
            headroomByteCount: 0)
        controlPool = PacketPool(slotCount: 1 << 18, slotByteCount: 1536, headroomByteCount: 0)
        self.checkers = checkers
        outbox = FixedRing(capacity: 4096)
        stage = StageContext(pool: mediaPool, random: PRNG(seed: 0))
    }

    /// A new media packet; there is room for all that can be under way.
    func allocateMedia() -> Packet {
        guard let packet = mediaPool.allocate() else {
            preconditionFailure("the simulated network is full of media")
        }
        return packet
    }

    /// A new datagram of control.
    func allocateControl() -> Packet {
        guard let packet = controlPool.allocate() else {
            preconditionFailure("the simulated network is full of control")
        }
        return packet
    }

    /// A media packet of one's own with the bytes and the notes of `packet`.
    func copy(of packet: borrowing Packet) -> Packet {
        var copy = allocateMedia()
        copy.append(packet.bytes)
        copy.info = packet.info
        return copy
    }

    /// Puts `packet` on the wire.
    mutating func send(_ packet: consuming Packet, _ channel: Channel, to scope: Outgoing.Scope) {
        if outbox.isFull {
            droppedCount += 1
            return
        }
        outbox.append(Outgoing(packet: packet, channel: channel, scope: scope))
    }
}

/// How a path and a node are one number to the nodes: the edge's table of addresses.
enum PeerNumber {
    static func make(node: Int32, path: Int) -> Int32 { Int32(path) << 24 | node }
    static func node(_ number: Int32) -> Int32 { number & 0xFF_FFFF }
    static func path(_ number: Int32) -> Int { Int(number >> 24) }
}
