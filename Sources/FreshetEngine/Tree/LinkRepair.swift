internal import FreshetCore
internal import FreshetOverlay
internal import FreshetWire

/// Repair, hop by hop, of a tree's member: the history that it keeps answers its children, and what it misses itself is
/// asked for at its parent first, then at its warm backups. The rules are those of ``RepairReceiver`` and
/// ``RepairSender``; peers are links.
final class LinkRepair {
    /// What a member keeps and how long it waits.
    struct Options {
        /// How long what is missing is of use.
        var latency = Nanoseconds.milliseconds(200)
        /// How long packets are kept.
        var historyDuration = Nanoseconds.seconds(4)
        /// Packets kept at most; each takes 2 176 bytes of the loop's pool.
        var historyLimit = 4096
        /// Repair bytes per hundred bytes of media for one child, at most.
        var budgetPercent = 100
    }

    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var receiver: RepairReceiver
    /// The history, and the answers out of it.
    @exclusivity(unchecked) var sender: RepairSender
    private let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 8)
    private let isSource: Bool
    /// When a child last asked for something.
    @exclusivity(unchecked) private(set) var lastAsked = Instant.zero

    init(_ options: Options, isSource: Bool, random: inout PRNG) {
        self.isSource = isSource
        let ssrc = UInt32(truncatingIfNeeded: random.next()) & ~1
        let name = CanonicalName(String(random.next(), radix: 36))
        var receiving = RepairReceiver.Configuration(latency: options.latency, ssrc: ssrc, name: name)
        receiving.reportInterval = .seconds(1)
        receiving.wantsHead = false
        receiver = RepairReceiver(receiving, random: random.split(by: 1))
        var sending = RepairSender.Configuration(name: name)
        sending.historyDuration = options.historyDuration
        sending.historyCapacity = options.historyLimit
        sending.budgetPercent = options.budgetPercent
        sending.maximumPeers = 1024
        sender = RepairSender(sending, random: random.split(by: 2))
    }

    deinit { datagram.deallocate() }

    /// A packet that came for the first time, or was made here.
    @inline(__always)
    func note(_ packet: borrowing Packet, now: Instant) {
        if !isSource {
            let info = packet.info
            receiver.note(
                sequence: info.extendedSequence, isRetransmission: info.flags.contains(.isRetransmission),
                mediaSSRC: info.ssrc, byteCount: packet.byteCount, arrival: now)
        }
        sender.note(packet, now: now)
    }

    /// The stream has come to `sequence`: what is missing up to there was lost.
    func noteHighest(_ sequence: Int64, now: Instant) { receiver.noteHighest(sequence, now: now) }

    /// Another parent is asked from now on.
    func changeParent(now: Instant) { receiver.changeSource(now: now) }

    /// Another stream begins.
    func restart() {
        receiver.reset()
        sender.reset()
    }

    /// RTCP came on `link`, from somebody above, below, or both.
    func read(_ bytes: RawSpan, link: Int, isAbove: Bool, isBelow: Bool, now: Instant) {
        if isAbove { receiver.read(bytes, now: now) }
        if isBelow {
            lastAsked = now
            sender.read(bytes, from: Peer(UInt32(link)), now: now)
        }
    }

    /// Nothing is missing of what is known to have been sent.
    var isWhole: Bool { receiver.openHoleCount == 0 }
    /// The round trip to the parent.
    var roundTrip: Nanoseconds { receiver.roundTrip.smoothed ?? .zero }
    /// Holes filled so far, and given up.
    var counts: (recovered: Int, lost: Int) {
        (receiver.statistics.recovered, receiver.statistics.lost)
    }

    /// When something is due.
    var deadline: Instant? { earliest(isSource ? nil : receiver.nextDeadline, sender.nextDeadline) }

    /// Sends what is due: requests to the link that `target` names for a round, repairs and replies to who asked.
    func run(
        context: inout StageContext, target: (Int) -> Int?,
        _ send: (RawSpan, Int) -> Void
    ) {
        guard let deadline, deadline <= context.now else { return }
        let now = context.now
        if !isSource {
            receiver.advance(to: now)
            ask(context: &context, target: target, send)
            context.counters[.roundTripNanoseconds] = Int(roundTrip.count)
        }
        sender.advance(to: now)
        while let repair = sender.nextRepair(pool: context.pool, now: now) {
            context.counters.add(.repairsOut)
            context.counters.add(.repairBytesOut, repair.packet.byteCount)
            send(repair.packet.bytes, Int(repair.peer.number))
        }
        answer(now, send)
    }

    private func ask(
        context: inout StageContext, target: (Int) -> Int?, _ send: (RawSpan, Int) -> Void
    ) {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let count = receiver.nextTransmit(into: &bytes, now: context.now) else { return }
            let request = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<count]))
            let round = LinkRepair.round(of: request)
            guard let link = target(max(0, round ?? 0)) else { continue }
            if round != nil { context.counters.add(.requestsOut) }
            send(request, link)
        }
    }

    /// In which round the oldest packet named in a request is asked for, from 0; `nil` when `datagram` is no request.
    private static func round(of datagram: RawSpan) -> Int? {
        guard var packets = CompoundPacket(parsing: datagram, allowsReducedSize: true) else { return nil }
        while let packet = packets.next() {
            if RepairRequest(packet) != nil { return packet.repairEntry(at: 0).map { Int($0.round) } }
            if RetransmissionRequest(packet) != nil { return 0 }
        }
        return nil
    }

    private func answer(_ now: Instant, _ send: (RawSpan, Int) -> Void) {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let transmit = sender.nextTransmit(into: &bytes, now: now) else { return }
            let reply = RawSpan(
                _unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<transmit.byteCount]))
            send(reply, Int(transmit.peer.number))
        }
    }
}
