import FreshetCore

/// The last holes that were given up though they had been asked for: a repair that comes all the same tells how long
/// waiting would have had to last.
struct GivenUpHoles: Sendable {
    private var sequences = InlineArray<64, Int64>(repeating: .min)
    private var noticed = InlineArray<64, Instant>(repeating: .zero)
    private var next = 0

    /// `hole` was given up.
    mutating func note(_ hole: Hole) {
        sequences[next & 63] = hole.sequence
        noticed[next & 63] = hole.noticed
        next &+= 1
    }

    /// A repair of `sequence` came at `arrival`: how long after its hole was noticed, where that is remembered.
    mutating func take(_ sequence: Int64, at arrival: Instant) -> Nanoseconds? {
        for place in 0..<64 where sequences[place] == sequence {
            sequences[place] = .min
            return arrival - noticed[place]
        }
        return nil
    }
}
