/// Which of the last packets have come, by extended sequence number: one bit each in a ring. Older ones are taken for
/// copies: nobody waits for them any more.
struct ReceivedWindow: ~Copyable {
    private var words: [UInt64]
    private let mask: Int64
    /// The highest number that has come; `nil` before the first.
    private(set) var highest: Int64?

    init(packetCount: Int) {
        precondition(packetCount >= 64 && packetCount.nonzeroBitCount == 1)
        words = [UInt64](repeating: 0, count: packetCount / 64)
        mask = Int64(packetCount) - 1
    }

    /// Notes `sequence`; false when it has come before or is older than the window.
    mutating func insert(_ sequence: Int64) -> Bool {
        if let highest, sequence <= highest {
            if highest &- sequence > mask { return false }
        } else {
            advance(to: sequence)
        }
        let place = Int(sequence & mask)
        let bit: UInt64 = 1 << UInt64(place & 63)
        if words[place >> 6] & bit != 0 { return false }
        words[place >> 6] |= bit
        return true
    }

    private mutating func advance(to sequence: Int64) {
        guard let old = highest, sequence &- old <= mask else {
            for index in words.indices { words[index] = 0 }
            highest = sequence
            return
        }
        var next = old &+ 1
        while next <= sequence {
            let place = Int(next & mask)
            if place & 63 == 0, sequence &- next >= 64 {
                words[place >> 6] = 0
                next &+= 64
            } else {
                words[place >> 6] &= ~(1 << UInt64(place & 63))
                next &+= 1
            }
        }
        highest = sequence
    }

    /// True when `sequence` has come, as far as is remembered.
    func contains(_ sequence: Int64) -> Bool {
        guard let highest, sequence <= highest, highest &- sequence <= mask else { return false }
        let place = Int(sequence & mask)
        return words[place >> 6] >> UInt64(place & 63) & 1 == 1
    }
}
