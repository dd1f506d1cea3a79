public import FreshetCore
internal import FreshetWire

/// Makes repair symbols from the last packets of a stream: sliding-window random linear codes over GF(2^8)
/// (RFC 8681).
///
/// A repair symbol is the sum of the packets of a window, each times a coefficient that both ends draw from
/// the repair key. The window may be any run of packets that are still kept, so the same encoder serves
/// parity sent ahead and parity sent as the answer to requests. All storage is taken at start: one symbol a
/// packet of the window.
public struct RLCEncoder: ~Copyable {
    private var symbols: SymbolRing
    private var ssrc: UInt32 = 0
    private let sum: UnsafeMutablePointer<UInt8>
    /// The highest sequence number taken; `nil` before the first.
    public private(set) var highest: Int64?
    /// The most packets that a window may have.
    public let maximumWindow: Int
    /// Packets not taken, because they are longer than a symbol.
    public private(set) var oversizedCount = 0

    /// An encoder that keeps the last `maximumWindow` packets (up to 4095), each up to `symbolByteCount`
    /// bytes with the two of its length.
    public init(maximumWindow: Int, symbolByteCount: Int) {
        precondition(maximumWindow > 0 && maximumWindow <= RLCRepairHeader.countLimit)
        self.maximumWindow = maximumWindow
        symbols = SymbolRing(count: maximumWindow, symbolByteCount: symbolByteCount)
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: symbols.stride, alignment: 64)
        sum = scratch.initializeMemory(as: UInt8.self, repeating: 0, count: symbols.stride)
    }

    deinit { UnsafeMutableRawPointer(sum).deallocate() }

    /// Keeps `packet`, a whole RTP packet with its extended sequence number. One of another stream (SSRC)
    /// starts anew; one without a number, or too long, is not kept.
    public mutating func add(_ packet: borrowing Packet) {
        let info = packet.info
        guard info.flags.contains(.hasSequence) else { return }
        if highest == nil || info.ssrc != ssrc {
            symbols.removeAll()
            highest = nil
            ssrc = info.ssrc
        }
        let sequence = info.extendedSequence
        if let highest, sequence <= highest &- Int64(symbols.capacity) { return }
        guard symbols.store(sequence, packet) else {
            oversizedCount &+= 1
            return
        }
        highest = max(highest ?? sequence, sequence)
    }

    /// How many packets without a hole end with `last`, up to `limit`: the longest window that
    /// ``repair(first:count:key:density:into:)`` can take there.
    public func run(endingAt last: Int64, limit: Int) -> Int {
        var count = 0
        while count < min(limit, maximumWindow), symbols.contains(last &- Int64(count)) { count &+= 1 }
        return count
    }

    /// Writes one repair, header and symbol (see WireProtocol), of the `count` packets from `first` on.
    ///
    /// `key` should differ between the repairs of a window. `density` is the threshold of RFC 8681 §3.6: 15
    /// takes every packet. Gives the bytes written: at most the longest packet and 18. 0 when a packet of the
    /// window is not kept, or `target` is too short.
    public mutating func repair(
        first: Int64, count: Int, key: UInt16, density: UInt8, into target: inout MutableRawSpan
    ) -> Int {
        guard count > 0, count <= maximumWindow, density <= CoefficientGenerator.fullDensity else { return 0 }
        var length = 0
        for sequence in first..<(first &+ Int64(count)) {
            guard symbols.contains(sequence) else { return 0 }
            length = max(length, symbols.byteCount(sequence))
        }
        let total = RLCRepairHeader.byteCount &+ length
        guard target.byteCount >= total else { return 0 }
        RLCRepairHeader(key: key, density: density, first: first, count: count, ssrc: ssrc)
            .write(into: &target)
        sum.update(repeating: 0, count: GF256.rowByteCount(length))
        addUp(first, count, CoefficientGenerator(key: key, density: density))
        target.withUnsafeMutableBytes { raw in
            UnsafeMutableRawBufferPointer(rebasing: raw[RLCRepairHeader.byteCount..<total])
                .copyMemory(from: UnsafeRawBufferPointer(start: sum, count: length))
        }
        return total
    }

    private func addUp(_ first: Int64, _ count: Int, _ coefficients: consuming CoefficientGenerator) {
        var sequence = first
        for _ in 0..<count {
            let factor = coefficients.next()
            GF256.multiplyAdd(
                factor, symbols.symbol(sequence), into: sum,
                byteCount: GF256.rowByteCount(symbols.byteCount(sequence)))
            sequence &+= 1
        }
    }
}
