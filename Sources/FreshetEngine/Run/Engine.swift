public import FreshetCore
internal import FreshetMedia
internal import FreshetNet

/// Runs a checked pipeline: makes its stages, gives them threads, and ends them cleanly.
///
/// ```swift
/// let pipeline = try Pipeline(text: "demux input=clip.mp4 ! packetize ! pace ! multicast-send group=239.77.1.1:5004")
/// let engine = try Engine(pipeline)
/// try engine.run { engine in print(engine.counters()) }
/// ```
public final class Engine {
    /// What was run.
    public let pipeline: Pipeline
    /// The seed of the run's random choices.
    public let seed: UInt64
    private let options: EngineOptions
    private let loops: [Loop]
    private let controlWakeup: Wakeup
    private var control: Poller
    private var threads: [LoopThread] = []
    private var hasStarted = false
    /// True once ``stop()`` was called.
    public private(set) var isStopRequested = false

    /// Makes every stage of `pipeline`; opens nothing yet.
    public init(_ pipeline: Pipeline, options: EngineOptions = EngineOptions()) throws(PipelineError) {
        self.pipeline = pipeline
        self.options = options
        seed = options.seed ?? SystemRandom.next()
        do {
            controlWakeup = try Wakeup()
            control = try Poller()
            try control.add(controlWakeup.number, tag: 0, onEdge: true)
        } catch { throw PipelineError(.failure, error.description) }
        var builder = EngineBuilder(options: options, seed: seed, controlWakeup: controlWakeup)
        loops = try builder.loops(for: pipeline)
    }

    /// On how many threads the pipeline runs, beside the control plane's.
    public var threadCount: Int { options.threads == .inline ? 0 : loops.count }

    // MARK: Running

    /// Runs the pipeline to its end on the threads that the options say. `tick` is called on the caller's
    /// thread at least once a second and whenever something was reported; it may call ``stop()``.
    ///
    /// Throws the first failure, after everything was ended cleanly.
    public func run(_ tick: (Engine) -> Void) throws(PipelineError) {
        try start()
        while !isFinished {
            wait(upTo: .seconds(1))
            if loops.contains(where: { $0.isStopWanted || $0.mustEndAll }) { stop() }
            tick(self)
        }
        for thread in threads { thread.join() }
        tick(self)
        if let failure { throw failure }
    }

    /// Starts every stage; with `inline`, ``turn(upTo:)`` then does the work.
    public func start() throws(PipelineError) {
        precondition(!hasStarted, "an engine runs once")
        hasStarted = true
        MediaInterrupt.clear()
        if options.threads == .inline {
            for loop in loops { loop.start() }
            return
        }
        for (index, loop) in loops.enumerated() {
            let name = index == 0 ? "freshet-net" : "freshet-media-\(index)"
            guard
                let thread = LoopThread(
                    name: name,
                    {
                        loop.start(); loop.run()
                    })
            else {
                stop()
                throw PipelineError(.failure, "the system gives no more threads")
            }
            threads.append(thread)
        }
    }

    /// Does what is due, waiting at most `span` for it. Only with `inline`.
    public func turn(upTo span: Nanoseconds) {
        let limit = MonotonicClock.now + span
        for loop in loops where !loop.isFinished {
            loop.turn(until: loops.count == 1 ? limit : MonotonicClock.now)
        }
    }

    private func wait(upTo span: Nanoseconds) {
        let limit = MonotonicClock.now + span
        if options.threads == .inline {
            while !isFinished && MonotonicClock.now < limit && !hasControlWork() {
                loops[0].turn(until: limit)
            }
            return
        }
        _ = try? control.wait(until: limit)
    }

    /// True when a signal or a report waits, without waiting for it.
    private func hasControlWork() -> Bool { ((try? control.wait(until: .zero)) ?? 0) > 0 }

    /// Asks the pipeline to end cleanly: sources end, what is held is drained, sinks are closed. Returns at
    /// once.
    public func stop() {
        if isStopRequested { return }
        isStopRequested = true
        // A source that waits for a server or a pipe waits inside one call: this ends it.
        MediaInterrupt.request()
        for loop in loops { loop.requestStop() }
    }

    /// True when every stage has been finished.
    public var isFinished: Bool { loops.allSatisfy(\.isFinished) }

    /// Why the pipeline failed, when it has finished; `nil` when it did not.
    public var failure: PipelineError? {
        let failures = loops.compactMap(\.failure)
        return failures.first { $0.location != nil } ?? failures.first
    }

    // MARK: Seeing

    /// The counters of every stage as last published (at most a quarter of a second old while running).
    public func counters() -> [StageReport] { loops.flatMap { $0.report.counters() } }

    /// What the stages reported since the last call.
    public func takeEvents() -> [StageEventReport] { loops.flatMap { $0.report.takeEvents() } }

    /// Watches `descriptor` too: ``run(_:)`` calls its tick when it becomes readable (signals).
    public func watch(_ descriptor: Int32) throws(PipelineError) {
        do { try control.add(descriptor, tag: 1, onEdge: true) } catch {
            throw PipelineError(.failure, error.description)
        }
    }
}
