public import FreshetCore
internal import FreshetWire

/// Gives back packets that were lost, from those that came and repair symbols (RFC 8681), each as soon as it
/// can be known.
///
/// Packets that come are kept as symbols. A repair of a window in which nothing is missing costs nothing. One
/// with unknowns becomes an equation, solved against the others at once (incremental Gaussian elimination),
/// so the work of a burst is spread over its repairs. All storage is taken at start: a symbol for each packet
/// of twice the window, and one for each equation.
///
/// Repairs come from the network and may lie. What one costs is bounded by the window and the number of
/// equations; what it yields is given out only when length, sequence number and source fit.
public struct RLCDecoder: ~Copyable {
    /// What was made of the repairs that came.
    public struct Totals: Sendable, Equatable {
        /// Packets given back.
        public var recovered = 0
        /// Repairs that became an equation.
        public var used = 0
        /// Repairs of windows in which nothing new could be learned.
        public var unneeded = 0
        /// Repairs of windows that have passed, or that lie too far ahead.
        public var expired = 0
        /// Repairs that cannot be what they say, or of another stream; and results that are no packet of it.
        public var malformed = 0
    }

    private var symbols: SymbolRing
    private var equations: EquationTable
    private var recovered: FixedRing<Int64>
    private let ahead: Int64
    private var ssrc: UInt32 = 0
    /// The most packets that a repair's window may have.
    public let window: Int
    /// The highest sequence number that came; `nil` before the first.
    public private(set) var highest: Int64?
    /// What was made of the repairs so far.
    public private(set) var totals = Totals()

    /// The window of a Freshet receiver: with what it keeps besides, parity is of use that comes 1536 packets after those
    /// that it protects.
    public static let usualWindow = 1024

    /// The most losses solved for at once.
    static let equationLimit = 128

    /// A decoder for windows of up to `window` packets (2048 at most), each up to `symbolByteCount` bytes
    /// with the two of its length.
    public init(window: Int, symbolByteCount: Int) {
        precondition(window > 0 && window <= 2048)
        self.window = window
        symbols = SymbolRing(count: window * 2, symbolByteCount: symbolByteCount)
        equations = EquationTable(
            capacity: min(RLCDecoder.equationLimit, window), columnCount: symbols.capacity,
            stride: symbols.stride)
        recovered = FixedRing(capacity: symbols.capacity)
        // A burst at the end of a window is known of by its repair only.
        ahead = Int64(symbols.capacity / 4)
    }

    /// Sequence numbers below are forgotten.
    private var base: Int64 { (highest ?? 0) &+ ahead &- Int64(symbols.capacity) &+ 1 }

    /// Packets missing that some equation speaks of.
    public var equationCount: Int { equations.count }

    /// Learns `packet`, a whole RTP packet with its extended sequence number, whichever way it came. One of
    /// another stream (SSRC) starts anew.
    public mutating func addSource(_ packet: borrowing Packet) {
        let info = packet.info
        guard info.flags.contains(.hasSequence) else { return }
        let sequence = info.extendedSequence
        if let highest, info.ssrc == ssrc {
            if sequence > highest {
                move(to: sequence, from: highest)
            } else if sequence < base || symbols.contains(sequence) {
                return
            }
        } else {
            restart(ssrc: info.ssrc, at: sequence)
        }
        guard symbols.store(sequence, packet) else { return }
        if equations.count > 0 { learn(sequence) }
    }

    private mutating func restart(ssrc: UInt32, at sequence: Int64) {
        self.ssrc = ssrc
        highest = sequence
        symbols.removeAll()
        equations.removeAll()
        recovered.removeAll()
    }

    private mutating func move(to sequence: Int64, from former: Int64) {
        if sequence &- former >= Int64(symbols.capacity) {
            symbols.removeAll()
            equations.removeAll()
        }
        highest = sequence
        equations.slide(to: base)
    }

    /// Takes what is known of `sequence` out of the equations, and gives out what follows.
    private mutating func learn(_ sequence: Int64) {
        let bytes = symbols.symbol(sequence)
        let count = symbols.byteCount(sequence)
        for index in 0..<equations.capacity {
            equations.substitute(sequence, bytes, byteCount: count, in: index)
        }
        harvest()
    }

    /// Takes up one repair: header and symbol, without the RTP header in front.
    public mutating func addRepair(_ bytes: RawSpan) {
        guard let header = RLCRepairHeader(parsing: bytes) else { return totals.malformed &+= 1 }
        addRepair(header, bytes)
    }

    private mutating func addRepair(_ header: RLCRepairHeader, _ bytes: RawSpan) {
        let length = bytes.byteCount &- RLCRepairHeader.byteCount
        guard let highest, header.ssrc == ssrc, header.count <= window, length <= symbols.stride,
            length > SymbolRing.prefixByteCount
        else { return totals.malformed &+= 1 }
        let first = SymbolRing.nearest(UInt16(truncatingIfNeeded: header.first), to: highest)
        let last = first &+ Int64(header.count) &- 1
        guard first >= base, last <= highest &+ ahead else { return totals.expired &+= 1 }
        // A symbol is as long as the longest packet of its window.
        guard let missing = missingCount(first, last, symbolByteCount: length) else {
            return totals.malformed &+= 1
        }
        guard missing > 0 else { return totals.unneeded &+= 1 }
        guard missing <= equations.capacity else { return totals.expired &+= 1 }
        let row = equations.open(last: last, byteCount: length)
        bytes.withUnsafeBytes { raw in
            UnsafeMutableRawPointer(equations.symbol(row)).copyMemory(
                from: raw.baseAddress! + RLCRepairHeader.byteCount, byteCount: length)
        }
        fill(row, first, last, CoefficientGenerator(key: header.key, density: header.density))
        if equations.settle(row, from: first) {
            totals.used &+= 1
            harvest()
        } else {
            totals.unneeded &+= 1
        }
    }

    /// How many packets of a window are not here; `nil` when one that is has more bytes than the symbol.
    private func missingCount(_ first: Int64, _ last: Int64, symbolByteCount: Int) -> Int? {
        var count = 0
        for sequence in first...last {
            if !symbols.contains(sequence) {
                count &+= 1
            } else if symbols.byteCount(sequence) > symbolByteCount {
                return nil
            }
        }
        return count
    }

    /// Sets the coefficients of what is missing in row `row`, and takes out what is known.
    private mutating func fill(
        _ row: Int, _ first: Int64, _ last: Int64, _ coefficients: consuming CoefficientGenerator
    ) {
        for sequence in first...last {
            let factor = coefficients.next()
            if !symbols.contains(sequence) {
                equations.set(factor, row, sequence)
            } else if factor != 0 {
                equations.addSymbol(
                    factor, symbols.symbol(sequence), byteCount: symbols.byteCount(sequence), to: row)
            }
        }
    }

    /// Turns solved equations into packets. Nothing else has their unknowns, so each is taken out by itself.
    private mutating func harvest() {
        while let row = equations.firstSolved() { take(row) }
    }

    private mutating func take(_ row: Int) {
        let solved = equations.row(row)
        let sequence = solved.pivot
        let target = symbols.claim(sequence, byteCount: symbols.stride)
        target.update(repeating: 0, count: symbols.stride)
        GF256.multiplyAdd(
            GF256.inverse(equations.coefficient(row, sequence)), equations.symbol(row), into: target,
            byteCount: GF256.rowByteCount(solved.byteCount))
        equations.close(row)
        guard !recovered.isFull,
            symbols.acceptPacket(sequence, ofStream: ssrc, symbolByteCount: solved.byteCount)
        else {
            symbols.remove(sequence)
            totals.malformed &+= 1
            return
        }
        totals.recovered &+= 1
        recovered.append(sequence)
    }

    /// Puts the next packet that was given back into `packet`, which is empty, with what its header says, and
    /// marked as a repair; its arrival and epoch are the caller's to say. Gives its sequence number; `nil`
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
