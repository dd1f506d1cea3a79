import FreshetCore
import FreshetOverlay
import FreshetWire

/// What the repair tests share: datagrams in and out of the nodes, and packets.
enum RepairBench {
    static let ssrc: UInt32 = 0xABCD_EF00

    static func instant(_ milliseconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000 + Int64(milliseconds * 1e6))
    }

    static func compound(_ body: (inout CompoundWriter) -> Void) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1400)
        var count = 0
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            var writer = CompoundWriter(&raw)
            body(&writer)
            count = writer.byteCount
        }
        return Array(bytes.prefix(count))
    }

    static func heartbeat(_ highest: Int64, count: UInt64 = 1 << 30) -> [UInt8] {
        compound { $0.write(Heartbeat(ssrc: ssrc, highestSequence: highest, packetCount: count)) }
    }

    static func receiver(
        latency: Int64 = 200, _ change: (inout RepairReceiver.Configuration) -> Void = { _ in }
    )
        -> RepairReceiver
    {
        var configuration = RepairReceiver.Configuration(
            latency: .milliseconds(latency), ssrc: 7, name: CanonicalName("r"))
        change(&configuration)
        return RepairReceiver(configuration, random: PRNG(seed: 5))
    }

    static func sender(_ change: (inout RepairSender.Configuration) -> Void = { _ in }) -> RepairSender {
        var configuration = RepairSender.Configuration(name: CanonicalName("s"))
        change(&configuration)
        return RepairSender(configuration, random: PRNG(seed: 6))
    }

    /// The datagrams that `receiver` wants to send at `now`.
    static func drain(_ receiver: inout RepairReceiver, _ now: Instant) -> [[UInt8]] {
        receiver.advance(to: now)
        var datagrams: [[UInt8]] = []
        while datagrams.count < 1000 {
            var bytes = [UInt8](repeating: 0, count: 1400)
            var count: Int?
            do {
                var span = bytes.mutableSpan
                var raw = span.mutableBytes
                count = receiver.nextTransmit(into: &raw, now: now)
            }
            guard let count else { break }
            datagrams.append(Array(bytes.prefix(count)))
        }
        return datagrams
    }

    /// Every number asked for in `datagrams`, as 16 bits, in either form.
    static func asked(_ datagrams: [[UInt8]]) -> Set<UInt16> {
        var numbers: Set<UInt16> = []
        for datagram in datagrams {
            guard var packets = CompoundPacket(parsing: datagram.span.bytes, allowsReducedSize: true) else {
                continue
            }
            while let packet = packets.next() {
                if let request = RepairRequest(packet) { collect(request, packet, &numbers) }
                if let request = RetransmissionRequest(packet) { collect(request, packet, &numbers) }
            }
        }
        return numbers
    }

    private static func collect(
        _ request: RepairRequest, _ packet: borrowing RTCPPacket, _ numbers: inout Set<UInt16>
    ) {
        for index in 0..<packet.repairEntryCount {
            guard let entry = packet.repairEntry(at: index) else { continue }
            let first = request.base + Int64(entry.offset)
            numbers.insert(UInt16(truncatingIfNeeded: first))
            for bit in 0..<16 where entry.lostMask >> UInt16(bit) & 1 == 1 {
                numbers.insert(UInt16(truncatingIfNeeded: first + Int64(bit) + 1))
            }
        }
    }

    private static func collect(
        _ request: RetransmissionRequest, _ packet: borrowing RTCPPacket, _ numbers: inout Set<UInt16>
    ) {
        for index in 0..<request.entryCount {
            if request.form == .range, let range = packet.nackRange(at: index) {
                for step in 0...range.additionalCount { numbers.insert(range.first &+ step) }
            } else if let entry = packet.nackEntry(at: index) {
                numbers.insert(entry.packetID)
                for bit in 0..<16 where entry.lostMask >> UInt16(bit) & 1 == 1 {
                    numbers.insert(entry.packetID &+ UInt16(bit) &+ 1)
                }
            }
        }
    }

    /// Gives `sender` the packets `numbers`, a millisecond apart from `start` on.
    static func feed(
        _ sender: inout RepairSender, _ numbers: ClosedRange<Int64>, pool: PacketPool, from start: Instant
    ) {
        for sequence in numbers {
            guard var packet = pool.allocate() else { return }
            packet.append(byteCount: 200) { bytes in
                RTPHeader.write(
                    sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: 0, ssrc: ssrc,
                    into: &bytes)
            }
            var info = PacketInfo()
            info.flags = [.hasSequence]
            info.ssrc = ssrc
            info.extendedSequence = sequence
            info.headerByteCount = 12
            packet.info = info
            sender.note(packet, now: start + .milliseconds(sequence - numbers.lowerBound))
        }
    }

    /// The sequence numbers of the repairs that leave at `now`.
    static func repairs(_ sender: inout RepairSender, pool: PacketPool, _ now: Instant) -> [(
        number: Int64, peer: Peer
    )] {
        var result: [(number: Int64, peer: Peer)] = []
        sender.advance(to: now)
        while let repair = sender.nextRepair(pool: pool, now: now) {
            precondition(repair.packet.bytes.uint32(at: 8) == ssrc | 1)
            precondition(repair.packet.info.flags.contains(.isRetransmission))
            result.append((repair.packet.info.extendedSequence, repair.peer))
        }
        return result
    }

    /// What ``request(_:_:)`` says of the round trip.
    static let toldRoundTrip = Nanoseconds.milliseconds(20)

    static func request(_ base: Int64, _ entries: [RepairEntry]) -> [UInt8] {
        compound {
            $0.write(
                RepairRequest(
                    senderSSRC: 7, mediaSSRC: ssrc, spacing: 20,
                    roundTrip: RepairRequest.tenths(toldRoundTrip),
                    base: base),
                entries: entries.span)
        }
    }

    static func nack(_ numbers: [UInt16]) -> [UInt8] {
        let entries = numbers.map { NACKEntry(packetID: $0, lostMask: 0) }
        return compound { $0.writeRequest(senderSSRC: 7, mediaSSRC: ssrc, entries: entries.span) }
    }
}
