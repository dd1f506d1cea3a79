import FreshetCore

/// Where viewers are: a plane 100 ms wide and 50 ms high with metropolises on it, in which networks of eight
/// viewers lie, each with an access link of its own.
///
/// The way from one to another takes their distance on the plane and both access links' delay: what Vivaldi's
/// authors found to describe the Internet best (Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004, §2.6), which
/// favours nobody here: the nodes are told nothing but round trips.
struct TreeMap {
    /// One place.
    struct Spot {
        /// On the plane, microseconds.
        var x: Int32
        var y: Int32
        /// The access link's delay, microseconds.
        var access: Int32
        var metropolis: Int16
        /// Children it can have, whole streams.
        var children: Int16
        /// Packets of 2^32 lost on the way to it.
        var loss: UInt32
    }

    static let metropolisCount = 24
    static let perNetwork = 8
    private(set) var spots: [Spot] = []
    /// Pairs of 2^32 that do not reach each other, and what decides which.
    private let strangers: UInt64
    private let strangerSeed: UInt64

    /// Places for `count` hosts and the source, which is number 0.
    init(_ scenario: TreeScenario, count: Int, random: inout PRNG) {
        strangers = UInt64(scenario.strangerShare) << 32 / 1_000_000
        strangerSeed = scenario.strangerShare > 0 ? random.next() : 0
        var centers: [(x: Int32, y: Int32)] = []
        for _ in 0..<TreeMap.metropolisCount {
            centers.append((Int32(random.below(100_000)), Int32(random.below(50_000))))
        }
        // Metropolis n has one nth of the first one's viewers, as cities have.
        let weights = (1...TreeMap.metropolisCount).map { UInt64(5040 * 24 / $0) }
        let total = weights.reduce(0, +)
        var network = Spot(x: 0, y: 0, access: 0, metropolis: 0, children: 0, loss: 0)
        for index in 0..<count {
            if index % TreeMap.perNetwork == 0 {
                var draw = random.below(total)
                var metropolis = 0
                while draw >= weights[metropolis] {
                    draw -= weights[metropolis]
                    metropolis += 1
                }
                network.metropolis = Int16(metropolis)
                network.x = centers[metropolis].x + TreeMap.around(5_000, &random)
                network.y = centers[metropolis].y + TreeMap.around(5_000, &random)
            }
            var spot = network
            spot.x += TreeMap.around(300, &random)
            spot.y += TreeMap.around(300, &random)
            TreeMap.equip(&spot, scenario, &random)
            if index == 0 {
                spot.access = 1_000
                spot.children = Int16(scenario.sourceChildren)
                spot.loss = 0
            }
            if scenario.roundTrip > .zero {
                spot = Spot(
                    x: 0, y: 0, access: Int32(clamping: scenario.roundTrip.count / 4_000), metropolis: 0,
                    children: Int16(index == 0 ? scenario.sourceChildren : scenario.children), loss: spot.loss
                )
            }
            spots.append(spot)
        }
    }

    /// Fibre, cable, or something worse.
    private static func equip(_ spot: inout Spot, _ scenario: TreeScenario, _ random: inout PRNG) {
        let kind = random.below(100)
        if kind < 50 {
            spot.access = 1_000 + Int32(random.below(3_000))
            spot.children = Int16(scenario.children)
        } else if kind < 83 {
            spot.access = 4_000 + Int32(random.below(6_000))
            spot.children = Int16(max(1, scenario.children / 2))
        } else {
            spot.access = 10_000 + Int32(random.below(15_000))
            spot.children = 0
        }
        if scenario.uplinks == .equal { spot.children = Int16(scenario.children) }
        let spread = UInt64(scenario.lossTo - scenario.lossFrom + 1)
        let loss = UInt64(scenario.lossFrom) + random.below(spread)
        spot.loss = UInt32(loss << 32 / 1_000_000)
    }

    /// A number from −`span` to `span`, small ones more likely.
    private static func around(_ span: Int32, _ random: inout PRNG) -> Int32 {
        Int32(random.below(UInt64(span) + 1)) - Int32(random.below(UInt64(span) + 1))
    }

    /// True when what `a` sends reaches `b`, and the other way round.
    @inline(__always)
    func reach(_ a: Int32, _ b: Int32) -> Bool { strangers == 0 || areAcquainted(a, b) }

    private func areAcquainted(_ a: Int32, _ b: Int32) -> Bool {
        if a == 0 || b == 0 { return true }
        let pair = UInt64(UInt32(min(a, b))) << 32 | UInt64(UInt32(max(a, b)))
        var chance = PRNG(seed: pair ^ strangerSeed)
        return chance.below(1 << 32) >= strangers
    }

    /// The way from `a` to `b`, nanoseconds, without jitter.
    @inline(__always)
    func delay(_ a: Int32, _ b: Int32) -> Int64 {
        let from = spots[Int(a)]
        let to = spots[Int(b)]
        let dx = Int64(from.x &- to.x)
        let dy = Int64(from.y &- to.y)
        // Exact below 2^53, so the same on every machine.
        let plane = Int64(Double(dx &* dx &+ dy &* dy).squareRoot())
        return (plane &+ Int64(from.access) &+ Int64(to.access) &+ 200) &* 1000
    }
}
