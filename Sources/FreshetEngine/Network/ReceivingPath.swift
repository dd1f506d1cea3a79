internal import FreshetCore
internal import FreshetNet

/// One way by which a stream comes: a media socket and the control socket beside it, read in batches. A stream may come
/// by several at once (SMPTE ST 2022-7); a class, because move-only values cannot be kept in an array.
final class ReceivingPath {
    /// Where it listens.
    let url: StreamURL
    // Unchecked exclusivity here and below: a path belongs to one stage on one thread.
    @exclusivity(unchecked) var media: ListeningSocket
    @exclusivity(unchecked) var reader = DatagramReader(capacity: 32)
    /// Where RTCP is heard and spoken; `nil` when there is none.
    @exclusivity(unchecked) private(set) var control: ControlPort?
    /// Its part in the repair of the group; `nil` where nothing is asked for in one.
    @exclusivity(unchecked) private(set) var member: GroupMember?
    /// Whom it listens to.
    @exclusivity(unchecked) var selector = SourceSelector()
    /// The media socket may have something to read.
    @exclusivity(unchecked) var isReadable = true
    /// Where the source's reports come from, and requests go to.
    @exclusivity(unchecked) var sourceControl: SocketAddress?
    /// The last that a source said before it was chosen, and who and when: it may be all that it still says.
    @exclusivity(unchecked) private var early: Packet?
    @exclusivity(unchecked) private var earlySender: SocketAddress?
    /// When a media packet last came by this path.
    @exclusivity(unchecked) var lastArrival = Instant.zero

    /// Opens the sockets at `url`.
    init(_ url: StreamURL, _ options: ReceiveOptions, context: inout StageContext) throws(StageError) {
        self.url = url
        do { media = try ListeningSocket(url.address, of: url, options) } catch {
            throw .failure(error.message)
        }
        if media.mustCheckDestination {
            reader.expect(url.address, interfaceIndex: media.interfaceIndex)
        }
        if media.bufferByteCount < options.bufferByteCount {
            context.report(
                .notice(
                    "the receive buffer is \(media.bufferByteCount) bytes, not \(options.bufferByteCount); "
                        + "raise net.core.rmem_max if packets are lost"))
        }
        openControl(options, context: &context)
        if url.scheme == .rtp && url.address.isMulticast && options.repair != .off && control != nil {
            member = GroupMember(url, options, context: &context)
        }
    }

    /// Listens to RTCP; a port that is taken costs the reports, not the stream.
    private func openControl(_ options: ReceiveOptions, context: inout StageContext) {
        guard url.hasControl ?? options.hasControl, let address = url.controlAddress else { return }
        do {
            control = ControlPort(try ListeningSocket(address, of: url, options))
        } catch { context.report(.notice("no reports are heard: \(error.message)")) }
    }

    /// Receives a batch of media; false when there was nothing.
    func receive(limit: Int, context: inout StageContext) -> Bool {
        let wanted = min(limit, reader.capacity)
        switch reader.receive(media.socket, limit: wanted, pool: context.pool, now: context.now) {
        case .success(let count):
            if count == 0 && context.pool.freeCount == 0 {
                context.counters.add(.poolExhausted)
                return false
            }
            // With the pool used up, fewer were asked for: the socket may hold more.
            if count < wanted && context.pool.freeCount > 0 { isReadable = false }
            return count > 0
        case .failure(let errno):
            isReadable = false
            switch errno {
            case .wouldBlock, .connectionRefused, .networkUnreachable, .interrupted: break
            default: context.report(.notice("receiving failed: \(errno)"))
            }
            return false
        }
    }

    /// True for a path whose sources are answered before they have sent media.
    var answersGreetings: Bool { url.scheme == .rist && !url.address.isMulticast }

    /// Reads what is said where no source was chosen yet, and hands it to `greet`; false when there is more.
    func readEarly(
        limit: Int, context: inout StageContext,
        _ greet: (borrowing Packet, SocketAddress, ControlPort) -> Void
    ) -> Bool {
        guard let control else { return true }
        return control.read(limit: limit, context: &context) { packet, sender, arrival, _ in
            greet(packet, sender, control)
            early = packet.share()
            early?.info.arrival = arrival
            earlySender = sender
        }
    }

    /// Hands to `take` what was said last before a source was chosen, now that one is.
    func takeEarly(_ take: (borrowing Packet, SocketAddress, Instant) -> Void) {
        guard selector.sender != nil, let packet = early.take(), let sender = earlySender else { return }
        take(packet, sender, packet.info.arrival)
    }

    /// Joins the group again: a switch may have forgotten us, an interface may be back.
    func rejoin() {
        _ = media.rejoin()
        control?.rejoin()
    }

    /// Interfaces or addresses have changed: joins again where the membership went with them, and only there,
    /// for between leaving and joining packets are missed.
    func confirm() {
        _ = media.confirm()
        control?.confirm()
    }
}
