import FreshetCore
@testable import FreshetEngine
import FreshetNet
import FreshetWire
import Synchronization
import Testing

struct NotInTime: Error {}

/// A port with a free one after it that no other test of this process has, below those that the system gives.
func freePort() -> UInt16 {
    let number = portNumber.wrappingAdd(1, ordering: .relaxed).newValue
    return UInt16(10_000 + Int(MonotonicClock.now.nanoseconds / 1_000 % 90) * 100 + number % 50 * 2)
}

private let portNumber = Atomic(0)

/// One network stage run by hand in real time: woken as the engine wakes it, its deadlines kept. The clock
/// can be moved on, or held.
final class StreamBench {
    // In this order: packets go home before their pool goes.
    private let box: AnyStage
    var input: PacketBatch
    var output: PacketBatch
    var seen: [Seen] = []
    var events: [StageEvent] = []
    private var poller: Poller
    private var skipped = Nanoseconds.zero
    private var held: Instant?
    /// False leaves what comes out where it is, as a stage behind that is stuck does.
    var isDraining = true
    let pool: PacketPool

    struct Seen: Equatable {
        var sequence: Int64
        var epoch: UInt32
        var isDiscontinuity: Bool
        var arrival: Instant
        var bytes: [UInt8]
    }

    init<Body: Stage & ~Copyable>(
        _ kind: Body.Type, _ texts: [(name: String, text: String)], slotCount: Int = 1024, batch: Int = 64
    ) throws {
        pool = PacketPool(slotCount: slotCount)
        let arguments = try StageArguments(descriptor: Body.descriptor, texts: texts)
        box = StageBox(
            try Body(arguments: arguments),
            context: StageContext(pool: pool, random: PRNG(seed: 7), now: MonotonicClock.now))
        input = PacketBatch(capacity: batch)
        output = PacketBatch(capacity: batch)
        poller = try Poller()
        try box.start()
        for (tag, number) in [box.pollDescriptor, box.controlDescriptor].enumerated() where number >= 0 {
            try poller.add(number, tag: UInt64(tag), onEdge: true)
        }
        box.context.isReadable = true
        box.context.isControlReadable = true
    }

    /// A receiver at `url`.
    static func receiver(_ url: String, _ texts: [(name: String, text: String)] = [], slotCount: Int = 1024)
        throws -> StreamBench
    {
        try StreamBench(UDPReceiveStage.self, [("url", url)] + texts, slotCount: slotCount)
    }

    var now: Instant { held ?? MonotonicClock.now + skipped }
    /// Moves the stage's clock on.
    func skip(_ span: Nanoseconds) {
        skipped = skipped + span
        if let held { self.held = held + span }
    }
    /// Holds the stage's clock where it is, so that nothing ends by time.
    func hold() { held = now }

    /// Puts RTP packet `number` of source 2 into the input.
    func give(_ number: Int) throws {
        guard var packet = pool.allocate() else { throw NotInTime() }
        packet.append(rtp(number).span.bytes)
        packet.info.flags = .hasSequence
        packet.info.headerByteCount = 12
        packet.info.ssrc = 2
        packet.info.extendedSequence = Int64(number)
        packet.info.rtpTimestamp = UInt32(number)
        input.append(packet)
    }

    func count(_ counter: Counter) -> Int { box.context.counters[counter] }
    var isFinished: Bool { box.context.isSourceFinished }
    var nextDeadline: Instant? { box.nextDeadline }

    /// One turn as the engine does it, after whatever has become ready.
    func turn() throws {
        for index in 0..<(try poller.wait(until: .zero)) {
            if poller[index].tag == 0 {
                box.context.isReadable = true
            } else {
                box.context.isControlReadable = true
            }
        }
        box.context.now = now
        if let deadline = box.nextDeadline, deadline <= now, !output.isFull { try box.advance(into: &output) }
        if !output.isFull { try box.process(&input, into: &output) }
        while let event = box.context.events.popFirst() { events.append(event) }
        if isDraining { drain() }
    }

    /// Takes what came out.
    func drain() {
        while let packet = output.popFirst() {
            seen.append(
                Seen(
                    sequence: packet.info.extendedSequence, epoch: packet.info.epoch,
                    isDiscontinuity: packet.info.flags.contains(.isDiscontinuity),
                    arrival: packet.info.arrival,
                    bytes: Array(packet.unsafeBytes)))
        }
    }

    /// Turns until `condition` holds; throws after five seconds.
    func run(until condition: () throws -> Bool) throws {
        let end = MonotonicClock.now + .seconds(5)
        while try !condition() {
            try turn()
            if MonotonicClock.now > end { throw NotInTime() }
        }
    }

    /// Ends the stage's input and runs it dry.
    func finish() throws {
        var isDone = false
        try run {
            if !isDone { isDone = try input.isEmpty && box.finish(into: &output) }
            return isDone
        }
    }

    func run(untilSeen count: Int) throws { try run { seen.count >= count } }

    deinit {
        input.removeAll()
        output.removeAll()
    }
}

/// An RTP packet of one TS packet that tells its sequence number.
func rtp(_ sequence: Int, ssrc: UInt32 = 2, payloadType: UInt8 = 33) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 12) + transportPacket(sequence)
    do {
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        RTPHeader.write(
            payloadType: payloadType, sequenceNumber: UInt16(truncatingIfNeeded: sequence),
            timestamp: UInt32(truncatingIfNeeded: sequence), ssrc: ssrc, into: &raw)
    }
    return bytes
}

/// A TS packet that no other number's equals.
func transportPacket(_ number: Int) -> [UInt8] {
    [0x47, 0x1F, 0xFF, 0x10]
        + (0..<184).map { $0 < 8 ? UInt8(truncatingIfNeeded: number >> (8 * (7 - $0))) : UInt8($0) }
}

/// A sender made by hand: one socket, and where its media and control go.
struct Hand: ~Copyable {
    let socket: UDPSocket
    let media: SocketAddress

    init(_ media: String, _ port: UInt16, from host: String = "127.0.0.1") throws {
        guard let own = SocketAddress(host, port: 0), let address = SocketAddress(media, port: port) else {
            throw NotInTime()
        }
        let socket = try UDPSocket(.ipv4)
        try socket.bind(own, isShared: false)
        try socket.setMulticastInterface(try NetworkInterface.named("lo"))
        self.socket = socket
        self.media = address
    }

    func send(_ bytes: [UInt8]) {
        let error = socket.send(bytes.span.bytes, to: media)
        #expect(error == nil)
    }

    func tell(_ datagram: ControlDatagram) {
        let error = socket.send(datagram.bytes.span.bytes, to: media.with(port: media.port + 1))
        #expect(error == nil)
    }
}
