import FreshetCoding
import FreshetCore

/// A block code to hold sliding windows against: systematic Reed–Solomon over GF(256) with a Cauchy matrix (J. Blömer et
/// al., "An XOR-based erasure-resilient coding scheme", 1995), so that any *k* of the *k* + *m* packets of a block give
/// all *k*.
struct ReedSolomon {
    /// Packets of a block.
    let count: Int
    let symbolByteCount: Int

    /// A code of `count` packets a block; with their parity there are 256 at most.
    init(count: Int, symbolByteCount: Int) {
        precondition(count < 256)
        self.count = count
        self.symbolByteCount = symbolByteCount
    }

    private func coefficient(_ parity: Int, _ source: Int) -> UInt8 {
        precondition(source < count && parity + count < 256)
        return GF256.inverse(UInt8(255 - parity) ^ UInt8(source))
    }

    private func add(_ symbol: [UInt8], times factor: UInt8, to sum: inout [UInt8]) {
        for index in sum.indices { sum[index] ^= GF256.multiply(symbol[index], factor) }
    }

    /// Parity packet `number` of the block `sources`.
    func parity(_ number: Int, of sources: [[UInt8]]) -> [UInt8] {
        var sum = [UInt8](repeating: 0, count: symbolByteCount)
        for (index, source) in sources.enumerated() {
            add(source, times: coefficient(number, index), to: &sum)
        }
        return sum
    }

    /// Fills the missing ones of `sources` by the parity that came (number and symbol); false, and nothing is filled,
    /// when it is too little.
    func recover(_ sources: inout [[UInt8]?], by parity: [(number: Int, symbol: [UInt8])]) -> Bool {
        let missing = sources.indices.filter { sources[$0] == nil }
        guard parity.count >= missing.count else { return false }
        // What is known goes to the right side; Gauss and Jordan do the rest.
        var rows: [(factors: [UInt8], symbol: [UInt8])] = []
        for packet in parity.prefix(missing.count) {
            var symbol = packet.symbol
            for (index, source) in sources.enumerated() {
                if let source { add(source, times: coefficient(packet.number, index), to: &symbol) }
            }
            rows.append((missing.map { coefficient(packet.number, $0) }, symbol))
        }
        for column in missing.indices {
            guard let pivot = (column..<rows.count).first(where: { rows[$0].factors[column] != 0 }) else {
                return false
            }
            rows.swapAt(column, pivot)
            let scale = GF256.inverse(rows[column].factors[column])
            rows[column].factors = rows[column].factors.map { GF256.multiply($0, scale) }
            rows[column].symbol = rows[column].symbol.map { GF256.multiply($0, scale) }
            let (factors, symbol) = rows[column]
            for other in rows.indices where other != column {
                let factor = rows[other].factors[column]
                if factor == 0 { continue }
                add(factors, times: factor, to: &rows[other].factors)
                add(symbol, times: factor, to: &rows[other].symbol)
            }
        }
        for (column, index) in missing.enumerated() { sources[index] = rows[column].symbol }
        return true
    }
}

extension LossRun {
    /// What ``blocks(_:)`` counts, with packets and a coder: blocks half as long as the budget, their parity spread
    /// evenly beside the next block. Traps when a packet comes back wrong.
    func reedSolomon() -> LossResult {
        var link = link()
        let blockCount = max(1, Int(budget.count / 2 * Int64(packetsPerSecond) / 1_000_000_000))
        let code = ReedSolomon(count: blockCount, symbolByteCount: 4)
        var isThere = [Bool](repeating: false, count: packetCount)
        var came: [(number: Int, symbol: [UInt8])] = []
        var (start, sent, total, credit, lost, parity) = (0, 0, 0, 0, 0, 0)
        func sendParity(_ now: Instant) {
            let block = start..<min(start + blockCount, packetCount)
            parity += 1
            sent += 1
            guard LossRun.arrives(&link, now) else { return }
            came.append((sent, code.parity(sent, of: block.map(LossRun.symbol))))
            var sources = block.map { isThere[$0] ? LossRun.symbol($0) : nil }
            guard sources.contains(where: { $0 == nil }), code.recover(&sources, by: came) else { return }
            for (index, symbol) in zip(block, sources) {
                guard symbol == LossRun.symbol(index) else { fatalError("packet \(index) came back wrong") }
                isThere[index] = true
            }
        }
        for index in 0..<packetCount {
            let now = instant(index)
            if LossRun.arrives(&link, now) { isThere[index] = true } else { lost += 1 }
            let place = index % blockCount
            if sent < total, (place + 1) * total >= (sent + 1) * blockCount { sendParity(now) }
            guard place == blockCount - 1 else { continue }
            while sent < total { sendParity(now) }
            credit += overhead * blockCount
            total = credit / 1_000_000
            credit -= total * 1_000_000
            sent = 0
            came = []
            start = index + 1 - blockCount
        }
        return result(isThere, lost: lost, parity: parity)
    }

    private static func symbol(_ index: Int) -> [UInt8] {
        let mark = UInt32(truncatingIfNeeded: index &* 2_654_435_761)
        return (0..<4).map { UInt8(truncatingIfNeeded: mark >> UInt32(8 * $0)) }
    }
}
