/// By how much the window of waits is stretched on a segment where members hear each other late.
///
/// A window of a few round trips is right when a request is heard half a round trip after it was sent. Hosts
/// that do other things first, or that share a processor, read it milliseconds later, and on a local network
/// that is many round trips. More than a few requests for one packet show it; the window is doubled until
/// they are few.
struct WindowStretch {
    /// The factor in force.
    private(set) var factor: Int64 = 1
    private var quietCount: UInt8 = 0

    /// More requests than this for one packet on one segment are too many.
    static let many: UInt8 = 4
    /// The window is not stretched by more than this.
    static let limit: Int64 = 16

    /// `requests` for one packet were heard, the own ones among them.
    mutating func note(requests: UInt8) {
        if requests > WindowStretch.many {
            factor = min(factor &* 2, WindowStretch.limit)
            quietCount = 0
        } else if requests <= 2, factor > 1 {
            quietCount &+= 1
            if quietCount == 64 {
                quietCount = 0
                factor /= 2
            }
        }
    }
}
