import FreshetCore

/// Which of a node's two ports a datagram goes to.
enum Channel: UInt8 {
    /// RTP.
    case media
    /// RTCP.
    case control
}

/// A datagram under way.
struct Cargo: ~Copyable {
    var packet: Packet
    /// The node that sent it.
    var sender: Int32
    /// The attachment it goes to; -1: everybody the scope reaches.
    var receiver: Int32
    var channel: Channel
    /// It does not leave the sender's segment.
    var isLocal: Bool
    /// Bytes on the wire, those that the simulator does not carry included.
    var wireByteCount: Int32

    /// The same datagram once more.
    func copy() -> Cargo {
        Cargo(
            packet: packet.share(), sender: sender, receiver: receiver, channel: channel, isLocal: isLocal,
            wireByteCount: wireByteCount)
    }
}

/// Everything that is under way, each at a numbered place. It grows.
struct Hold: ~Copyable {
    private var storage: UnsafeMutablePointer<Cargo?>
    private var capacity: Int
    private var freePlaces: [Int32] = []
    /// Pools outlive their packets.
    private let pools: [PacketPool]

    /// An empty hold for packets of `pools`.
    init(capacity: Int = 256, pools: [PacketPool]) {
        self.pools = pools
        self.capacity = max(capacity, 16)
        storage = .allocate(capacity: self.capacity)
        for index in 0..<self.capacity { (storage + index).initialize(to: nil) }
        freePlaces = (0..<Int32(self.capacity)).reversed()
    }

    deinit {
        storage.deinitialize(count: capacity)
        storage.deallocate()
    }

    /// Stows `cargo`; its place.
    mutating func put(_ cargo: consuming Cargo) -> Int32 {
        if freePlaces.isEmpty { grow() }
        let place = freePlaces.removeLast()
        storage[Int(place)] = consume cargo
        return place
    }

    /// Takes what is at `place`; traps when there is nothing.
    mutating func take(_ place: Int32) -> Cargo {
        guard let cargo = storage[Int(place)].take() else {
            preconditionFailure("a datagram arrives that was never sent")
        }
        freePlaces.append(place)
        return cargo
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Cargo?>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: storage, count: capacity)
        for index in capacity..<capacity * 2 { (larger + index).initialize(to: nil) }
        storage.deallocate()
        storage = larger
        freePlaces = (Int32(capacity)..<Int32(capacity * 2)).reversed()
        capacity *= 2
    }
}
