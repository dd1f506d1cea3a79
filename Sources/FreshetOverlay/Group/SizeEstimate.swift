/// How many members a request has to be kept from: what the source says, corrected by what is heard.
///
/// A wrong size costs little (RFC 5401: a hundred times too small is ten times as many requests) and shows
/// at once: more than a few requests for one packet mean that the size is too small, and it is doubled until
/// they are few.
public struct SizeEstimate: Sendable {
    private var base: UInt64
    private var doublings: UInt8 = 0
    private var quietCount: UInt8 = 0

    /// The estimate that configuration or the source gives.
    public init(_ base: UInt64) { self.base = max(1, base) }

    /// The source says another size.
    public mutating func set(_ base: UInt64) { self.base = max(1, base) }

    /// The size to reckon with.
    public var value: UInt64 { base << UInt64(min(Int(doublings), base.leadingZeroBitCount)) }

    /// `requests` for one packet were heard, the own ones among them.
    public mutating func note(requests: Int) {
        if requests > SizeEstimate.many {
            let excess = UInt8(truncatingIfNeeded: Int.bitWidth &- (requests / 4).leadingZeroBitCount)
            doublings = min(doublings &+ excess, 24)
            quietCount = 0
        } else if requests <= 1, doublings > 0 {
            quietCount &+= 1
            if quietCount >= 64 {
                quietCount = 0
                doublings &-= 1
            }
        }
    }

    /// More requests than this for one packet are too many.
    static let many = 6
}
