/// Which of a sliding range of positions have been received: one bit each, in a ring whose size is a power of
/// two.
///
/// The ring covers the newest `capacity` positions up to ``highest``; what falls out behind is forgotten.
struct SequenceBitmap {
    /// The highest position ever marked, or where ``init(capacity:highest:)`` began.
    private(set) var highest: Int64
    private var words: [UInt64]
    private let mask: Int64

    /// Nothing received; `capacity` is a power of two of at least 64.
    init(capacity: Int, highest: Int64) {
        precondition(capacity >= 64 && capacity & (capacity - 1) == 0)
        words = Array(repeating: 0, count: capacity / 64)
        mask = Int64(capacity) - 1
        self.highest = highest
    }

    /// True when `position` was marked and is not forgotten.
    @inline(__always)
    subscript(position: Int64) -> Bool {
        guard position <= highest, position >= highest &- mask else { return false }
        return words[Int((position & mask) >> 6)] >> UInt64(position & 63) & 1 == 1
    }

    /// Marks `position`; one above ``highest`` raises it and leaves the positions between unmarked.
    @inline(__always)
    mutating func mark(_ position: Int64) {
        if position > highest { raise(to: position) }
        guard position >= highest &- mask else { return }
        words[Int((position & mask) >> 6)] |= 1 << UInt64(position & 63)
    }

    /// Marks `count` positions from `first` on, the first right above ``highest``; whole words at once.
    mutating func markRun(_ first: Int64, count: Int) {
        let end = first &+ Int64(count)
        var position = max(first, end &- mask &- 1)
        let mask = mask
        // Looked at once whether the words are this bitmap's own, not for each.
        var words = words.mutableSpan
        while position < end {
            let bits = min(64 &- (position & 63), end &- position)
            let low: UInt64 = bits == 64 ? .max : (1 << UInt64(bits)) &- 1
            let word = Int((position & mask) >> 6)
            // What stood in the rest of the word is a ring older, but for its part below `position`.
            let below: UInt64 = (1 << UInt64(position & 63)) &- 1
            words[word] = (words[word] & below) | low << UInt64(position & 63)
            position &+= bits
        }
        highest = max(highest, end &- 1)
    }

    @inline(__always)
    private mutating func raise(to position: Int64) {
        if position &- highest > mask {
            for index in words.indices { words[index] = 0 }
        } else {
            var fresh = highest &+ 1
            while fresh <= position {
                if fresh & 63 == 0 && position &- fresh >= 63 {
                    words[Int((fresh & mask) >> 6)] = 0
                    fresh &+= 64
                } else {
                    words[Int((fresh & mask) >> 6)] &= ~(1 << UInt64(fresh & 63))
                    fresh &+= 1
                }
            }
        }
        highest = position
    }

    /// The lowest marked position from `start` on; `nil` when there is none. Looks at 64 positions at a time.
    @inline(__always)
    func first(from start: Int64) -> Int64? {
        var position = start
        while position <= highest {
            let rest = words[Int((position & mask) >> 6)] >> UInt64(position & 63)
            if rest != 0 {
                let found = position &+ Int64(rest.trailingZeroBitCount)
                return found <= highest ? found : nil
            }
            position = (position | 63) &+ 1
        }
        return nil
    }
}
