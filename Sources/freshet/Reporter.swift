import FreshetCore
import FreshetEngine
import FreshetNet
import Glibc

/// Shows a run to people (a progress line, reports) and to programs (`--stats`).
struct Reporter {
    private let options: RunOptions
    private let start = MonotonicClock.now
    private var statsDescriptor: Int32 = -1
    private var nextReport: Instant
    private var last: (at: Instant, byteCount: Int)
    private var hasProgressLine = false

    /// Opens the statistics file.
    init(options: RunOptions) throws(PipelineError) {
        self.options = options
        nextReport = start + .seconds(1)
        last = (start, 0)
        guard let path = options.statsPath else { return }
        if path == "-" {
            statsDescriptor = STDERR_FILENO
            return
        }
        statsDescriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if statsDescriptor < 0 {
            throw PipelineError(
                .failure, "the statistics file \(path) cannot be written (\(Terminal.lastError))")
        }
    }

    /// Called now and then while the pipeline runs.
    mutating func tick(_ engine: Engine) {
        show(engine.takeEvents())
        let now = MonotonicClock.now
        guard now >= nextReport else { return }
        nextReport = now + .seconds(1)
        let totals = Totals(engine.counters())
        let rate = bitRate(totals, now)
        if statsDescriptor >= 0 {
            Terminal.write(
                totals.json(elapsed: now - start, bitRate: rate, isFinal: false) + "\n", to: statsDescriptor)
        }
        if Terminal.hasPerson && !options.isQuiet {
            hasProgressLine = true
            Terminal.errorPart("\r\u{1B}[K" + totals.progress(elapsed: now - start, bitRate: rate))
        }
    }

    private mutating func bitRate(_ totals: Totals, _ now: Instant) -> Int {
        defer { last = (now, totals.byteCount) }
        let span = max(1, (now - last.at).count)
        return Int(Int128(totals.byteCount - last.byteCount) * 8_000_000_000 / Int128(span))
    }

    private mutating func show(_ events: [StageEventReport]) {
        if options.isQuiet { return }
        for report in events where isWorthALine(report.event) {
            endProgressLine()
            Terminal.error("freshet: \(report.stage): \(EventText.text(report.event))")
        }
    }

    /// What is as it should be is told to a person, not to a log.
    private func isWorthALine(_ event: StageEvent) -> Bool {
        if Terminal.hasPerson || options.isVerbose { return true }
        switch event {
        case .sourceChanged, .endOfStream: return false
        default: return true
        }
    }

    private mutating func endProgressLine() {
        if hasProgressLine { Terminal.errorPart("\r\u{1B}[K") }
        hasProgressLine = false
    }

    /// Called once when the pipeline has ended.
    mutating func finish(_ engine: Engine) {
        show(engine.takeEvents())
        endProgressLine()
        let stages = engine.counters()
        let totals = Totals(stages)
        let elapsed = MonotonicClock.now - start
        let rate = Int(Int128(totals.byteCount) * 8_000_000_000 / Int128(max(1, elapsed.count)))
        if statsDescriptor >= 0 {
            Terminal.write(
                totals.json(elapsed: elapsed, bitRate: rate, isFinal: true) + "\n", to: statsDescriptor)
            if statsDescriptor != STDERR_FILENO { close(statsDescriptor) }
        }
        if options.isQuiet { return }
        if options.isVerbose {
            for stage in stages { Terminal.error(Totals.line(stage)) }
        }
        if Terminal.hasPerson { Terminal.error(totals.progress(elapsed: elapsed, bitRate: rate)) }
    }
}

/// Reports as sentences.
enum EventText {
    /// What `event` says.
    static func text(_ event: StageEvent) -> String {
        switch event {
        case .sourceChanged(let source): "the source is now \(source)"
        case .secondSource(let source): "another source sends here and is ignored: \(source)"
        case .silent(let span): "nothing has come for \(span.count / 1_000_000) ms"
        case .resumed: "packets come again"
        case .clockJump: "the stream's clock jumped"
        case .endOfStream: "the source has ended the stream"
        case .notice(let text): text
        }
    }
}
