import FreshetCore

/// When what breaks, laid out before the run begins.
struct FaultSchedule {
    /// One thing that breaks once.
    struct Item {
        var plan: Int
        var at: Instant
        /// For how long; zero: for good.
        var lasting: Nanoseconds
        /// A segment, or else a station.
        var segment: Int32
        var station: Int32
    }

    private(set) var items: [Item] = []
    /// When the last fault is over.
    private(set) var lastEnd = Nanoseconds.zero

    /// The faults of `scenario` in `net`; chance comes from `random`.
    init(_ scenario: Scenario, _ net: Topology, random: PRNG) {
        var random = random
        for (index, plan) in scenario.faults.enumerated() {
            let segments = net.segments.indices.filter {
                plan.targets.contains(scenario.segments[net.segments[$0].plan].name)
                    || plan.targets.contains(net.segments[$0].name)
            }
            let stations = net.stations.indices.filter {
                plan.targets.contains(scenario.hosts[Int(net.stations[$0].plan)].name)
                    || plan.targets.contains(net.names[$0])
            }
            let count = segments.count + stations.count
            if count == 0 { continue }
            for turn in 0..<max(1, plan.every == .zero ? 1 : plan.times) {
                let at = plan.at + plan.every * Int64(turn) + FaultSchedule.upTo(plan.jitter, &random)
                let lasting = plan.lasting + FaultSchedule.upTo(plan.lastingJitter, &random)
                let choice = Int(random.below(UInt64(count)))
                let isSegment = choice < segments.count
                items.append(
                    Item(
                        plan: index, at: Instant.zero + at, lasting: lasting,
                        segment: isSegment ? Int32(segments[choice]) : -1,
                        station: isSegment ? -1 : Int32(stations[choice - segments.count])))
                lastEnd = max(lastEnd, at + lasting)
            }
        }
    }

    private static func upTo(_ span: Nanoseconds, _ random: inout PRNG) -> Nanoseconds {
        span.count <= 0 ? .zero : Nanoseconds(Int64(random.below(UInt64(span.count))))
    }
}
