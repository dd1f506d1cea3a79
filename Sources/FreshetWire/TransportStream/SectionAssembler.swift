/// Puts the sections of one PID together that go over several packets (ISO/IEC 13818-1 §2.4.4).
///
/// One section at a time, up to 1024 bytes of fixed storage: longer ones, which tables other than PAT and PMT may have, are
/// passed over, as is one that lost a packet.
public struct SectionAssembler: ~Copyable {
    private var storage = InlineArray<1024, UInt8>(repeating: 0)
    private var byteCount = 0
    private var isCollecting = false
    private var counter: UInt8?

    /// An assembler that has seen nothing.
    public init() {}

    /// Takes the packet `bytes`, whose header is `packet`, and calls `body` with each section that it completes.
    ///
    /// The caller has chosen the packets by their PID; ones without payload, damaged or scrambled ones are ignored.
    public mutating func take(
        _ packet: TSPacket, bytes: RawSpan, at offset: Int = 0, _ body: (borrowing TableSection) -> Void
    ) {
        guard packet.flags.contains(.hasPayload), !packet.flags.contains(.hasTransportError),
            packet.scrambling == 0, offset >= 0, offset <= bytes.byteCount &- TSPacket.byteCount
        else { return }
        if packet.continuityCounter == counter { return }
        let isContinuous = counter.map { ($0 &+ 1) & 0x0F == packet.continuityCounter } ?? true
        counter = packet.continuityCounter
        if !isContinuous { drop() }
        let payload = bytes.extracting((offset &+ packet.payloadOffset)..<(offset &+ TSPacket.byteCount))
        guard packet.flags.contains(.startsUnit) else {
            append(payload, body)
            return
        }
        guard payload.byteCount > 0 else { return drop() }
        let start = 1 &+ Int(payload.uint8(at: 0))
        guard start <= payload.byteCount else { return drop() }
        // What is before the pointer's place ends the section before; what follows begins anew.
        append(payload.extracting(1..<start), body)
        drop()
        isCollecting = true
        append(payload.extracting(start..<payload.byteCount), body)
    }

    private mutating func drop() {
        byteCount = 0
        isCollecting = false
    }

    private mutating func append(_ bytes: RawSpan, _ body: (borrowing TableSection) -> Void) {
        var place = 0
        while isCollecting, place < bytes.byteCount {
            // A section never starts with 0xFF: that is stuffing up to the packet's end.
            if byteCount == 0, bytes.uint8(at: place) == 0xFF { return drop() }
            storage[byteCount] = bytes.uint8(at: place)
            byteCount &+= 1
            place &+= 1
            guard byteCount >= 3 else { continue }
            let total = 3 &+ (Int(storage[1] & 0x0F) << 8 | Int(storage[2]))
            if total > TableSection.byteCountLimit { return drop() }
            guard byteCount >= total else { continue }
            if let section = TableSection(parsing: RawSpan(_elements: storage.span).extracting(first: total))
            {
                body(section)
            }
            byteCount = 0
        }
    }
}
