/// Linear equations between packets that are missing, kept solved as far as they go.
///
/// Each row says: the sum of its unknown packets, each times a coefficient, is its symbol. Its pivot is the
/// oldest of them, and no other row has that one (reduced row echelon form). So a row with nothing but its
/// pivot is that packet; and when the window slides past a pivot the row can be dropped and nothing is lost.
/// Storage is taken once; columns are sequence numbers modulo the window.
struct EquationTable: ~Copyable {
    /// One equation's bookkeeping.
    struct Row {
        /// In use.
        var isUsed = false
        /// Oldest unknown; its coefficient is not 0.
        var pivot: Int64 = 0
        /// No unknown is newer than this.
        var last: Int64 = 0
        /// Bytes of the symbol that may be other than 0.
        var byteCount = 0
    }

    /// Equations that fit.
    let capacity: Int
    /// Columns: a power of two.
    let columnCount: Int
    /// Bytes of a row's symbol.
    let stride: Int
    /// Equations in use.
    private(set) var count = 0
    private let rows: UnsafeMutablePointer<Row>
    private let coefficients: UnsafeMutablePointer<UInt8>
    private let symbols: UnsafeMutablePointer<UInt8>
    /// The row whose pivot a column is; -1 for none.
    private let rowOfPivot: UnsafeMutablePointer<Int16>

    init(capacity: Int, columnCount: Int, stride: Int) {
        precondition(columnCount >= 64 && columnCount & (columnCount - 1) == 0 && capacity < Int(Int16.max))
        self.capacity = capacity
        self.columnCount = columnCount
        self.stride = stride
        rows = .allocate(capacity: capacity)
        rows.initialize(repeating: Row(), count: capacity)
        coefficients = UnsafeMutableRawPointer.allocate(byteCount: capacity * columnCount, alignment: 64)
            .bindMemory(to: UInt8.self, capacity: capacity * columnCount)
        symbols = UnsafeMutableRawPointer.allocate(byteCount: capacity * stride, alignment: 64)
            .bindMemory(to: UInt8.self, capacity: capacity * stride)
        rowOfPivot = .allocate(capacity: columnCount)
        rowOfPivot.initialize(repeating: -1, count: columnCount)
    }

    deinit {
        rows.deallocate()
        UnsafeMutableRawPointer(coefficients).deallocate()
        UnsafeMutableRawPointer(symbols).deallocate()
        rowOfPivot.deallocate()
    }

    private func column(_ sequence: Int64) -> Int { Int(truncatingIfNeeded: sequence) & (columnCount &- 1) }

    /// The symbol of row `index`.
    func symbol(_ index: Int) -> UnsafeMutablePointer<UInt8> { symbols + index * stride }

    /// Row `index`.
    func row(_ index: Int) -> Row { rows[index] }

    /// The coefficient of `sequence` in row `index`.
    func coefficient(_ index: Int, _ sequence: Int64) -> UInt8 {
        coefficients[index * columnCount + column(sequence)]
    }

    /// Sets the coefficient of `sequence` in row `index`.
    func set(_ value: UInt8, _ index: Int, _ sequence: Int64) {
        coefficients[index * columnCount + column(sequence)] = value
    }

    /// An empty row with unknowns up to `last` and a symbol of `byteCount` bytes, all zero; the row with the
    /// oldest pivot gives way when all are taken. It counts only once ``settle(_:from:)`` has been called.
    mutating func open(last: Int64, byteCount: Int) -> Int {
        if count == capacity { close(oldest()) }
        var index = 0
        while rows[index].isUsed { index &+= 1 }
        count &+= 1
        rows[index] = Row(isUsed: true, pivot: .max, last: last, byteCount: byteCount)
        (coefficients + index * columnCount).update(repeating: 0, count: columnCount)
        symbol(index).update(repeating: 0, count: stride)
        return index
    }

    private func oldest() -> Int {
        var found = 0
        for index in 1..<max(1, capacity) where rows[index].pivot < rows[found].pivot { found = index }
        return found
    }

    /// Gives row `index` back.
    mutating func close(_ index: Int) {
        if rows[index].pivot != .max { rowOfPivot[column(rows[index].pivot)] = -1 }
        rows[index].isUsed = false
        rows[index].pivot = .max
        count &-= 1
    }

    /// Drops every row whose pivot is older than `base`.
    mutating func slide(to base: Int64) {
        if count == 0 { return }
        for index in 0..<capacity where rows[index].isUsed && rows[index].pivot < base { close(index) }
    }

    /// Drops all.
    mutating func removeAll() {
        for index in 0..<capacity where rows[index].isUsed { close(index) }
    }

    /// Adds `factor` times row `source` to row `target`.
    private mutating func addRow(_ factor: UInt8, _ source: Int, to target: Int) {
        GF256.multiplyAdd(
            factor, coefficients + source * columnCount, into: coefficients + target * columnCount,
            byteCount: columnCount)
        addSymbol(factor, symbol(source), byteCount: rows[source].byteCount, to: target)
        rows[target].last = max(rows[target].last, rows[source].last)
    }

    /// Adds `factor` times the bytes of `source`, which has zeros up to a whole row, to the symbol of row
    /// `target`.
    mutating func addSymbol(
        _ factor: UInt8, _ source: UnsafePointer<UInt8>, byteCount: Int, to target: Int
    ) {
        GF256.multiplyAdd(
            factor, source, into: symbol(target), byteCount: GF256.rowByteCount(byteCount))
        rows[target].byteCount = max(rows[target].byteCount, byteCount)
    }

    /// Takes row `index`, whose unknowns are `first` and later, among the solved ones: clears the pivots of
    /// others from it, finds its own, clears that from others. False, and the row is closed, when nothing is
    /// left of it: it said nothing new.
    mutating func settle(_ index: Int, from first: Int64) -> Bool {
        if count > 1 { reduce(index, from: first) }
        guard let pivot = firstUnknown(index, from: first) else {
            close(index)
            return false
        }
        rows[index].pivot = pivot
        rowOfPivot[column(pivot)] = Int16(index)
        if count > 1 { clear(index) }
        return true
    }

    /// Clears the other rows' pivots from row `index`. One pass does: a row brings in no other's pivot.
    private mutating func reduce(_ index: Int, from first: Int64) {
        let end = rows[index].last
        var sequence = first
        while sequence <= end {
            let factor = coefficient(index, sequence)
            let other = factor == 0 ? -1 : Int(rowOfPivot[column(sequence)])
            if other >= 0 && other != index {
                addRow(quotient(factor, coefficient(other, sequence)), other, to: index)
            }
            sequence &+= 1
        }
    }

    /// Clears the pivot of row `index` from all others.
    private mutating func clear(_ index: Int) {
        let pivot = rows[index].pivot
        let inverse = GF256.inverse(coefficient(index, pivot))
        for other in 0..<capacity where other != index && rows[other].isUsed {
            let factor = coefficient(other, pivot)
            if factor != 0 { addRow(GF256.multiply(factor, inverse), index, to: other) }
        }
    }

    private func quotient(_ a: UInt8, _ b: UInt8) -> UInt8 { GF256.multiply(a, GF256.inverse(b)) }

    private func firstUnknown(_ index: Int, from first: Int64) -> Int64? {
        var sequence = first
        while sequence <= rows[index].last {
            if coefficient(index, sequence) != 0 { return sequence }
            sequence &+= 1
        }
        return nil
    }

    /// True when row `index` has no unknown but its pivot.
    func isSolved(_ index: Int) -> Bool {
        let row = rows[index]
        guard row.isUsed && row.pivot != .max else { return false }
        return firstUnknown(index, from: row.pivot &+ 1) == nil
    }

    /// A solved row; `nil` when there is none.
    func firstSolved() -> Int? {
        if count == 0 { return nil }
        for index in 0..<capacity where isSolved(index) { return index }
        return nil
    }

    /// The packet `sequence` is known now: takes it out of row `index`, when it is there. A row that loses
    /// its pivot by that is settled anew.
    mutating func substitute(
        _ sequence: Int64, _ bytes: UnsafePointer<UInt8>, byteCount: Int, in index: Int
    ) {
        guard rows[index].isUsed else { return }
        let factor = coefficient(index, sequence)
        guard factor != 0, sequence >= rows[index].pivot, sequence <= rows[index].last else { return }
        addSymbol(factor, bytes, byteCount: byteCount, to: index)
        set(0, index, sequence)
        guard rows[index].pivot == sequence else { return }
        rowOfPivot[column(sequence)] = -1
        rows[index].pivot = .max
        _ = settle(index, from: sequence &+ 1)
    }
}
