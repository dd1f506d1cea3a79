internal import FreshetCore
internal import FreshetStages

/// One point of the grid that repair is judged on.
public struct RepairPoint: Sendable {
    /// Loss in percent.
    public var lossPercent: Int
    /// Mean packets lost in a row.
    public var burst: Int
    /// Milliseconds.
    public var roundTrip: Int64
    /// Latency in quarters of the round trip.
    public var quarters: Int64
    /// The residual loss allowed, in parts per million; `nil`: as little as can be.
    public var residual: Double?
    /// The repair packets allowed, in percent of media packets.
    public var bytes: Double

    /// Loss, burst, round trip and latency, for choosing points by.
    public var name: String { "\(lossPercent)%b\(burst)r\(roundTrip)l\(quarters)." }

    /// What to run, but for length and seed.
    public var scenario: RepairLoop.Scenario {
        var scenario = RepairLoop.Scenario()
        scenario.roundTrip = .milliseconds(roundTrip)
        scenario.latency = Nanoseconds(roundTrip * quarters * 250_000)
        scenario.link.loss = lossPercent * 10_000
        // By time, as `scripts/bench repair` has it: the sparse way back fares like the media.
        if burst > 1 { scenario.link.burstTime = Nanoseconds(Int64(burst) * 1_000_000_000 / scenario.rate) }
        return scenario
    }

    /// True when `outcome` is within what is allowed.
    public func isMet(_ outcome: RepairLoop.Outcome) -> Bool {
        // One packet is no evidence against a rate that expects fewer.
        let allowed = residual.map { $0 * Double(outcome.packets) / 1e6 + 1 } ?? .infinity
        return Double(outcome.lost) <= allowed && outcome.repairPercent <= bytes
    }

    /// Random loss from 1 to 20 %, bursts of mean 5 and 20 at 5 %, at round trips of 20, 50 and 100 ms.
    public static let grid: [RepairPoint] = {
        var points: [RepairPoint] = []
        for roundTrip in [20, 50, 100] as [Int64] {
            for (loss, latency, residual, bytes) in [
                (1, 10, 1, 2), (2, 10, 1, 4), (5, 10, 1, 12), (10, 12, 1, 30), (20, 16, 1, 60),
                (10, 8, 100, 60), (20, 8, 1000, 60),
            ] as [(Int, Int64, Double, Double)] {
                points.append(
                    RepairPoint(
                        lossPercent: loss, burst: 1, roundTrip: roundTrip, quarters: latency,
                        residual: residual,
                        bytes: bytes))
            }
            for burst in [5, 20] {
                for latency in [8, 10, 12, 16, 20] as [Int64] {
                    points.append(
                        RepairPoint(
                            lossPercent: 5, burst: burst, roundTrip: roundTrip, quarters: latency,
                            residual: nil,
                            bytes: 30))
                }
            }
        }
        return points
    }()
}
