import FreshetCore
import FreshetOverlay
import FreshetStages
import FreshetWire

/// What hosts of a scenario need to know to begin.
struct HostBlueprint {
    let scenario: Scenario
    /// The source of the stream, as a node.
    let source: Int32
    /// What each station is.
    let roles: [HostPlan.Role]
    /// Mistakes planted.
    let flaws: [HostPlan.Flaw]
    /// How many paths each station has.
    let pathCounts: [Int]
    /// The first path of each station.
    let firstPaths: [Int]
    /// Receivers in all.
    let receiverCount: Int
    /// The stream's SSRC, lowest bit 0.
    let ssrc: UInt32
    /// The first packet's number.
    let firstNumber: Int64
    /// The round trip between the source and each station with idle lines.
    let roundTrips: [Nanoseconds]
    /// The least time from a station's request to an answer from anybody.
    private let leastRoundTrips: [Nanoseconds]
    private let random: PRNG

    /// Of `scenario`, laid out as `net`.
    init(_ scenario: Scenario, _ net: Topology, random: PRNG) {
        var random = random
        self.scenario = scenario
        source = net.source
        roles = net.stations.map(\.role)
        flaws = net.stations.map { scenario.hosts[Int($0.plan)].flaw }
        pathCounts = net.stations.map(\.attachments.count)
        firstPaths = net.stations.map { station in
            (0..<station.attachments.count).first { station.attachments[$0] >= 0 } ?? 0
        }
        receiverCount = roles.count { $0 == .receiver }
        ssrc = UInt32(truncatingIfNeeded: random.next()) & ~1
        // Anywhere in the 16 bits, so that wraps come at every age.
        firstNumber = Int64(random.below(65_536))
        let source = source
        roundTrips = net.stations.indices.map {
            net.delay(source, Int32($0), scenario) + net.delay(Int32($0), source, scenario)
        }
        leastRoundTrips = net.stations.indices.map { index in
            let plan = scenario.hosts[Int(net.stations[index].plan)]
            let places = net.stations[index].attachments
            let hasNeighbours = (0..<places.count).contains { path in
                places[path] >= 0
                    && net.segments[Int(net.attachments[Int(places[path])].segment)].receiverCount > 1
            }
            let local = (plan.up.delay + plan.down.delay) * 2
            let distant =
                net.delay(source, Int32(index), scenario) + net.delay(Int32(index), source, scenario)
            return hasNeighbours ? min(local, distant) : distant
        }
        self.random = random
    }

    func leastRoundTrip(of station: Int32) -> Nanoseconds { leastRoundTrips[Int(station)] }

    /// Bytes of a media packet that are really carried.
    var carriedPacketByteCount: Int { RTPHeader.fixedByteCount + max(16, scenario.stream.carriedByteCount) }

    /// Packets that a member of a group holds: a little more than what a neighbour can still want.
    var heldCount: Int {
        let span = scenario.latency + .milliseconds(100)
        let count = span.count / max(1, scenario.stream.interval.count)
        return Int(clamping: count + count / 4 + 16)
    }

    /// The group repair of a host; what is in bytes is scaled to the bytes that are carried.
    func groupConfiguration(role: GroupRole, ssrc own: UInt32) -> GroupConfiguration {
        var configuration = GroupConfiguration(ssrc: own, mediaSSRC: ssrc, latency: scenario.latency)
        configuration.role = role
        configuration.feedback = scenario.repair.feedback
        configuration.serves = scenario.repair.serves || role == .source
        configuration.groupSizeEstimate = UInt64(max(1, scenario.repair.groupSizeEstimate))
        if role == .member {
            // Bounded by number alone: members asleep are told of whole runs of packets.
            configuration.historyDuration = .seconds(1_000_000_000)
            configuration.historyCapacity = heldCount
            configuration.holeCapacity = 256
        }
        configuration.repairBurst =
            configuration.repairBurst * carriedPacketByteCount / scenario.stream.packetByteCount
        return configuration
    }

    /// The chance of a host in one of its lives.
    func random(host: Int32, life: Int32) -> PRNG {
        random.split(by: UInt64(UInt32(bitPattern: host)) << 32 | UInt64(UInt32(bitPattern: life)))
    }
}

extension Topology {
    /// How long a datagram takes from `a` to `b` by the fastest path, with idle lines and no jitter.
    func delay(_ a: Int32, _ b: Int32, _ scenario: Scenario) -> Nanoseconds {
        var least = Nanoseconds(.max)
        let from = stations[Int(a)]
        let to = stations[Int(b)]
        for path in 0..<min(from.attachments.count, to.attachments.count) {
            guard from.attachments[path] >= 0, to.attachments[path] >= 0 else { continue }
            let start = attachments[Int(from.attachments[path])]
            let end = attachments[Int(to.attachments[path])]
            var span = scenario.hosts[Int(from.plan)].up.delay + scenario.hosts[Int(to.plan)].down.delay
            if start.segment != end.segment {
                span =
                    span + scenario.segments[segments[Int(start.segment)].plan].up.delay
                    + scenario.segments[segments[Int(end.segment)].plan].down.delay
            }
            least = min(least, span)
        }
        return least == Nanoseconds(.max) ? .zero : least
    }
}
