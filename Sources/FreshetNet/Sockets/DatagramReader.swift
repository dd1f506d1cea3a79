import CLinux
public import FreshetCore

/// Receives datagrams straight into packets, many with one system call (recvmmsg).
///
/// Each message is received into a packet's slot and, beyond that, into a spill area of its own, so that a
/// piece in which the kernel has joined many datagrams (UDP_GRO) is taken whole: its first datagram stays
/// where it is, the others are copied out of the spill area. Without such pieces nothing is copied. All
/// storage is taken at the start; the spill areas are touched, and so use memory, only as they are filled.
public struct DatagramReader: ~Copyable {
    /// The most messages received by one call.
    public let capacity: Int
    private let memory: UnsafeMutableRawPointer
    private let spill: UnsafeMutablePointer<UInt8>
    private let receiver: OpaquePointer
    private let arrivals: UnsafePointer<clinux_arrival>
    /// Packets waiting to be filled, by message index.
    private var packets: FixedSlots<Packet>
    /// Places from here to `filledEnd` hold packets for sure.
    private var openEnd = 0
    /// Places from here on were never filled.
    private var filledEnd = 0
    /// How many bytes each place was given for its message.
    private var placeByteCounts: [Int]
    /// Bytes of a slot given to a message; the datagram size of the last joined piece, once there was one.
    private var placeByteCount = Int.max
    private var messageCount = 0
    private var messageIndex = 0
    /// How far into a joined piece we are.
    private var segmentOffset = 0
    /// Index of the message that the last packet came from.
    private var currentIndex = 0
    /// The last packet's datagram is longer than a slot.
    private var isTooLong = false
    private var lastOverflowCount: UInt32 = 0
    private var clock = ClockMapping()

    private static let spillByteCount = 65_536

    /// A reader of up to `capacity` messages a call.
    public init(capacity: Int = 64) {
        self.capacity = capacity
        memory = .allocate(byteCount: clinux_receiver_byte_count(Int32(capacity)), alignment: 64)
        // Not written here: pages of it cost nothing until a joined piece arrives.
        spill = .allocate(capacity: capacity * DatagramReader.spillByteCount)
        receiver = clinux_receiver_make(memory, Int32(capacity), spill, DatagramReader.spillByteCount)
        arrivals = clinux_receiver_arrivals(receiver)
        packets = FixedSlots(capacity: capacity)
        placeByteCounts = [Int](repeating: 0, count: capacity)
    }

    deinit {
        memory.deallocate()
        spill.deallocate()
    }

    /// Flags arrivals that were sent to another address than `address`; the socket must report destinations.
    public mutating func expect(_ address: SocketAddress, interfaceIndex: UInt32) {
        address.ipBytes.withUnsafeBufferPointer {
            clinux_receiver_expect(receiver, address.family.code, $0.baseAddress, interfaceIndex)
        }
    }

    /// True when the last batch has been handed out whole.
    public var isDrained: Bool { messageIndex == messageCount }

    /// Receives what waits, at most `limit` messages, by one system call; gives how many came, or an error of
    /// the socket. Call it only when ``isDrained``. Packets are taken from `pool` beforehand; when it has
    /// none, nothing is received.
    public mutating func receive(
        _ socket: borrowing UDPSocket, limit: Int, pool: PacketPool, now: Instant
    ) -> Result<Int, Errno> {
        precondition(isDrained)
        clock.refresh(at: now)
        let wanted = fill(min(limit, capacity), pool)
        messageIndex = 0
        messageCount = 0
        segmentOffset = 0
        if wanted == 0 { return .success(0) }
        let number = socket.number
        let count = systemCall { clinux_receive(receiver, number, Int32(truncatingIfNeeded: wanted)) }
        if count < 0 { return .failure(Errno(-count)) }
        messageCount = Int(count)
        return .success(Int(count))
    }

    /// Puts a packet in each of the first `wanted` places; gives how many have one, counted from the first.
    ///
    /// Packets leave from the front of a batch, so only places below `openEnd` can be empty among those ever filled; nearly
    /// always that is one.
    private mutating func fill(_ wanted: Int, _ pool: PacketPool) -> Int {
        openEnd = max(openEnd, messageCount)
        for index in 0..<min(wanted, openEnd) where packets.isEmpty(index) {
            if !place(index, pool) { return index }
        }
        if wanted >= openEnd { openEnd = 0 }
        while filledEnd < wanted {
            if !place(filledEnd, pool) { return filledEnd }
            filledEnd += 1
        }
        return wanted
    }

    private mutating func place(_ index: Int, _ pool: PacketPool) -> Bool {
        guard let packet = pool.allocate() else { return false }
        let bytes = packet.unsafeWritableBytes
        let byteCount = min(bytes.count, placeByteCount)
        clinux_receiver_place(receiver, Int32(truncatingIfNeeded: index), bytes.baseAddress, byteCount)
        placeByteCounts[index] = byteCount
        packets.put(packet, at: index)
        return true
    }

    /// The next datagram of the last batch; `nil` when there is none, or (``isDrained`` is false then) when
    /// `pool` has no packet for it. A datagram longer than a slot comes as an empty packet with
    /// ``isOversized`` true.
    public mutating func next(pool: PacketPool) -> Packet? {
        guard messageIndex < messageCount else { return nil }
        let index = messageIndex
        let byteCount = Int(arrivals[index].byte_count)
        let segment = Int(arrivals[index].segment_byte_count)
        currentIndex = index
        isTooLong = false
        if (segment == 0 || segment >= byteCount) && byteCount <= placeByteCounts[index] {
            messageIndex = index &+ 1
            guard var packet = packets.take(index) else { preconditionFailure("a message without a packet") }
            packet.setByteCount(byteCount)
            return packet
        }
        return nextOfJoined(index, byteCount, segment == 0 ? byteCount : min(segment, byteCount), pool)
    }

    /// The next datagram of a message that reaches into its spill area.
    @inline(never)
    private mutating func nextOfJoined(
        _ index: Int, _ byteCount: Int, _ segment: Int, _ pool: PacketPool
    ) -> Packet? {
        let placed = placeByteCounts[index]
        let start = segmentOffset
        let count = min(segment, byteCount &- start)
        let isLast = start &+ count >= byteCount
        // The first datagram may leave with its slot only when no byte of another is in it.
        if start == 0 && placed == count {
            guard var packet = packets.take(index) else { preconditionFailure("a message without a packet") }
            packet.setByteCount(count)
            advance(by: count, isLast: isLast)
            return packet
        }
        guard var packet = pool.allocate() else { return nil }
        let target = packet.unsafeWritableBytes
        if count <= target.count, let base = target.baseAddress {
            copy(start, count, from: index, placed, to: base)
            packet.setByteCount(count)
        } else {
            isTooLong = true
        }
        advance(by: count, isLast: isLast)
        if isLast && segment < byteCount && segment != placeByteCount { adapt(to: segment) }
        return packet
    }

    private mutating func advance(by count: Int, isLast: Bool) {
        segmentOffset = isLast ? 0 : segmentOffset &+ count
        if isLast { messageIndex &+= 1 }
    }

    /// Copies `count` bytes from offset `start` of a message whose first `placed` bytes are in its slot.
    private func copy(
        _ start: Int, _ count: Int, from index: Int, _ placed: Int, to target: UnsafeMutableRawPointer
    ) {
        let inSlot = max(0, min(count, placed &- start))
        if inSlot > 0 {
            _ = packets.withElement(index) { packet in
                if let base = packet.unsafeWritableBytes.baseAddress {
                    target.copyMemory(from: base + start, byteCount: inSlot)
                }
            }
        }
        if inSlot < count {
            guard let area = clinux_receiver_spill(receiver, Int32(truncatingIfNeeded: index)) else { return }
            let offset = max(0, start &- placed)
            (target + inSlot).copyMemory(from: area + offset, byteCount: count &- inSlot)
        }
    }

    /// Joined pieces of datagrams of `segment` bytes come: from now on a place is exactly that long, so that
    /// a piece's first datagram need not be copied.
    private mutating func adapt(to segment: Int) {
        placeByteCount = segment
        for index in 0..<capacity where index >= messageCount {
            let base = packets.withElement(index) { $0.unsafeWritableBytes.baseAddress }
            guard let base else { continue }
            placeByteCounts[index] = min(placeByteCounts[index], segment)
            clinux_receiver_place(receiver, Int32(truncatingIfNeeded: index), base, placeByteCounts[index])
        }
    }

    /// The last packet's datagram was longer than a slot or its place, and is not whole.
    public var isOversized: Bool {
        isTooLong || arrivals[currentIndex].flags & UInt32(CLINUX_TRUNCATED) != 0
    }

    /// The last packet was sent to another address than the expected one; see ``expect(_:interfaceIndex:)``.
    public var isForOthers: Bool { arrivals[currentIndex].flags & UInt32(CLINUX_OTHER_GROUP) != 0 }

    /// Who sent the last packet.
    public var sender: SocketAddress { SocketAddress(raw: arrivals[currentIndex].from) }

    /// When the kernel got the last packet; `now` when it did not say, or says something later.
    public func arrival(now: Instant) -> Instant {
        let wall = arrivals[currentIndex].realtime_nanoseconds
        if wall == 0 { return now }
        return min(clock.instant(WallTime(nanoseconds: wall)), now)
    }

    /// How many datagrams the kernel has dropped for want of room since this was last asked, as far as the
    /// last packet tells.
    public mutating func takeOverflowCount() -> Int {
        let count = arrivals[currentIndex].overflow_count
        if count == 0 || count == lastOverflowCount { return 0 }
        defer { lastOverflowCount = count }
        return Int(count &- lastOverflowCount)
    }
}
