internal import FreshetCore
internal import FreshetOverlay
internal import FreshetWire

/// Repair, hop by hop, of a tree's member: the history that it keeps answers its children, and what it misses itself is
/// asked for at the stripe's parent first, then at its warm backups. The rules are those of ``RepairReceiver`` and
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

    /// The receiving end of repair on one stripe: each comes by a way of its own, in an order of its own.
    private final class Stripe {
        @exclusivity(unchecked) var receiver: RepairReceiver

        init(_ configuration: RepairReceiver.Configuration, random: PRNG) {
            receiver = RepairReceiver(configuration, random: random)
        }
    }

    // Unchecked exclusivity: belongs to one stage on one thread.
    @exclusivity(unchecked) private var stripes: [Stripe] = []
    private let asking: RepairReceiver.Configuration
    @exclusivity(unchecked) private var random: PRNG
    /// The lowest number that came, and by when packets still come in an order of no meaning.
    @exclusivity(unchecked) private var head: (lowest: Int64, until: Instant)?
    @exclusivity(unchecked) private var isYoung = true
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
        asking = receiving
        self.random = random.split(by: 1)
        var sending = RepairSender.Configuration(name: name)
        sending.historyDuration = options.historyDuration
        sending.historyCapacity = options.historyLimit
        sending.budgetPercent = options.budgetPercent
        sending.maximumPeers = 1024
        sender = RepairSender(sending, random: random.split(by: 2))
        split(into: 1)
    }

    deinit { datagram.deallocate() }

    /// The stream has so many stripes: packet n belongs to stripe n mod `count`.
    func split(into count: Int) {
        if isSource || count == stripes.count { return }
        var configuration = asking
        configuration.stride = Int64(count)
        configuration.maximumHoles = max(256, asking.maximumHoles / count)
        stripes = (0..<count).map { Stripe(configuration, random: random.split(by: UInt64($0))) }
    }

    /// A packet of `stripe` that came for the first time, or was made here.
    @inline(__always)
    func note(_ packet: borrowing Packet, stripe: Int, now: Instant) {
        if stripe < stripes.count {
            let info = packet.info
            var isRetransmission = info.flags.contains(.isRetransmission)
            if info.flags.contains(.isFromParity) {
                // It is as good as come: what is behind it on its stripe has no hole here.
                stripes[stripe].receiver.noteFilled(info.extendedSequence, arrival: now)
                isRetransmission = false
            }
            stripes[stripe].receiver.note(
                sequence: info.extendedSequence, isRetransmission: isRetransmission,
                mediaSSRC: info.ssrc, byteCount: packet.byteCount, arrival: now)
            if isYoung { noteHead(info, now) }
        }
        sender.note(packet, now: now)
    }

    /// Stripes begin at different moments, and perhaps at different packets: what one of them begins with is wanted of
    /// all.
    @inline(never)
    private func noteHead(_ info: PacketInfo, _ now: Instant) {
        let until = head?.until ?? now + asking.latency
        isYoung = now < until
        if info.flags.contains(.isRetransmission) { return }
        let lowest = min(head?.lowest ?? info.extendedSequence, info.extendedSequence)
        head = (lowest, until)
        for stripe in stripes { stripe.receiver.noteFirst(lowest, now: now) }
    }

    /// The stream has come to `sequence`: what is missing up to there was lost.
    func noteHighest(_ sequence: Int64, now: Instant) {
        for stripe in stripes { stripe.receiver.noteHighest(sequence, now: now) }
    }

    /// Another parent is asked for `stripe` from now on.
    func changeParent(of stripe: Int, now: Instant) {
        if stripe < stripes.count { stripes[stripe].receiver.changeSource(now: now) }
    }

    /// Another stream begins.
    func restart() {
        for stripe in stripes { stripe.receiver.reset() }
        head = nil
        isYoung = true
        sender.reset()
    }

    /// RTCP came from somebody above, who is asked for the stripes for which `isAsked` is true.
    func read(_ bytes: RawSpan, now: Instant, isAsked: (Int) -> Bool) {
        for stripe in stripes.indices where isAsked(stripe) { stripes[stripe].receiver.read(bytes, now: now) }
    }

    /// RTCP came on `link`, from somebody below.
    func answer(_ bytes: RawSpan, to link: Int, now: Instant) {
        lastAsked = now
        sender.read(bytes, from: Peer(UInt32(link)), now: now)
    }

    /// Nothing is missing of what is known to have been sent.
    var isWhole: Bool { stripes.allSatisfy { $0.receiver.openHoleCount == 0 } }
    /// The longest round trip to a parent.
    var roundTrip: Nanoseconds {
        var longest = Nanoseconds.zero
        for stripe in stripes { longest = max(longest, stripe.receiver.roundTrip.smoothed ?? .zero) }
        return longest
    }
    /// Holes filled so far, and given up.
    var counts: (recovered: Int, lost: Int) {
        stripes.reduce((0, 0)) {
            ($0.0 + $1.receiver.statistics.recovered, $0.1 + $1.receiver.statistics.lost)
        }
    }

    /// When something is due.
    var deadline: Instant? {
        var deadline = sender.nextDeadline
        for stripe in stripes { deadline = earliest(deadline, stripe.receiver.nextDeadline) }
        return deadline
    }

    /// Sends what is due: requests to the link that `target` names for a stripe and a round, repairs and replies to who
    /// asked.
    func run(
        context: inout StageContext, target: (Int, Int) -> Int?,
        _ send: (RawSpan, Int) -> Void
    ) {
        guard let deadline, deadline <= context.now else { return }
        let now = context.now
        for stripe in stripes.indices {
            stripes[stripe].receiver.advance(to: now)
            ask(stripe, context: &context, target: target, send)
        }
        if !isSource { context.counters[.roundTripNanoseconds] = Int(roundTrip.count) }
        sender.advance(to: now)
        while let repair = sender.nextRepair(pool: context.pool, now: now) {
            let link = Int(repair.peer.number)
            give(repair.takePacket(), to: link, context: &context, send)
        }
        reply(now, send)
    }

    /// A function of its own: in the loop the compiler puts each repair on the heap.
    private func give(
        _ packet: borrowing Packet, to link: Int, context: inout StageContext, _ send: (RawSpan, Int) -> Void
    ) {
        context.counters.add(.repairsOut)
        context.counters.add(.repairBytesOut, packet.byteCount)
        send(packet.bytes, link)
    }

    private func ask(
        _ stripe: Int, context: inout StageContext, target: (Int, Int) -> Int?, _ send: (RawSpan, Int) -> Void
    ) {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let count = stripes[stripe].receiver.nextTransmit(into: &bytes, now: context.now) else {
                return
            }
            let request = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<count]))
            let round = LinkRepair.round(of: request)
            guard let link = target(stripe, max(0, round ?? 0)) else { continue }
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

    private func reply(_ now: Instant, _ send: (RawSpan, Int) -> Void) {
        while true {
            var bytes = MutableRawSpan(_unsafeBytes: datagram)
            guard let transmit = sender.nextTransmit(into: &bytes, now: now) else { return }
            let reply = RawSpan(
                _unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<transmit.byteCount]))
            send(reply, Int(transmit.peer.number))
        }
    }
}
