import FreshetCore
import FreshetOverlay
import FreshetStages
import RepairLoop

// repair-grid [PACKETS] [SEED] [freshet|parity|rist|ranges] [NAME]: the residual loss and the cost of
// repair over the grid of losses, bursts, latencies and round trips.
let arguments = CommandLine.arguments
let packets = arguments.count > 1 ? Int(arguments[1]) ?? 100_000 : 100_000
let seed = arguments.count > 2 ? UInt64(arguments[2]) ?? 1 : 1
let mode = arguments.count > 3 ? arguments[3] : "freshet"
let only = arguments.count > 4 ? arguments[4] : ""

/// A fraction with `digits` behind the point, in `width` places.
func text(_ value: Double, _ digits: Int, _ width: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int(value * scale + 0.5)
    var fraction = String(whole % Int(scale))
    while fraction.count < digits { fraction = "0" + fraction }
    let result = digits == 0 ? "\(whole)" : "\(whole / Int(scale)).\(fraction)"
    return String(repeating: " ", count: max(0, width - result.count)) + result
}

print(
    " loss% burst  RTT  latency      lost ppm   repair%  goal    asks/s  ctl%   choices once/more/parity/hopeless"
)
for point in RepairPoint.grid where only.isEmpty || point.name.contains(only) {
    var scenario = point.scenario
    scenario.packets = packets
    scenario.seed = seed
    scenario.isFreshet = mode == "freshet" || mode == "parity"
    scenario.usesRanges = mode == "ranges"
    scenario.hasParity = mode == "parity"
    let outcome = RepairLoop.run(scenario)
    let seconds = Double(packets) / Double(scenario.rate)
    let choices = outcome.receiver
    print(
        text(Double(scenario.link.loss) / 10_000, 0, 5), text(Double(point.burst), 0, 5),
        text(Double(scenario.roundTrip.count) / 1e6, 0, 5),
        text(Double(point.quarters) / 4, 2, 6) + "xRTT",
        text(outcome.lossPerMillion, 2, 12), text(outcome.repairPercent, 2, 8),
        point.isMet(outcome) ? " ok  " : " FAIL",
        text(Double(outcome.controls) / seconds, 0, 6),
        text(Double(outcome.controlBytes) * 100 / Double(packets * 1328), 2, 6),
        "  \(outcome.lostAt.prefix(6).map { $0 - 60_000 })",
        "  \(choices[.ask])/\(choices[.askTwice])/\(choices[.parity])/\(choices[.hopeless])")
}
