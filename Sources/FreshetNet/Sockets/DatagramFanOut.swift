import CLinux
public import FreshetCore

/// Sends packets to a fixed list of destinations through one socket, all destinations in one system call
/// (sendmmsg), each datagram gathered from where its packet lies.
///
/// Several packets of one size that wait together go to a destination as one message that the kernel, or the
/// network card, cuts up (UDP_SEGMENT); when the kernel or a device refuses that, they go one by one from
/// then on. All storage is taken at the start.
public struct DatagramFanOut: ~Copyable {
    /// How sending ended for now.
    public enum Progress: Sendable, Equatable {
        /// Every message went, or was given up and counted.
        case done
        /// The kernel has no room: call ``send()`` again later, or ``giveUp()``.
        case blocked
    }

    /// One place to send to.
    public struct Destination: Sendable {
        /// Where.
        public let address: SocketAddress
        /// True when packets go without their header (bare payload).
        public let stripsHeader: Bool
        /// Datagrams that went.
        public internal(set) var sentCount = 0
        /// Datagrams that the kernel refused.
        public internal(set) var errorCount = 0
        /// The first error; stays.
        public internal(set) var firstError: Errno?

        /// A destination; nothing sent yet.
        public init(address: SocketAddress, stripsHeader: Bool) {
            self.address = address
            self.stripsHeader = stripsHeader
        }
    }

    private struct Message {
        var destination: Int32
        var firstPacket: Int32
        var packetCount: Int32
    }

    /// Closed when the fan-out goes; `nil` when it is somebody else's.
    private let socket: UDPSocket?
    private let number: Int32
    private let isConnected: Bool
    private let places: UnsafeMutablePointer<Destination>
    private let placeCount: Int
    /// How many packets one ``load(_:_:)`` takes at most.
    public let packetLimit: Int
    private let messageLimit: Int
    private let memory: UnsafeMutableRawPointer
    private let sender: OpaquePointer
    private let addresses: UnsafeMutablePointer<clinux_address>
    /// Parts of the packets with their headers, then of those without: `packetLimit` each.
    private let parts: UnsafeMutablePointer<clinux_part>
    private let messages: UnsafeMutablePointer<Message>
    private let stripsAny: Bool
    private var packetCount = 0
    private var messageCount = 0
    private var cursor = 0
    private var hasRetried = false
    /// The messages are laid out for one packet to every destination: the next one needs no others, for they
    /// point to where its parts are put.
    private var isLaidOutForOne = false
    /// True while equal packets go as one message; cleared for good when the kernel refuses.
    public private(set) var isSegmenting = true
    /// True once some destination has an error that was not asked for with ``takeNewError()``.
    public private(set) var hasNewError = false
    private var reportedErrors: [Bool]

    /// The most bytes of one segmented message, below the 65 507 of UDP over IPv4.
    private static let segmentedByteLimit = 65_000
    /// The most datagrams of one segmented message: UDP_MAX_SEGMENTS of older kernels.
    private static let segmentLimit = 64

    /// A fan-out through `socket` to `destinations`. A socket with one destination is connected to it here,
    /// which throws when there is no route.
    public init(
        socket: consuming UDPSocket, destinations: [Destination], packetLimit: Int = 64
    ) throws(SystemCallError) {
        let shouldConnect = destinations.count == 1
        if shouldConnect { try socket.connect(destinations[0].address) }
        let number = socket.number
        self.init(socket, number, isConnected: shouldConnect, destinations, packetLimit)
    }

    /// A fan-out through the socket `number`, which is somebody else's, outlives it, and stays unconnected: it may
    /// receive from anybody meanwhile.
    public init(through number: Int32, destinations: [Destination], packetLimit: Int = 64) {
        self.init(nil, number, isConnected: false, destinations, packetLimit)
    }

    private init(
        _ socket: consuming UDPSocket?, _ number: Int32, isConnected: Bool, _ destinations: [Destination],
        _ packetLimit: Int
    ) {
        precondition(!destinations.isEmpty)
        self.socket = socket
        self.number = number
        self.isConnected = isConnected
        placeCount = destinations.count
        places = .allocate(capacity: placeCount)
        places.initialize(from: destinations, count: placeCount)
        self.packetLimit = max(1, min(packetLimit, 4096 / destinations.count))
        messageLimit = self.packetLimit * destinations.count
        memory = .allocate(byteCount: clinux_sender_byte_count(Int32(messageLimit)), alignment: 64)
        sender = clinux_sender_make(memory, Int32(messageLimit))
        addresses = .allocate(capacity: destinations.count)
        for (index, destination) in destinations.enumerated() {
            (addresses + index).initialize(to: destination.address.raw)
        }
        parts = .allocate(capacity: self.packetLimit * 2)
        parts.initialize(repeating: clinux_part(), count: self.packetLimit * 2)
        messages = .allocate(capacity: messageLimit)
        messages.initialize(
            repeating: Message(destination: 0, firstPacket: 0, packetCount: 0), count: messageLimit)
        stripsAny = destinations.contains { $0.stripsHeader }
        reportedErrors = [Bool](repeating: false, count: destinations.count)
    }

    deinit {
        places.deinitialize(count: placeCount)
        places.deallocate()
        memory.deallocate()
        addresses.deallocate()
        parts.deallocate()
        messages.deallocate()
    }

    /// The destinations as they are now, in the order given.
    public var destinations: [Destination] {
        Array(UnsafeBufferPointer(start: places, count: placeCount))
    }

    /// Datagrams that the kernel refused so far, of all destinations.
    public var errorCount: Int {
        var count = 0
        for index in 0..<placeCount { count &+= errorCount(of: index) }
        return count
    }

    /// Datagrams that the kernel refused so far, of the destination at `index`.
    public func errorCount(of index: Int) -> Int {
        precondition(index >= 0 && index < placeCount)
        return places[index].errorCount
    }

    /// Makes messages of the first packets of `packets` (at most ``packetLimit``), which must stay where they
    /// are until ``send()`` is done; gives how many it took.
    public mutating func load(_ packets: borrowing PacketBatch) -> Int {
        let count = min(packets.count, packetLimit)
        for index in 0..<count {
            let bytes = packets[index].unsafeBytes
            parts[index] = clinux_part(base: bytes.baseAddress, byte_count: bytes.count)
            if stripsAny {
                let header = min(Int(packets[index].info.headerByteCount), bytes.count)
                parts[packetLimit &+ index] = clinux_part(
                    base: bytes.baseAddress.map { $0 + header }, byte_count: bytes.count &- header)
            }
        }
        packetCount = count
        if count == 1 && isLaidOutForOne {
            cursor = 0
            hasRetried = false
        } else {
            build(fromDestination: 0, packet: 0)
            isLaidOutForOne = count == 1
        }
        return count
    }

    /// Lays out the messages, destination by destination, from packet `packet` of destination `first` on.
    private mutating func build(fromDestination first: Int, packet: Int) {
        messageCount = 0
        cursor = 0
        hasRetried = false
        var start = packet
        for destination in first..<placeCount {
            let base = parts + (places[destination].stripsHeader ? packetLimit : 0)
            while start < packetCount {
                let run = isSegmenting ? runLength(base, start) : 1
                clinux_sender_set(
                    sender, Int32(truncatingIfNeeded: messageCount),
                    isConnected ? nil : UnsafePointer(addresses + destination), base + start,
                    Int32(truncatingIfNeeded: run),
                    run > 1 ? UInt16(truncatingIfNeeded: base[start].byte_count) : 0)
                messages[messageCount] = Message(
                    destination: Int32(truncatingIfNeeded: destination),
                    firstPacket: Int32(truncatingIfNeeded: start), packetCount: Int32(truncatingIfNeeded: run)
                )
                messageCount &+= 1
                start &+= run
            }
            start = 0
        }
    }

    /// How many parts from `start` on make one segmented message: all of one size, the last perhaps shorter.
    private func runLength(_ base: UnsafeMutablePointer<clinux_part>, _ start: Int) -> Int {
        let size = base[start].byte_count
        if size == 0 { return 1 }
        let limit = min(DatagramFanOut.segmentLimit, max(1, DatagramFanOut.segmentedByteLimit / size))
        var run = 1
        while run < limit, start &+ run < packetCount {
            let next = base[start &+ run].byte_count
            if next == 0 || next > size { break }
            run &+= 1
            if next < size { break }
        }
        return run
    }

    /// Sends what was loaded, as far as the kernel takes it.
    public mutating func send() -> Progress {
        while cursor < messageCount {
            let descriptor = number
            let first = Int32(truncatingIfNeeded: cursor)
            let count = Int32(truncatingIfNeeded: messageCount &- cursor)
            let result = systemCall { clinux_send(sender, descriptor, first, count) }
            if result > 0 {
                countSent(Int(result))
            } else if !handle(Errno(-result)) {
                return .blocked
            }
        }
        return .done
    }

    /// Counts the next `count` messages as sent.
    private mutating func countSent(_ count: Int) {
        for index in cursor..<cursor &+ count {
            places[Int(messages[index].destination)].sentCount &+= Int(messages[index].packetCount)
        }
        cursor &+= count
        hasRetried = false
    }

    /// Deals with the refusal of the message at the cursor; false when it should be tried again later.
    @inline(never)
    private mutating func handle(_ errno: Errno) -> Bool {
        let message = messages[cursor]
        let destination = Int(message.destination)
        switch errno {
        case .wouldBlock, .noBuffers:
            return false
        case .inputOutput, .invalidArgument, .noProtocolOption, .messageTooLong, .notSupported:
            if message.packetCount > 1 {
                isSegmenting = false
                isLaidOutForOne = false
                build(fromDestination: destination, packet: Int(message.firstPacket))
                return true
            }
        case .connectionRefused where !hasRetried:
            // What an earlier datagram brought back, told now; this one was not tried.
            hasRetried = true
            note(errno, destination, count: 1)
            return true
        default: break
        }
        note(errno, destination, count: Int(message.packetCount))
        cursor &+= 1
        hasRetried = false
        return true
    }

    private mutating func note(_ errno: Errno, _ destination: Int, count: Int) {
        places[destination].errorCount &+= count
        if places[destination].firstError == nil {
            places[destination].firstError = errno
            hasNewError = true
        }
    }

    /// Drops the messages that could not be sent; gives how many datagrams they were.
    public mutating func giveUp() -> Int {
        var dropped = 0
        while cursor < messageCount {
            dropped &+= Int(messages[cursor].packetCount)
            cursor &+= 1
        }
        return dropped
    }

    /// A destination whose first error was not asked for yet: each is told once.
    public mutating func takeNewError() -> (address: SocketAddress, errno: Errno)? {
        if !hasNewError { return nil }
        for index in 0..<placeCount {
            guard let errno = places[index].firstError, !reportedErrors[index] else { continue }
            reportedErrors[index] = true
            return (places[index].address, errno)
        }
        hasNewError = false
        return nil
    }

    /// Sends one datagram of control beside the stream; losses are nobody's business.
    public func sendBeside(_ bytes: RawSpan, to address: SocketAddress) {
        guard UDPSocket.send(bytes, to: address, by: number) == .connectionRefused else { return }
        _ = UDPSocket.send(bytes, to: address, by: number)
    }
}
