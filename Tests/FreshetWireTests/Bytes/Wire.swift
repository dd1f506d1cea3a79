import FreshetCore
import FreshetWire

/// Bytes for tests: written as hex text or taken from a seeded generator.
struct Wire: Equatable {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The bytes that `hex` spells; blanks between them are free.
    init(hex: String) {
        let digits = hex.compactMap { $0.hexDigitValue }
        bytes = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// What `body` writes into `byteCount` zeros.
    init(byteCount: Int, _ body: (inout MutableRawSpan) -> Void) {
        bytes = [UInt8](repeating: 0, count: byteCount)
        bytes.withUnsafeMutableBytes { raw in
            var span = MutableRawSpan(
                _unsafeElements: UnsafeMutableBufferPointer(
                    start: raw.baseAddress?.assumingMemoryBound(to: UInt8.self), count: raw.count))
            body(&span)
        }
    }

    /// A datagram as the compound writer makes it.
    static func compound(byteCount: Int = 512, _ body: (inout CompoundWriter) -> Void) -> Wire {
        var length = 0
        var wire = Wire(byteCount: byteCount) { span in
            var writer = CompoundWriter(&span)
            body(&writer)
            length = writer.byteCount
        }
        wire.bytes.removeSubrange(length...)
        return wire
    }

    /// Looks at the bytes.
    func read<Result>(_ body: (RawSpan) -> Result) -> Result {
        bytes.withUnsafeBytes { body(RawSpan(_unsafeBytes: $0)) }
    }

    /// Calls `body` with each packet of the RTCP datagram; false when it is none.
    @discardableResult
    func forEachPacket(_ body: (borrowing RTCPPacket) -> Void) -> Bool {
        read { bytes in
            guard var packets = CompoundPacket(parsing: bytes, allowsReducedSize: true) else { return false }
            while let packet = packets.next() { body(packet) }
            return true
        }
    }

    /// What `body` makes of the datagram's first packet; `nil` when it is not RTCP.
    func firstPacket<Result>(_ body: (borrowing RTCPPacket) -> Result?) -> Result? {
        read { bytes -> Result? in
            guard var packets = CompoundPacket(parsing: bytes, allowsReducedSize: true) else { return nil }
            guard let packet = packets.next() else { return nil }
            return body(packet)
        }
    }

    /// The same bytes after a few seeded changes: flipped bits, wrong bytes, cut or grown ends.
    func mutated(_ random: inout PRNG) -> Wire {
        var copy = self
        for _ in 0...random.below(4) {
            if copy.bytes.isEmpty || random.chance(1, in: 8) {
                copy.bytes.append(UInt8(truncatingIfNeeded: random.next()))
                continue
            }
            let place = Int(random.below(UInt64(copy.bytes.count)))
            switch random.below(4) {
            case 0: copy.bytes[place] ^= 1 << UInt8(random.below(8))
            case 1: copy.bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 2: copy.bytes[place] = random.chance(1, in: 2) ? 0 : 0xFF
            default: copy.bytes.removeSubrange(place...)
            }
        }
        return copy
    }
}

extension RawSpan {
    /// A copy of the bytes.
    var array: [UInt8] { (0..<byteCount).map { uint8(at: $0) } }
}
