public import FreshetCore
public import FreshetWire

/// Makes row and column parity of a stream, as SMPTE ST 2022-1 has it: packets stand in a matrix of L columns
/// and D rows, and each column, and each row if wanted, gives one parity packet.
///
/// Rows go out when they are complete. Columns are complete all at once, in the matrix's last row, and go out
/// one after every D packets of the next matrix, so that a burst that hits their packets does not hit them
/// too (ST 2022-1 §8.2). All storage is taken at start: two symbols for each column, one for the row.
public struct ParityGenerator: ~Copyable {
    /// L: packets in a row.
    public let columnCount: Int
    /// D: packets in a column.
    public let rowCount: Int
    private let hasRows: Bool
    private let stride: Int
    /// The row, then L columns being filled and L waiting, in turns.
    private let sums: UnsafeMutablePointer<UInt8>
    private var headers: [ParityHeader]
    private var lengths: [Int]
    /// Which half of the columns is being filled.
    private var half = 0
    /// Packets of the matrix so far.
    private var position = 0
    private var last: Int64?
    private var ssrc: UInt32 = 0
    private var timestamp: UInt32 = 0
    /// Columns of the matrix before that have not gone.
    private var waiting = 0..<0
    private var isRowReady = false
    private var columnSequence: UInt16
    private var rowSequence: UInt16

    /// The standard's bounds: 1 to 20 columns, 4 to 20 rows, 100 packets.
    public static func isAllowed(columns: Int, rows: Int) -> Bool {
        (1...20).contains(columns) && (4...20).contains(rows) && columns * rows <= 100
    }

    /// Parity of packets of up to `packetByteCount` bytes; `sequence` is where its own numbers begin. Traps
    /// unless ``isAllowed(columns:rows:)``.
    public init(columns: Int, rows: Int, hasRows: Bool, packetByteCount: Int, sequence: UInt16) {
        precondition(ParityGenerator.isAllowed(columns: columns, rows: rows))
        columnCount = columns
        rowCount = rows
        self.hasRows = hasRows
        stride = GF256.rowByteCount(packetByteCount)
        let slots = 1 + 2 * columns
        sums = UnsafeMutableRawPointer.allocate(byteCount: slots * stride, alignment: 64)
            .initializeMemory(as: UInt8.self, repeating: 0, count: slots * stride)
        let empty = ParityHeader(sequenceBase: 0, direction: .row, offset: 1, count: 1)
        headers = [ParityHeader](repeating: empty, count: slots)
        lengths = [Int](repeating: 0, count: slots)
        columnSequence = sequence
        rowSequence = sequence
    }

    deinit { UnsafeMutableRawPointer(sums).deallocate() }

    private func columnSlot(_ column: Int, half: Int) -> Int { 1 &+ half &* columnCount &+ column }

    /// Takes the next packet, a whole RTP packet. One that does not follow the one before starts a matrix
    /// anew.
    public mutating func add(_ packet: borrowing Packet) {
        let info = packet.info
        guard info.flags.contains(.hasSequence), packet.byteCount >= RTPHeader.fixedByteCount,
            packet.byteCount <= stride
        else { return }
        if let last, info.ssrc != ssrc || info.extendedSequence != last &+ 1 {
            // A copy, or one that was overtaken, is no reason.
            if info.ssrc == ssrc && info.extendedSequence <= last { return }
            position = 0
            waiting = 0..<0
            isRowReady = false
        }
        last = info.extendedSequence
        ssrc = info.ssrc
        timestamp = info.rtpTimestamp
        place(packet)
    }

    private mutating func place(_ packet: borrowing Packet) {
        let sequence = UInt16(truncatingIfNeeded: packet.info.extendedSequence)
        let column = position % columnCount
        let row = position / columnCount
        if hasRows {
            if column == 0 { clear(0, sequence, .row, offset: 1, count: columnCount) }
            add(packet, to: 0)
            isRowReady = column == columnCount &- 1
        }
        let slot = columnSlot(column, half: half)
        if row == 0 { clear(slot, sequence, .column, offset: columnCount, count: rowCount) }
        add(packet, to: slot)
        position &+= 1
        if position == columnCount &* rowCount {
            position = 0
            half = 1 &- half
            waiting = 0..<columnCount
        }
    }

    private mutating func clear(
        _ slot: Int, _ sequence: UInt16, _ direction: ParityHeader.Direction, offset: Int, count: Int
    ) {
        headers[slot] = ParityHeader(
            sequenceBase: sequence, direction: direction, offset: UInt8(offset), count: UInt8(count))
        (sums + slot * stride).update(repeating: 0, count: stride)
        lengths[slot] = 0
    }

    private mutating func add(_ packet: borrowing Packet, to slot: Int) {
        let bytes = packet.bytes
        let length = packet.byteCount &- RTPHeader.fixedByteCount
        headers[slot].lengthRecovery ^= UInt16(truncatingIfNeeded: length)
        headers[slot].flagRecovery ^= bytes.uint8(at: 0) & 0x3F
        headers[slot].typeRecovery ^= bytes.uint8(at: 1)
        headers[slot].timestampRecovery ^= bytes.uint32(at: 4)
        lengths[slot] = max(lengths[slot], length)
        if let start = packet.unsafeBytes.baseAddress {
            let payload = (start + RTPHeader.fixedByteCount).assumingMemoryBound(to: UInt8.self)
            GF256.add(payload, into: sums + slot * stride, byteCount: length)
        }
    }

    /// Writes the next parity datagram that is due into `target`, and says what it is; `nil` when none is.
    /// Ask after each packet, until `nil`. One that does not fit is passed over.
    public mutating func next(into target: inout MutableRawSpan) -> (
        byteCount: Int, direction: ParityHeader.Direction
    )? {
        if isRowReady {
            isRowReady = false
            rowSequence &+= 1
            if let count = write(0, rowSequence, into: &target) { return (count, .row) }
        }
        // Column c goes behind packet c · D of the next matrix.
        if let column = waiting.first, position > column &* rowCount {
            waiting = column &+ 1..<waiting.upperBound
            columnSequence &+= 1
            let slot = columnSlot(column, half: 1 &- half)
            if let count = write(slot, columnSequence, into: &target) { return (count, .column) }
        }
        return nil
    }

    /// The stream is over: the columns that still wait are due at once.
    public mutating func finish() { position = columnCount &* rowCount }

    private func write(_ slot: Int, _ sequence: UInt16, into target: inout MutableRawSpan) -> Int? {
        let total = ParityHeader.byteCount &+ lengths[slot]
        guard target.byteCount >= total else { return nil }
        headers[slot].write(sequenceNumber: sequence, timestamp: timestamp, into: &target)
        let source = UnsafeRawBufferPointer(start: sums + slot * stride, count: lengths[slot])
        target.withUnsafeMutableBytes { raw in
            UnsafeMutableRawBufferPointer(rebasing: raw[ParityHeader.byteCount..<total])
                .copyMemory(from: source)
        }
        return total
    }
}
