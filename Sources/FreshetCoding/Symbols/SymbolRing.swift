internal import FreshetCore

/// The last packets of a stream as source symbols, by extended sequence number; storage taken once.
///
/// A symbol is the RTP packet behind its length (16 bits), padded with zeros (RFC 8680 §4, without the flow
/// identifier: there is one flow). The place of a number is its remainder, so a newer packet takes the place
/// of the one `capacity` before it.
struct SymbolRing: ~Copyable {
    /// Bytes of length in front of each packet.
    static var prefixByteCount: Int { 2 }

    /// How many symbols there is room for; a power of two.
    let capacity: Int
    /// Bytes of a symbol's place: whole rows.
    let stride: Int
    private let bytes: UnsafeMutablePointer<UInt8>
    private let sequences: UnsafeMutablePointer<Int64>
    private let lengths: UnsafeMutablePointer<Int>

    /// Room for at least `count` symbols of up to `symbolByteCount` bytes.
    init(count: Int, symbolByteCount: Int) {
        precondition(count > 0 && count <= 1 << 14 && symbolByteCount > 2 && symbolByteCount <= 1 << 16)
        var capacity = 64
        while capacity < count { capacity *= 2 }
        self.capacity = capacity
        stride = GF256.rowByteCount(symbolByteCount)
        // Not written here: a place uses memory only once it is filled.
        bytes = UnsafeMutableRawPointer.allocate(byteCount: capacity * stride, alignment: 64)
            .bindMemory(to: UInt8.self, capacity: capacity * stride)
        sequences = .allocate(capacity: capacity)
        sequences.initialize(repeating: .min, count: capacity)
        lengths = .allocate(capacity: capacity)
        lengths.initialize(repeating: stride, count: capacity)
    }

    deinit {
        UnsafeMutableRawPointer(bytes).deallocate()
        sequences.deallocate()
        lengths.deallocate()
    }

    /// The place of `sequence`.
    func place(_ sequence: Int64) -> Int { Int(truncatingIfNeeded: sequence) & (capacity &- 1) }

    /// True when the symbol of `sequence` is here.
    func contains(_ sequence: Int64) -> Bool { sequences[place(sequence)] == sequence }

    /// The bytes of the symbol of `sequence`, zeros behind it; only while it is here.
    func symbol(_ sequence: Int64) -> UnsafeMutablePointer<UInt8> { bytes + place(sequence) * stride }

    /// Bytes of the symbol of `sequence`, its padding aside; only while it is here.
    func byteCount(_ sequence: Int64) -> Int { lengths[place(sequence)] }

    /// Takes `packet`, the whole RTP packet, as the symbol of `sequence`; false when it is too long.
    ///
    /// RIST's mark of a retransmission is taken off, so that a packet is the same symbol however it came.
    mutating func store(_ sequence: Int64, _ packet: borrowing Packet) -> Bool {
        let count = packet.byteCount
        guard count >= 12, count <= stride &- SymbolRing.prefixByteCount else { return false }
        let target = claim(sequence, byteCount: count &+ SymbolRing.prefixByteCount)
        target[0] = UInt8(truncatingIfNeeded: count >> 8)
        target[1] = UInt8(truncatingIfNeeded: count)
        if let source = packet.unsafeBytes.baseAddress {
            UnsafeMutableRawPointer(target + 2).copyMemory(from: source, byteCount: count)
        }
        if packet.info.flags.contains(.isRetransmission) { target[13] &= ~1 }
        return true
    }

    /// The place of `sequence`, marked as filled with `byteCount` bytes that the caller writes now; zeros
    /// behind them.
    mutating func claim(_ sequence: Int64, byteCount: Int) -> UnsafeMutablePointer<UInt8> {
        let place = place(sequence)
        let target = bytes + place * stride
        if lengths[place] > byteCount {
            (target + byteCount).update(repeating: 0, count: lengths[place] &- byteCount)
        }
        sequences[place] = sequence
        lengths[place] = byteCount
        return target
    }

    /// Forgets the symbol of `sequence`.
    mutating func remove(_ sequence: Int64) {
        if contains(sequence) { sequences[place(sequence)] = .min }
    }

    /// Forgets all.
    mutating func removeAll() { sequences.update(repeating: .min, count: capacity) }
}
