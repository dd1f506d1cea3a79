import FreshetCore

extension SimulationResult {
    /// Each figure with its name in the JSON, its words in the table and its text. Shares are decimal numbers
    /// of all, times are milliseconds.
    private var figures: [RunReport.Figure] {
        let expected = totals.deliveredCount + totals.residualCount
        return [
            ("receivers", "receivers", "\(receiverCount)"),
            ("simulatedSeconds", "simulated time, s", Self.decimal(span.count, 1_000_000_000, 3)),
            ("packets", "packets sent", "\(totals.packetCount)"),
            ("delivered", "packets delivered", "\(totals.deliveredCount)"),
            ("losses", "copies lost on the way", "\(totals.lossCount)"),
            ("lostPackets", "packets that somebody lost", "\(totals.lostPacketCount)"),
            ("residual", "packets given up", "\(totals.residualCount)"),
            ("residualShare", "  of all", Self.decimal(totals.residualCount, expected, 9)),
            ("recovered", "packets repaired", "\(totals.recoveredCount)"),
            ("recoveredLocally", "  from the own segment", "\(totals.recoveredLocallyCount)"),
            ("repairs", "repairs sent", "\(totals.repairCount)"),
            (
                "repairShare", "  bytes for each byte of media",
                Self.decimal(totals.repairByteCount, totals.mediaByteCount, 6)
            ),
            ("repairsPerLoss", "  for each packet lost", Self.decimal(Int(repairs.meanThousandths), 1000, 3)),
            (
                "controlShare", "control bytes for each of media",
                Self.decimal(totals.controlByteCount, totals.mediaByteCount, 6)
            ),
            ("asks", "packets asked for", "\(totals.askCount)"),
            ("asksPerLoss", "  for each packet lost, mean", Self.decimal(Int(asks.meanThousandths), 1000, 3)),
            ("asksPerLossP99", "    p99", "\(asks.quantile(99, of: 100))"),
            ("asksPerLossMax", "    max", "\(asks.maximum)"),
            (
                "asksAtSource", "  of these at the source, mean",
                Self.decimal(Int(farAsks.meanThousandths), 1000, 3)
            ),
            ("asksAtSourceP99", "    p99", "\(farAsks.quantile(99, of: 100))"),
            ("asksAtSourceMax", "    max", "\(farAsks.maximum)"),
            ("commonLosses", "  packets that more than half lost", "\(commonAsks.count)"),
            (
                "asksPerCommonLoss", "    asked for, mean",
                Self.decimal(Int(commonAsks.meanThousandths), 1000, 3)
            ),
            ("asksPerCommonLossMax", "    max", "\(commonAsks.maximum)"),
            ("needlessAsks", "  that nobody had lost", "\(needlessAskCount)"),
            ("hopelessAsks", "  too late to help", "\(totals.hopelessAskCount)"),
            (
                "repairDelayP50", "repair delay, ms, p50",
                Self.milliseconds(totals.repairDelay.quantile(50, of: 100))
            ),
            ("repairDelayP99", "    p99", Self.milliseconds(totals.repairDelay.quantile(99, of: 100))),
            ("repairDelayMax", "    max", Self.milliseconds(totals.repairDelay.maximum)),
            (
                "repairDepartureP50", "first repair leaves after, ms, p50",
                Self.milliseconds(repairDeparture.quantile(50, of: 100))
            ),
            ("repairDepartureP99", "    p99", Self.milliseconds(repairDeparture.quantile(99, of: 100))),
            ("surplus", "packets that came again", "\(totals.surplusCount)"),
            ("peakHeld", "most packets held by one", "\(totals.peakHeldCount)"),
            ("longestWait", "longest wait for order, ms", Self.milliseconds(totals.longestWait.count)),
            ("events", "events", "\(eventCount)"),
        ]
    }

    /// What is told of the run.
    public var report: RunReport {
        RunReport(
            scenario: scenario, seed: seed, figures: figures, wordWidth: 38, span: span, digest: digest,
            violation: violation)
    }

    private static func milliseconds(_ nanoseconds: Int64) -> String { decimal(nanoseconds, 1_000_000, 3) }

    private static func decimal<Number: BinaryInteger>(
        _ part: Number, _ whole: Number, _ digits: Int
    ) -> String {
        RunReport.decimal(part, whole, digits)
    }
}
