import FreshetCore
import FreshetEngine
import FreshetNet
import Glibc

/// One run of a pipeline from the command line: signals, progress, statistics, reports.
struct PipelineRun {
    private let pipeline: Pipeline
    private let options: RunOptions

    /// A run of `pipeline`.
    init(_ pipeline: Pipeline, options: RunOptions) {
        self.pipeline = pipeline
        self.options = options
    }

    private static func signalSource() throws(PipelineError) -> SignalSource {
        do { return try SignalSource() } catch { throw PipelineError(.failure, error.description) }
    }

    /// Runs to the end, or until a signal; a second signal ends the process at once.
    func run() throws(PipelineError) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let signals = try PipelineRun.signalSource()
        var reporter = try Reporter(options: options)
        let engine = try Engine(pipeline, options: options.engine)
        try engine.watch(signals.number)
        var failure: PipelineError?
        do {
            try engine.run { engine in
                while signals.next() != nil {
                    if engine.isStopRequested { _exit(CommandLineTool.Status.failure) }
                    engine.stop()
                }
                reporter.tick(engine)
            }
        } catch { failure = error }
        reporter.finish(engine)
        if let failure { throw failure }
        return CommandLineTool.Status.done
    }
}
