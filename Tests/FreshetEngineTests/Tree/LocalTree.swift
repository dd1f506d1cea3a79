import FreshetCore
import FreshetNet
import FreshetOverlay
import FreshetWire

@testable import FreshetEngine

/// The time of a tree: the machine's, but while the machine does something else it stands still. A silence that nobody
/// kept would be one parent's that died.
final class TreeClock {
    /// As much goes by between two turns of everybody at most.
    private static let stepLimit = Nanoseconds.milliseconds(2)

    private(set) var now = MonotonicClock.now
    private var seen = MonotonicClock.now

    /// Everybody is turned next.
    func turn() {
        let real = MonotonicClock.now
        now = now + min(real - seen, TreeClock.stepLimit)
        seen = real
    }

    /// For `span` nobody is turned, and time goes by.
    func stall(_ span: Nanoseconds) {
        // Really: the kernel's stamps on what waits in the sockets must not come to lie behind.
        let end = seen + span
        while MonotonicClock.now < end {}
        seen = end
        now = now + span
    }
}

/// A coordinator in the test's own process, with a channel for each member.
final class LocalCoordinator {
    let clock = TreeClock()
    private var coordinator: Coordinator
    private var channels: [UInt32: LocalChannel] = [:]

    init(_ configuration: CoordinatorConfiguration = CoordinatorConfiguration()) {
        coordinator = Coordinator(
            configuration: configuration, key: SipKey(low: 1, high: 2), random: PRNG(seed: 3))
    }

    func channel() -> LocalChannel {
        let number = UInt32(channels.count + 1)
        let channel = LocalChannel(self, number)
        channels[number] = channel
        channel.events.append(.connected)
        return channel
    }

    fileprivate func take(_ text: [UInt8], from connection: UInt32, now: Instant) {
        let loopback = PeerAddress(v4: 0x7F00_0001, port: 1)
        guard let message = try? ControlMessage(parsing: text.span.bytes) else { return }
        coordinator.receive(message, from: connection, observed: loopback, now: now)
        drain()
    }

    /// Cuts `channel`'s connection.
    func cut(_ channel: LocalChannel) {
        channel.isOpen = false
        channel.events.append(.disconnected)
        coordinator.disconnected(channel.number, now: clock.now)
        drain()
    }

    func advance(to now: Instant) {
        if let deadline = coordinator.nextDeadline, deadline <= now { coordinator.advance(to: now) }
        drain()
    }

    private func drain() {
        while let output = coordinator.nextMessage() {
            guard let channel = channels[output.connection], channel.isOpen else { continue }
            if !output.closes || output.isFinal { channel.events.append(.message(output.message.text)) }
            if output.closes {
                // As the real one does it: who was taken for dead comes back.
                channel.events.append(output.isFinal ? .refused("refused") : .disconnected)
                if !output.isFinal { channel.reopen() }
            }
        }
    }

    func parent(of member: MemberID) -> MemberID? { coordinator.parent(of: member, stripe: 0) }
}

/// A member's way to a ``LocalCoordinator``.
final class LocalChannel: MemberChannel {
    let number: UInt32
    unowned let coordinator: LocalCoordinator
    var events: [Event] = []
    var isOpen = true
    /// Whom the member has called slow.
    private(set) var slowChildren: Set<MemberID> = []

    init(_ coordinator: LocalCoordinator, _ number: UInt32) {
        self.coordinator = coordinator
        self.number = number
    }

    fileprivate func reopen() { events.append(.connected) }
    override func next() -> Event? { events.isEmpty ? nil : events.removeFirst() }
    override func send(_ text: [UInt8]) {
        if case .report(let report) = try? ControlMessage(parsing: text.span.bytes) {
            slowChildren.formUnion(report.slowChildren)
        }
        if isOpen { coordinator.take(text, from: number, now: coordinator.clock.now) }
    }
}

/// A member with a real socket on the loopback, turned by the test.
final class LocalMember {
    let member: TreeMember
    let channel: LocalChannel
    private let pool = PacketPool(slotCount: 8192)
    @exclusivity(unchecked) private var context: StageContext
    @exclusivity(unchecked) private var output = PacketBatch(capacity: 64)
    /// The first payload byte of every packet that came, by its number.
    private(set) var received: [Int64: UInt8] = [:]
    private(set) var failure: String?
    /// The stages behind it take nothing, like a player that is paused.
    var isPaused = false
    /// It is turned no more, like a process that was stopped.
    var isStopped = false
    private let ssrc: UInt32
    private let clock: TreeClock

    init(
        _ coordinator: LocalCoordinator, _ role: JoinMessage.Role, children: Int = 4, ssrc: UInt32 = 0,
        latency: Nanoseconds = .milliseconds(800), seed: UInt64
    ) throws {
        clock = coordinator.clock
        context = StageContext(pool: pool, random: PRNG(seed: seed), now: clock.now)
        channel = coordinator.channel()
        self.ssrc = ssrc
        var options = TreeMember.Options()
        options.node.join.stream = "live"
        options.node.join.role = role
        options.node.join.epoch = ssrc
        options.node.join.childLimit = UInt32(children)
        options.node.join.forwards = children > 0
        options.node.join.addresses = [PeerAddress(v4: 0x7F00_0001, port: 0)]
        options.repair.latency = latency
        options.address = SocketAddress("127.0.0.1", port: 0)!
        member = try TreeMember(options, control: channel, context: &context)
    }

    var address: SocketAddress { member.port.address }
    var ticket: Ticket? { member.node.ticketInUse(for: 0) }
    var id: MemberID { member.node.member }

    /// One turn of its loop.
    func turn() {
        if isStopped { return }
        context.now = clock.now
        context.isReadable = true
        context.isControlReadable = true
        do throws(StageError) { try member.run(into: &output, delivers: true, context: &context) } catch {
            failure = error.message
        }
        while !isPaused, let packet = output.popFirst() {
            received[packet.info.extendedSequence] = packet.bytes.uint8(
                at: Int(packet.info.headerByteCount) + 20)
        }
    }

    /// Makes packet `number` here and forwards it.
    func originate(_ number: Int64, isKeyframe: Bool = false) {
        context.now = clock.now
        guard var packet = context.allocate() else { return }
        packet.append(byteCount: 12 + 188) { bytes in
            RTPHeader(
                sequenceNumber: UInt16(truncatingIfNeeded: number),
                timestamp: UInt32(truncatingIfNeeded: number),
                ssrc: ssrc
            ).write(into: &bytes)
            bytes.write(0x4700_4110 as UInt32, at: 12)
            if isKeyframe {
                bytes.write(0x4741_0030 as UInt32, at: 12)
                bytes.write(0x01_40_00_00 as UInt32, at: 16)
                bytes.write(0x0000_01E0 as UInt32, at: 18)
            }
            bytes.write(UInt8(truncatingIfNeeded: number), at: 32)
        }
        packet.info.extendedSequence = number
        packet.info.ssrc = ssrc
        packet.info.headerByteCount = 12
        packet.info.flags = .hasSequence
        member.originate(packet, now: context.now)
    }

    /// Asks `parent` for packets from `number` on: itself and those of the 16 after it whose bits are set in `mask`.
    func ask(_ parent: LocalMember, for number: Int64, _ mask: UInt16) {
        guard let link = member.node.link(to: parent.address.peerAddress) else { return }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 8)
        defer { memory.deallocate() }
        var bytes = MutableRawSpan(_unsafeBytes: memory)
        var writer = CompoundWriter(&bytes)
        let entries = [NACKEntry(packetID: UInt16(truncatingIfNeeded: number), lostMask: mask)]
        writer.writeReceiverReport(ssrc: 9)
        writer.writeRequest(senderSSRC: 9, mediaSSRC: member.node.epoch, entries: entries.span)
        let count = writer.byteCount
        member.send(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count])), link: link)
    }

    func end() { member.end(now: clock.now) }
    func leave() { member.node.leave(now: clock.now) }
    var isDone: Bool { member.isDone(now: clock.now) }

    /// Numbers missing between the first that came and `last`.
    func missing(through last: Int64) -> [Int64] {
        guard let first = received.keys.min(), first <= last else { return [last] }
        return (first...last).filter { received[$0] == nil }
    }
}

/// A source and members on the loopback.
final class LocalTree {
    let coordinator: LocalCoordinator
    let source: LocalMember
    var members: [LocalMember] = []
    /// The next packet's number.
    var next: Int64 = 65_000
    private var nextAt = Instant.zero
    private var clock: TreeClock { coordinator.clock }

    init(_ configuration: CoordinatorConfiguration = CoordinatorConfiguration(), children: Int = 4) throws {
        coordinator = LocalCoordinator(configuration)
        source = try LocalMember(coordinator, .source, children: children, ssrc: 0x1234_5670, seed: 1)
    }

    func join(children: Int = 4) throws -> LocalMember {
        let member = try LocalMember(
            coordinator, .viewer, children: children, seed: UInt64(members.count + 2))
        members.append(member)
        return member
    }

    /// Turns all for `span`, while the source sends a packet every 2 ms when `isSending`; ends early when `isEnough`.
    @discardableResult
    func run(_ span: Nanoseconds, isSending: Bool = true, until isEnough: () -> Bool = { false }) -> Bool {
        let end = clock.now + span
        nextAt = clock.now
        while clock.now < end {
            clock.turn()
            let now = clock.now
            coordinator.advance(to: now)
            while isSending, nextAt <= now {
                source.originate(next, isKeyframe: next % 100 == 0)
                next += 1
                nextAt = nextAt + .milliseconds(2)
            }
            source.turn()
            for member in members { member.turn() }
            if isEnough() { return true }
        }
        return false
    }
}
