/// The last ranges of sequence numbers, the newest at the end; a few, without allocation.
struct SequenceRuns {
    /// One range.
    struct Run {
        var first: Int64 = 0
        var last: Int64 = -1
    }

    /// Ranges that are remembered.
    static let limit = 4
    private var runs: InlineArray<4, Run> = .init(repeating: Run())
    private(set) var count = 0

    /// Adds `first ... last`, which lies above all others; gives the oldest range when it has to go for it.
    mutating func append(_ first: Int64, _ last: Int64) -> Run? {
        if count > 0, runs[count &- 1].last &+ 1 == first {
            runs[count &- 1].last = last
            return nil
        }
        var oldest: Run?
        if count == SequenceRuns.limit {
            oldest = removeFirst()
        }
        runs[count] = Run(first: first, last: last)
        count &+= 1
        return oldest
    }

    /// Takes the oldest range out; `nil` when there is none.
    mutating func removeFirst() -> Run? {
        if count == 0 { return nil }
        let oldest = runs[0]
        for index in 1..<SequenceRuns.limit { runs[index &- 1] = runs[index] }
        count &-= 1
        return oldest
    }

    /// True when `sequence` is in one of the ranges.
    func contains(_ sequence: Int64) -> Bool { end(of: sequence) != nil }

    /// The last number of the range that `sequence` is in; `nil` when it is in none.
    func end(of sequence: Int64) -> Int64? {
        var index = count
        while index > 0 {
            index &-= 1
            if sequence > runs[index].last { return nil }
            if sequence >= runs[index].first { return runs[index].last }
        }
        return nil
    }

    /// Forgets all ranges.
    mutating func removeAll() { count = 0 }
}
