import FreshetCore

/// What one player was given.
struct PlayerRecord {
    /// The number that it should be given next; -1 before the first.
    var next: Int64 = -1
    /// Packets given.
    var deliveredCount = 0
    /// Numbers passed over.
    var lostCount = 0
    /// When each packet that is missing now was missed.
    var missing: [Int64: Instant] = [:]
    /// The highest number seen on any way; -1 before the first.
    var highest: Int64 = -1
    /// The player's host is there.
    var isPresent = false
    /// When it came.
    var since = Instant.zero

    /// Packet `number` came: what is missing now before it. True when it was missing itself.
    mutating func saw(_ number: Int64, at time: Instant) -> Instant? {
        if number > highest {
            if highest >= 0 && number - highest <= 4096 {
                var gap = highest + 1
                while gap < number {
                    missing[gap] = time
                    gap += 1
                }
            }
            highest = number
            return nil
        }
        return missing.removeValue(forKey: number)
    }
}
