internal import FreshetCore
internal import FreshetNet
internal import FreshetWire
internal import Glibc

/// The working part of both sending stages: destinations, and the reports beside the stream. One call a
/// batch.
final class StreamSender {
    // Unchecked exclusivity: a sender belongs to one stage on one thread.
    @exclusivity(unchecked) private var destinations: DestinationSet
    @exclusivity(unchecked) private var reports: SenderReports
    @exclusivity(unchecked) private var clock = ClockMapping()
    private let datagram = UnsafeMutableRawBufferPointer.allocate(
        byteCount: CompoundWriter.sufficientByteCount, alignment: 8)
    private let hasControl: Bool
    private let parity: FECSender?
    /// `nil` when what is lost is not sent again.
    private let repair: SenderRepair?
    @exclusivity(unchecked) private var isEnding = false
    @exclusivity(unchecked) private var opening: SenderOpening
    /// What goes next, while not all may go at once.
    @exclusivity(unchecked) private var next = PacketBatch(capacity: 1)

    /// Opens the sockets of `requests`.
    init(
        _ requests: [DestinationRequest], sendBufferByteCount: Int, history: HistoryOptions,
        fec: FECPlan = .none, random: inout PRNG
    ) throws(StageError) {
        if fec != .none && !requests.contains(where: { $0.url.scheme != .udp }) {
            throw .usage("parity goes beside RTP packets, and no destination is rtp://")
        }
        parity = FECSender(fec, random: &random)
        let destinations = try DestinationSet(requests, sendBufferByteCount: sendBufferByteCount)
        hasControl = requests.contains(where: \.hasControl)
        let answersRequests =
            history.isKept && requests.contains { $0.hasControl && $0.url.scheme != .udp }
        // RFC 7022: a short-term canonical name says nothing of the host.
        let name = String(random.next(), radix: 36) + String(random.next(), radix: 36)
        let canonicalName = CanonicalName(name)
        repair =
            answersRequests
            ? try SenderRepair(history, name: canonicalName, destinations, random: &random) : nil
        opening = SenderOpening(repair == nil ? [] : requests)
        self.destinations = destinations
        reports = SenderReports(
            name: canonicalName, ssrc: UInt32(truncatingIfNeeded: random.next()) & ~1,
            answersRequests: answersRequests)
    }

    /// What becomes readable with requests; -1 when none are heard.
    var controlDescriptor: Int32 { repair?.descriptor ?? -1 }

    deinit { datagram.deallocate() }

    /// Sends what is in `input`, and the report that is due.
    func process(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        if opening.isOver && next.isEmpty {
            try destinations.send(
                &input, reports: &reports, repair: repair, parity: parity, context: &context)
        } else {
            try begin(&input, context: &context)
        }
        if let deadline = reports.deadline, deadline <= context.now { report(context: &context) }
        if let repair, repair.isDue(context) { repair.run(destinations, context: &context) }
    }

    /// Greets the receivers, and then lets go what has waited, packet by packet.
    @inline(never)
    private func begin(_ input: inout PacketBatch, context: inout StageContext) throws(StageError) {
        if opening.isHolding {
            if input.isEmpty { return }
            let first = input[0].info
            opening.begin(first, now: context.now)
            if let repair, repair.isDue(context) { repair.run(destinations, context: &context) }
            let mayBegin = opening.mayBegin(now: context.now) { repair?.hasHeard($0) ?? true }
            reports.greet(first, every: opening.reportInterval, now: context.now)
            guard mayBegin || context.isStopping else { return }
            reports.begin()
            for _ in 1..<SenderOpening.firstPacketCount { destinations.sendAgain(input[0]) }
        }
        while true {
            if next.isEmpty {
                guard !input.isEmpty else { return opening.end() }
                guard opening.mayDepart(timestamp: input[0].info.rtpTimestamp, now: context.now),
                    let packet = input.popFirst()
                else { return }
                next.append(packet)
            }
            try destinations.send(
                &next, reports: &reports, repair: repair, parity: parity, context: &context)
            guard next.isEmpty else { return }
        }
    }

    /// Sends the report that is due.
    func advance(context: inout StageContext) {
        if let deadline = reports.deadline, deadline <= context.now { report(context: &context) }
    }

    private func report(context: inout StageContext) {
        context.counters[.sendErrors] = destinations.errorCount
        if let parity, let repair { parity.follow(loss: repair.worstLoss(context.now)) }
        guard hasControl else {
            reports.silence(until: context.now + SenderReports.interval)
            return
        }
        if opening.isHolding { opening.noteReport() }
        if isEnding && reports.hasGoodbyesLeft { repair?.sendLast(destinations) }
        clock.refresh(at: context.now)
        let wallTime = clock.wallTime(context.now)
        var bytes = MutableRawSpan(_unsafeBytes: datagram)
        let count = reports.write(into: &bytes, now: context.now, wallTime: wallTime, isEnding: isEnding)
        destinations.sendBeside(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: datagram[..<count])))
    }

    /// Says goodbye, as often as it takes, and answers for the end of the stream as long as somebody asks; true when
    /// done.
    func finish(context: inout StageContext) -> Bool {
        if let parity, !isEnding {
            parity.finish()
            destinations.send(parity, context: &context)
        }
        guard hasControl, reports.hasSaidAnything else {
            context.counters[.sendErrors] = destinations.errorCount
            return true
        }
        if !isEnding || (reports.deadline ?? .zero) <= context.now {
            isEnding = true
            report(context: &context)
        }
        if let repair {
            if repair.isDue(context) { repair.run(destinations, context: &context) }
            if !reports.hasGoodbyesLeft && !context.isStopping && repair.isWanted(context.now) {
                return false
            }
        }
        return !reports.hasGoodbyesLeft
    }

    /// When a report is due, or a socket is tried again.
    var nextDeadline: Instant? {
        earliest(
            earliest(opening.deadline, repair?.deadline),
            earliest(destinations.retryDeadline, reports.deadline))
    }

    // MARK: Describing

    /// Writes a session description of the first RTP destination to `path` (RFC 8866).
    static func describe(_ requests: [DestinationRequest], to path: String) throws(StageError) {
        guard let request = requests.first(where: { $0.url.scheme != .udp }) else {
            throw .usage("sdp describes an rtp:// destination, and there is none")
        }
        let address = request.url.address
        let origin =
            (try? request.interface.map { (name) throws(SystemCallError) in try NetworkInterface.named(name) })
            .flatMap { interface in interface?.addresses.first { $0.family == address.family }?.host }
        let description = SessionDescription(
            name: "Freshet", origin: origin ?? (address.family == .ipv4 ? "127.0.0.1" : "::1"),
            address: address.host,
            port: address.port, timeToLive: UInt8(clamping: request.ttl ?? 1),
            sources: address.isSourceSpecific ? [origin].compactMap { $0 } : [])
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw .failure("the description \(path) cannot be written (\(String(cString: strerror(errno))))")
        }
        defer { close(descriptor) }
        let bytes = Array(description.text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw .failure("the description \(path) cannot be written (\(String(cString: strerror(errno))))")
        }
    }
}
