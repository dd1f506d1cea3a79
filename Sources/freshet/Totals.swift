import FreshetCore
import FreshetEngine

/// The counters of all stages together, as the statistics name them.
struct Totals {
    private var sums = Counters()
    private var gauges = Counters()
    /// Bytes of media that went through: out of the network where it is received, into it where it is only sent (a
    /// file is read ahead of what is sent), else what the busiest stage had.
    private(set) var byteCount = 0
    /// Nothing is received here, and something sent.
    private let isSender: Bool

    /// The totals of `stages`.
    init(_ stages: [StageReport]) {
        let receivers = stages.filter { $0.name.hasSuffix("-receive") }
        let senders = stages.filter { $0.name.hasSuffix("-send") }
        isSender = receivers.isEmpty && !senders.isEmpty
        for stage in !receivers.isEmpty ? receivers : isSender ? senders : stages {
            byteCount = max(byteCount, stage.counters[.bytesIn], stage.counters[.bytesOut])
        }
        for stage in stages {
            for counter in Counter.allCases {
                let value = stage.counters[counter]
                if counter.isGauge {
                    if value != 0 { gauges[counter] = value }
                } else {
                    sums.add(counter, value)
                }
            }
        }
    }

    private static let named: [(String, Counter)] = [
        ("received", .received), ("lost", .lost), ("recovered", .recovered),
        ("recoveredByFEC", .recoveredByFEC), ("recoveredByNeighbour", .recoveredByNeighbour),
        ("recoveredByPath", .recoveredByPath), ("duplicates", .duplicates),
        ("reordered", .reordered), ("late", .late), ("malformed", .malformed), ("foreign", .foreign),
        ("oversized", .oversized), ("kernelDrops", .kernelDrops), ("queueDrops", .queueDrops),
        ("sendErrors", .sendErrors), ("impaired", .impaired), ("discontinuities", .discontinuities),
        ("continuityErrors", .continuityErrors), ("sourceChanges", .sourceChanges),
        ("poolExhausted", .poolExhausted), ("requestsOut", .requestsOut), ("requestsIn", .requestsIn),
        ("requestsRefused", .requestsRefused), ("repairsOut", .repairsOut),
        ("repairBytesOut", .repairBytesOut), ("parityOut", .parityOut), ("parityIn", .parityIn),
    ]

    /// Told by members of a tree only.
    private static let waits: [(String, Counter)] = [
        ("firstPacketMs", .firstPacketNanoseconds), ("firstFrameMs", .firstFrameNanoseconds),
    ]

    /// One JSON object.
    func json(elapsed: Nanoseconds, bitRate: Int, isFinal: Bool) -> String {
        var fields = ["\"seconds\":\(Totals.decimal(elapsed.count, divisor: 1_000_000_000))"]
        if isFinal { fields.append("\"final\":true") }
        fields.append("\"bytes\":\(byteCount)")
        fields.append("\"bitsPerSecond\":\(bitRate)")
        for (name, counter) in Totals.named { fields.append("\"\(name)\":\(sums[counter])") }
        fields.append(
            "\"latencyMs\":\(Totals.decimal(Int64(gauges[.latencyNanoseconds]), divisor: 1_000_000))")
        fields.append(
            "\"roundTripMs\":\(Totals.decimal(Int64(gauges[.roundTripNanoseconds]), divisor: 1_000_000))")
        fields.append("\"jitterMs\":\(Totals.decimal(Int64(gauges[.jitterNanoseconds]), divisor: 1_000_000))")
        fields.append(
            "\"driftPpm\":\(Totals.decimal(Int64(gauges[.clockDriftPartsPerBillion]), divisor: 1000))")
        for (name, counter) in Totals.waits where gauges[counter] != 0 {
            fields.append("\"\(name)\":\(Totals.decimal(Int64(gauges[counter]), divisor: 1_000_000))")
        }
        return "{" + fields.joined(separator: ",") + "}"
    }

    /// The progress line: time, bit rate, loss, repaired, latency; of a sender what it sent again.
    func progress(elapsed: Nanoseconds, bitRate: Int) -> String {
        let seconds = elapsed.count / 1_000_000_000
        let clock = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
        var text = clock.joined(separator: ":")
        text += "  \(Totals.decimal(Int64(bitRate), divisor: 1_000_000, places: 2)) Mbit/s"
        text +=
            isSender
            ? "  sent again \(sums[.repairsOut])" : "  lost \(sums[.lost])  recovered \(sums[.recovered])"
        if gauges[.latencyNanoseconds] != 0 {
            text +=
                "  latency \(Totals.decimal(Int64(gauges[.latencyNanoseconds]), divisor: 1_000_000, places: 1)) ms"
        }
        if sums[.late] != 0 { text += "  late \(sums[.late])" }
        if sums[.queueDrops] != 0 { text += "  dropped \(sums[.queueDrops])" }
        return text
    }

    /// One stage's counters that are not zero.
    static func line(_ stage: StageReport) -> String {
        let counts = Counter.allCases.filter { stage.counters[$0] != 0 }.map { "\($0) \(stage.counters[$0])" }
        return "  \(HelpText.padded(stage.name, 18))\(counts.joined(separator: "  "))"
    }

    private static func decimal(_ value: Int64, divisor: Int64, places: Int = 3) -> String {
        var scale: Int64 = 1
        for _ in 0..<places { scale *= 10 }
        let scaled = Int128(value.magnitude) * Int128(scale) / Int128(divisor)
        let whole = Int64(scaled / Int128(scale))
        let fraction = String(Int64(scaled % Int128(scale)))
        let zeros = String(repeating: "0", count: places - fraction.count)
        return "\(value < 0 ? "-" : "")\(whole).\(zeros)\(fraction)"
    }
}
