public import FreshetCore
public import FreshetWire

extension NetworkCoordinate {
    /// The predicted round trip to `other`, microseconds: distance on the plane plus both heights.
    public func distance(to other: NetworkCoordinate) -> Int32 {
        let dx = Int64(x) - Int64(other.x)
        let dy = Int64(y) - Int64(other.y)
        let plane = NetworkCoordinate.squareRoot(UInt64(dx * dx + dy * dy))
        let sum = Int64(plane) + Int64(max(0, height)) + Int64(max(0, other.height))
        return Int32(clamping: sum)
    }

    /// Moves the coordinate a step towards where the measured round trip says it is: Vivaldi's adaptive timestep
    /// (Dabek et al., §3, constants 1/4) in integers.
    ///
    /// `chance` decides the direction when both are at the same point. A measurement under 1 µs or over 10 s
    /// is ignored.
    public mutating func learn(
        roundTripMicroseconds measured: Int32, to other: NetworkCoordinate, chance: inout PRNG
    ) {
        guard measured > 0, measured < 10_000_000, other.isSane else { return }
        let predicted = Int64(distance(to: other))
        let ownError = Int64(max(1, errorPerMille))
        let weight = 1000 * ownError / (ownError + Int64(max(1, other.errorPerMille)))
        let miss = Int64(measured) - predicted
        let sample = min(1000, 1000 * abs(miss) / Int64(measured))
        errorPerMille = Int32(
            clamping: max(10, min(1000, (sample * weight + Int64(errorPerMille) * (4000 - weight)) / 4000)))
        let step = miss * weight / 4000
        var dx = Int64(x) - Int64(other.x)
        var dy = Int64(y) - Int64(other.y)
        var length = Int64(NetworkCoordinate.squareRoot(UInt64(dx * dx + dy * dy)))
        if length < 100 {
            dx = Int64(chance.below(2001)) - 1000
            dy = Int64(chance.below(2001)) - 1000
            length = max(1, Int64(NetworkCoordinate.squareRoot(UInt64(dx * dx + dy * dy))))
        }
        let total = max(1, length + Int64(max(0, height)) + Int64(max(0, other.height)))
        let alongPlane = step * length / total
        x = Int32(clamping: Int64(x) + alongPlane * dx / length)
        y = Int32(clamping: Int64(y) + alongPlane * dy / length)
        height = Int32(clamping: max(100, Int64(height) + step - alongPlane))
    }

    /// False for numbers that no network gives; a liar's coordinate moves nobody.
    public var isSane: Bool {
        let limit: Int32 = 10_000_000
        return abs(Int64(x)) < Int64(limit) && abs(Int64(y)) < Int64(limit) && height >= 0 && height < limit
            && errorPerMille > 0 && errorPerMille <= 1000
    }

    static func squareRoot(_ value: UInt64) -> UInt64 {
        if value < 2 { return value }
        var low: UInt64 = 1 << UInt64((63 - value.leadingZeroBitCount) / 2)
        var next = (low + value / low) / 2
        for _ in 0..<6 where next != low {
            low = next
            next = (low + value / low) / 2
        }
        while low * low > value { low -= 1 }
        return low
    }
}
