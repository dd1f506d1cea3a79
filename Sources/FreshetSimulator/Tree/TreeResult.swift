public import FreshetCore

/// What a run of a tree came to.
public struct TreeResult: Sendable {
    /// The scenario's name.
    public var scenario: String
    /// The seed.
    public var seed: UInt64
    /// Viewers at first.
    public var nodeCount: Int
    /// Virtual time that passed.
    public var span: Nanoseconds
    /// Fingerprint of all that happened.
    public var digest: Digest
    /// The invariant that broke, if one did.
    public var violation: Violation?
    /// Sums.
    public var totals: TreeTotals
    /// Events that the queue handled.
    public var eventCount: UInt64
    /// Real time that the coordinator's calls took; 0 when the caller gave no clock.
    public var coordinatorTime: Nanoseconds
    private let packetByteCount: Int
    private let measuredSeconds: Int64
    private let rate: Int

    /// Runs `scenario` to its end or to the first invariant that breaks. The same seed gives the same run, on
    /// every machine. `threadTime` gives nanoseconds of CPU that this thread has used; it changes nothing but
    /// ``coordinatorTime``.
    public init(
        running scenario: TreeScenario, seed: UInt64, threadTime: @escaping () -> Int64 = { 0 }
    ) {
        var world = TreeSimulation(scenario, seed: seed, threadTime: threadTime)
        world.run()
        self.scenario = scenario.name
        self.seed = seed
        nodeCount = scenario.nodeCount
        span = world.now - .zero
        digest = world.digest
        violation = world.violation
        totals = world.totals
        eventCount = world.events
        coordinatorTime = Nanoseconds(world.coordinatorNanoseconds)
        packetByteCount = scenario.packetByteCount
        measuredSeconds = max(1, (scenario.duration - scenario.measureFrom).count / 1_000_000_000)
        rate = scenario.rate
    }

    /// Each figure with its name in the JSON, its words in the table and its text.
    private var figures: [RunReport.Figure] {
        healthFigures + shapeFigures + costFigures
    }

    private var healthFigures: [RunReport.Figure] {
        let late = totals.dueCount - totals.inTimeCount
        let whole = totals.survivorCount - totals.brokenCount
        return [
            ("nodes", "viewers", "\(nodeCount)"),
            ("simulatedSeconds", "simulated time, s", decimal(span.count, 1_000_000_000, 3)),
            ("changes", "joins and leaves", "\(totals.changeCount)"),
            ("crashes", "crashes", "\(totals.crashCount)"),
            ("due", "packets due at players", "\(totals.dueCount)"),
            ("inTimeShare", "  there in time", decimal(totals.inTimeCount, totals.dueCount, 6)),
            ("late", "  not there", "\(late)"),
            (
                "promptShare", "within the latency of being sent",
                decimal(totals.promptCount, totals.deliveredCount, 6)
            ),
            (
                "wholeShare", "viewers without a gap from the strike on",
                decimal(whole, totals.survivorCount, 5)
            ),
            ("longestGapMs", "longest gap of a viewer, ms", milliseconds(totals.longestGap.count)),
            ("gapP50Ms", "  of those with a gap, p50", milliseconds(totals.gaps.quantile(50, of: 100))),
            ("gapP99Ms", "    p99", milliseconds(totals.gaps.quantile(99, of: 100))),
            ("healedAfterMs", "everybody fed after the strike, ms", milliseconds(totals.healedAfter.count)),
            (
                "outageP50Ms", "pause of those cut off, ms, p50",
                milliseconds(totals.outage.quantile(50, of: 100))
            ),
            ("outageP99Ms", "    p99", milliseconds(totals.outage.quantile(99, of: 100))),
            ("outageMaxMs", "    max", milliseconds(totals.outage.maximum)),
            (
                "firstPacketP50Ms", "first packet after the connection, ms, p50",
                milliseconds(totals.firstPacket.quantile(50, of: 100))
            ),
            ("firstPacketP99Ms", "    p99", milliseconds(totals.firstPacket.quantile(99, of: 100))),
            ("firstPacketMaxMs", "    max", milliseconds(totals.firstPacket.maximum)),
            (
                "firstPacketTripsP50", "  in round trips to the coordinator, p50",
                decimal(totals.firstPacketTrips.quantile(50, of: 100), 1000, 2)
            ),
        ]
    }

    private var shapeFigures: [RunReport.Figure] {
        [
            ("depthP50", "depth, p50", "\(totals.depth.quantile(50, of: 100))"),
            ("depthP99", "    p99", "\(totals.depth.quantile(99, of: 100))"),
            ("depthMax", "    max", "\(totals.depth.maximum)"),
            (
                "delayP50Ms", "way from the source in the tree, ms, p50",
                milliseconds(totals.delay.quantile(50, of: 100))
            ),
            ("delayP99Ms", "    p99", milliseconds(totals.delay.quantile(99, of: 100))),
            (
                "stretchP50", "stretch against the direct way, p50",
                decimal(totals.stretch.quantile(50, of: 100), 1000, 2)
            ),
            ("stretchP95", "    p95", decimal(totals.stretch.quantile(95, of: 100), 1000, 2)),
            (
                "wayP50Ms", "packets' way from the source, ms, p50",
                milliseconds(totals.way.quantile(50, of: 100))
            ),
            ("wayP99Ms", "    p99", milliseconds(totals.way.quantile(99, of: 100))),
            ("moves", "new parents", "\(totals.moveCount)"),
            ("exchanges", "changes of places", "\(totals.exchangeCount)"),
            ("loops", "loops seen", "\(totals.loopCount)"),
        ]
    }

    private var costFigures: [RunReport.Figure] {
        let useful = totals.deliveredCount * Int64(packetByteCount)
        let coordinatorShare = measuredSeconds * 1_000_000_000
        return [
            (
                "overhead", "bytes beyond the stream, for each of it",
                decimal(totals.overheadPerMillion(packetByteCount: packetByteCount), 1_000_000, 5)
            ),
            (
                "duplicates", "  packets that came again",
                decimal(totals.duplicateCount, totals.deliveredCount, 5)
            ),
            ("repairs", "  packets sent again", decimal(totals.repairCount, totals.deliveredCount, 5)),
            (
                "control", "  control",
                decimal(totals.controlPerMillion(packetByteCount: packetByteCount), 1_000_000, 5)
            ),
            ("repairControl", "    of repair", decimal(totals.repairControlByteCount, useful, 5)),
            ("coordinatorBytes", "    with the coordinator", decimal(totals.coordinatorByteCount, useful, 5)),
            (
                "coordinatorMessages", "messages with the coordinator, a second",
                "\(totals.coordinatorMessageCount / measuredSeconds)"
            ),
            (
                "coordinatorCPU", "coordinator, CPU seconds a simulated second",
                decimal(coordinatorTime.count, max(1, span.count), 4)
            ),
            (
                "sourcePeakStreams", "the source's busiest second, streams",
                decimal(totals.sourcePeak * 8, Int64(rate), 2)
            ),
            ("events", "events", "\(eventCount)"),
            ("measured", "seconds counted", "\(coordinatorShare / 1_000_000_000)"),
        ]
    }

    /// What is told of the run.
    public var report: RunReport {
        RunReport(
            scenario: scenario, seed: seed, figures: figures, wordWidth: 46, span: span, digest: digest,
            violation: violation)
    }

    private func milliseconds(_ nanoseconds: Int64) -> String { decimal(nanoseconds, 1_000_000, 1) }

    private func decimal<Number: BinaryInteger>(_ part: Number, _ whole: Number, _ digits: Int) -> String {
        RunReport.decimal(part, whole, digits)
    }
}
