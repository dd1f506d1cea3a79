public import FreshetCore
internal import FreshetWire

/// Gives back packets that were lost, from row and column parity (SMPTE ST 2022-1), each as soon as it can be
/// known: a packet found by its row may be the one that its column waited for, and so on.
///
/// All storage is taken at start. Parity comes from the network and may lie: each datagram costs at most the
/// packets it names, the table of those that wait is bounded, and a result counts only when it is a packet of
/// the stream with that number.
public struct ParityRecoverer: ~Copyable {
    /// What was made of the parity that came.
    public struct Totals: Sendable, Equatable {
        /// Packets given back.
        public var recovered = 0
        /// Parity of which nothing was missing.
        public var unneeded = 0
        /// Parity of packets that have passed, or that waited in vain.
        public var expired = 0
        /// Datagrams that cannot be what they say, and results that are no packet of the stream.
        public var malformed = 0
    }

    /// Parity that waits for all but one of its packets.
    private struct Entry {
        var isUsed = false
        var base: Int64 = 0
        var header = ParityHeader(sequenceBase: 0, direction: .row, offset: 1, count: 1)
        var byteCount = 0
        var missing = 0
    }

    private var symbols: SymbolRing
    private var recovered: FixedRing<Int64>
    private var entries: [Entry]
    private let sums: UnsafeMutablePointer<UInt8>
    private var usedCount = 0
    private var nextVictim = 0
    private var ssrc: UInt32 = 0
    /// The SSRC as packets of the source carry it, and their payload type.
    private var wireSSRC: UInt32 = 0
    private var payloadType: UInt8 = RTPHeader.transportStreamPayloadType
    /// The highest sequence number that came; `nil` before the first.
    public private(set) var highest: Int64?
    /// What was made of the parity so far.
    public private(set) var totals = Totals()

    /// Parity that waits at once: two matrices' rows and columns.
    static let entryLimit = 96
    /// Packets kept: parity that reaches further is refused.
    static let packetLimit = 1024

    /// A recoverer of packets of up to `packetByteCount` bytes.
    public init(packetByteCount: Int) {
        symbols = SymbolRing(
            count: ParityRecoverer.packetLimit, symbolByteCount: packetByteCount + SymbolRing.prefixByteCount)
        recovered = FixedRing(capacity: ParityRecoverer.packetLimit)
        entries = [Entry](repeating: Entry(), count: ParityRecoverer.entryLimit)
        sums = UnsafeMutableRawPointer.allocate(
            byteCount: ParityRecoverer.entryLimit * symbols.stride, alignment: 64
        ).bindMemory(to: UInt8.self, capacity: ParityRecoverer.entryLimit * symbols.stride)
    }

    deinit { UnsafeMutableRawPointer(sums).deallocate() }

    /// Learns `packet`, a whole RTP packet with its extended sequence number, whichever way it came. One of
    /// another stream (SSRC) starts anew.
    public mutating func addSource(_ packet: borrowing Packet) {
        let info = packet.info
        guard info.flags.contains(.hasSequence), packet.byteCount >= RTPHeader.fixedByteCount else { return }
        let sequence = info.extendedSequence
        if highest == nil || info.ssrc != ssrc { restart(info.ssrc, at: sequence) }
        if !info.flags.contains(.isRetransmission) {
            wireSSRC = packet.bytes.uint32(at: 8)
            payloadType = packet.bytes.uint8(at: 1) & 0x7F
        }
        if let highest, sequence <= highest {
            if sequence <= highest &- Int64(symbols.capacity) || symbols.contains(sequence) { return }
        } else {
            highest = sequence
        }
        guard symbols.store(sequence, packet) else { return }
        if usedCount > 0 { learn(sequence) }
    }

    private mutating func restart(_ ssrc: UInt32, at sequence: Int64) {
        self.ssrc = ssrc
        highest = sequence
        symbols.removeAll()
        recovered.removeAll()
        for index in entries.indices { entries[index].isUsed = false }
        usedCount = 0
    }

    /// One packet more is known: parity that waited for it may have only one left.
    private mutating func learn(_ sequence: Int64) {
        for index in entries.indices where entries[index].isUsed && covers(entries[index], sequence) {
            entries[index].missing &-= 1
        }
        settle()
    }

    private func covers(_ entry: Entry, _ sequence: Int64) -> Bool {
        let distance = sequence &- entry.base
        let offset = Int64(entry.header.offset)
        return distance >= 0 && distance < offset &* Int64(entry.header.count) && distance % offset == 0
    }

    /// Uses all parity that lacks one packet or none, until there is no more.
    private mutating func settle() {
        while let index = entries.firstIndex(where: { $0.isUsed && $0.missing <= 1 }) {
            release(index)
            if let sequence = missing(of: entries[index]) { recover(sequence, index) }
        }
    }

    private mutating func release(_ index: Int) {
        entries[index].isUsed = false
        usedCount &-= 1
    }

    private func missing(of entry: Entry) -> Int64? {
        for step in 0..<Int64(entry.header.count) {
            let sequence = entry.base &+ step &* Int64(entry.header.offset)
            if !symbols.contains(sequence) { return sequence }
        }
        return nil
    }

    /// Takes up one datagram of parity, RTP header included.
    public mutating func addParity(_ bytes: RawSpan) {
        guard let highest, let header = ParityHeader(parsing: bytes) else { return totals.malformed &+= 1 }
        let length = bytes.byteCount &- ParityHeader.byteCount
        let reach = Int64(header.offset) &* Int64(header.count &- 1)
        guard length <= symbols.stride &- 14, reach < Int64(symbols.capacity) / 2 else {
            return totals.malformed &+= 1
        }
        let base = SymbolRing.nearest(header.sequenceBase, to: highest)
        guard base > highest &- Int64(symbols.capacity) * 3 / 4, base &+ reach <= highest &+ reach &+ 64
        else {
            return totals.expired &+= 1
        }
        var entry = Entry(isUsed: true, base: base, header: header, byteCount: length, missing: 0)
        for step in 0..<Int64(header.count) {
            let sequence = base &+ step &* Int64(header.offset)
            if !symbols.contains(sequence) {
                entry.missing &+= 1
            } else if symbols.byteCount(sequence) > length &+ 14 {
                // Parity is as long as the longest packet that it protects.
                return totals.malformed &+= 1
            }
        }
        if entry.missing == 0 { return totals.unneeded &+= 1 }
        store(entry, bytes)
        if entry.missing == 1 { settle() }
    }

    private mutating func store(_ entry: Entry, _ bytes: RawSpan) {
        var index = entries.firstIndex { !$0.isUsed }
        if index == nil {
            index = nextVictim
            nextVictim = (nextVictim &+ 1) % entries.count
            release(index ?? 0)
            totals.expired &+= 1
        }
        guard let index else { return }
        entries[index] = entry
        usedCount &+= 1
        let target = UnsafeMutableRawPointer(sums + index * symbols.stride)
        bytes.withUnsafeBytes { raw in
            if let start = raw.baseAddress {
                target.copyMemory(from: start + ParityHeader.byteCount, byteCount: entry.byteCount)
            }
        }
    }

    /// Computes packet `sequence`, the only one of entry `index` that is not here.
    private mutating func recover(_ sequence: Int64, _ index: Int) {
        let entry = entries[index]
        // A packet that has left the window would be missed in the sum.
        guard let highest, entry.base > highest &- Int64(symbols.capacity), !recovered.isFull else {
            totals.expired &+= 1
            return
        }
        let target = symbols.claim(sequence, byteCount: symbols.stride)
        target.update(repeating: 0, count: symbols.stride)
        (target + 14).update(from: sums + index * symbols.stride, count: entry.byteCount)
        var sum = entry.header
        for step in 0..<Int64(sum.count) {
            let other = entry.base &+ step &* Int64(sum.offset)
            if other != sequence { add(other, to: target, &sum, limit: entry.byteCount) }
        }
        let length = Int(sum.lengthRecovery) &+ RTPHeader.fixedByteCount
        write(sum, sequence, length: length, into: target)
        guard sum.lengthRecovery <= entry.byteCount, sum.typeRecovery & 0x7F == payloadType,
            symbols.acceptPacket(sequence, ofStream: ssrc, symbolByteCount: length &+ 2)
        else {
            symbols.remove(sequence)
            totals.malformed &+= 1
            return
        }
        self.highest = max(highest, sequence)
        totals.recovered &+= 1
        recovered.append(sequence)
        for index in entries.indices where entries[index].isUsed && covers(entries[index], sequence) {
            entries[index].missing &-= 1
        }
    }

    /// Takes packet `sequence` out of a sum.
    private func add(
        _ sequence: Int64, to target: UnsafeMutablePointer<UInt8>, _ sum: inout ParityHeader, limit: Int
    ) {
        let symbol = symbols.symbol(sequence)
        let length = symbols.byteCount(sequence) &- 14
        sum.lengthRecovery ^= UInt16(truncatingIfNeeded: length)
        sum.flagRecovery ^= symbol[2] & 0x3F
        sum.typeRecovery ^= symbol[3]
        sum.timestampRecovery ^= UnsafeRawPointer(symbol + 6).loadUnaligned(as: UInt32.self).bigEndian
        GF256.add(symbol + 14, into: target + 14, byteCount: min(length, limit))
    }

    /// Writes length and RTP header of the packet in front of its payload.
    private func write(
        _ sum: ParityHeader, _ sequence: Int64, length: Int, into target: UnsafeMutablePointer<UInt8>
    ) {
        target[0] = UInt8(truncatingIfNeeded: length >> 8)
        target[1] = UInt8(truncatingIfNeeded: length)
        var header = MutableRawSpan(_unsafeStart: target + 2, byteCount: RTPHeader.fixedByteCount)
        RTPHeader.write(
            payloadType: sum.typeRecovery & 0x7F, marker: sum.typeRecovery & 0x80 != 0,
            sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: sum.timestampRecovery,
            ssrc: wireSSRC, into: &header)
        header.write(0x80 | sum.flagRecovery & 0x3F, at: 0)
    }

    /// Puts the next packet that was given back into `packet`, which is empty, with what its header says, and
    /// marked as computed; its arrival and epoch are the caller's to say. Gives its sequence number; `nil`
    /// when there is none.
    public mutating func nextRecovered(into packet: inout Packet) -> Int64? {
        while let sequence = recovered.popFirst() {
            if symbols.copy(sequence, ofStream: ssrc, into: &packet) { return sequence }
        }
        return nil
    }

    /// True when ``nextRecovered(into:)`` has something to give.
    public var hasRecovered: Bool { !recovered.isEmpty }
}
