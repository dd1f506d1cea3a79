import FreshetWire

/// The entries of one request, made from sequence numbers in rising order; no more than a datagram's worth.
struct EntryList {
    private var entries: InlineArray<32, NACKEntry> = .init(repeating: NACKEntry(packetID: 0, lostMask: 0))
    private var count = 0
    private var first = Int64.min

    var isEmpty: Bool { count == 0 }

    var span: Span<NACKEntry> {
        @_lifetime(borrow self)
        get { entries.span.extracting(first: count) }
    }

    /// Adds `sequence`, above all before it; false when the list is full.
    mutating func append(_ sequence: Int64) -> Bool {
        let step = sequence &- first
        if count > 0, step >= 1, step <= 16 {
            entries[count &- 1].lostMask |= 1 << UInt16(step &- 1)
            return true
        }
        guard count < 32 else { return false }
        entries[count] = NACKEntry(packetID: UInt16(truncatingIfNeeded: sequence), lostMask: 0)
        count &+= 1
        first = sequence
        return true
    }
}
