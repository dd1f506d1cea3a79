internal import FreshetCore
internal import FreshetNet
internal import Synchronization

/// One thread's work: lines that share a pool and one wait. A turn reads the clock once, runs every line
/// until it is quiet, and sleeps until a descriptor is ready or the least deadline comes.
///
/// `@unchecked Sendable`: made on one thread, then used by the loop's own thread only, but for
/// `requestStop()`, `report` and `isFinished`, which are atomic or locked.
final class Loop: @unchecked Sendable {
    /// How often counters are copied to the control plane.
    private static let publishInterval = Nanoseconds.milliseconds(250)

    let report: LoopReport
    private let lines: [Line]
    /// The lines once more, as each turn walks over them.
    private let table: ObjectTable<Line>
    private let steps: [LineStep]
    // Unchecked exclusivity here and below: touched by the loop's own thread only.
    @exclusivity(unchecked) private var poller: Poller
    private let stopWakeup: Wakeup
    /// Signalled when an event waits or the loop has finished, so that the control plane need not poll.
    private let controlWakeup: Wakeup
    private let stopRequested = Atomic<Bool>(false)
    private let finished = Atomic<Bool>(false)
    private let fatal = Atomic<Bool>(false)
    private let stopWanted = Atomic<Bool>(false)
    @exclusivity(unchecked) private var hasStopped = false
    @exclusivity(unchecked) private var startFailure: PipelineError?
    @exclusivity(unchecked) private var nextPublish = Instant.zero
    @exclusivity(unchecked) private var mustRunAgain = true
    /// A line has more to do at once: what becomes ready meanwhile is seen all the same.
    @exclusivity(unchecked) private var mustLook = false
    /// Something ran since the counters were last copied.
    @exclusivity(unchecked) private var isUnpublished = false
    /// Declared last, so that it goes last: stages may hold packets until they go themselves.
    let pool: PacketPool

    init(pool: PacketPool, lines: [Line], controlWakeup: Wakeup) throws(SystemCallError) {
        self.pool = pool
        self.lines = lines
        table = ObjectTable(lines)
        self.controlWakeup = controlWakeup
        steps = lines.flatMap(\.steps)
        report = LoopReport(stageNames: steps.map(\.stage.descriptor.name))
        poller = try Poller()
        stopWakeup = try Wakeup()
    }

    /// Tag of the wake-up for a stop; the others are indexes of `steps`.
    private static let stopTag = UInt64.max
    /// Marks the tag of a stage's control descriptor.
    private static let controlBit: UInt64 = 1 << 32

    /// Starts every line's stages; a failure ends the loop. Called on the loop's own thread.
    func start() {
        do {
            let now = MonotonicClock.now
            for line in lines { try line.start(now: now) }
            try watchDescriptors()
        } catch {
            startFailure = error
            for line in lines { line.abandon() }
            publish(now: MonotonicClock.now, isDone: true)
        }
    }

    private func watchDescriptors() throws(PipelineError) {
        do {
            try poller.add(stopWakeup.number, tag: Loop.stopTag, onEdge: true)
            for (index, step) in steps.enumerated() {
                let media = step.stage.pollDescriptor
                let control = step.stage.controlDescriptor
                if media >= 0 { try poller.add(media, tag: UInt64(index), onEdge: true) }
                if control >= 0 {
                    try poller.add(control, tag: UInt64(index) | Loop.controlBit, onEdge: true)
                }
            }
        } catch { throw PipelineError(.failure, error.description) }
    }

    /// Asks every line with a source of its own to end. Any thread.
    func requestStop() {
        stopRequested.store(true, ordering: .releasing)
        stopWakeup.signal()
    }

    /// True when every line is done. Any thread.
    var isFinished: Bool { finished.load(ordering: .acquiring) }
    /// True when the whole pipeline must end because of this loop: its line failed, and is no branch. Any
    /// thread.
    var mustEndAll: Bool { fatal.load(ordering: .acquiring) }
    /// Why the first line that failed did; to be asked when the loop has finished.
    var failure: PipelineError? {
        let failures = lines.compactMap(\.failure)
        return startFailure ?? failures.first { $0.location != nil } ?? failures.first
    }

    /// Runs until every line is done.
    func run() {
        MonotonicClock.sharpenTimers()
        while !isFinished { turn(until: nil) }
    }

    /// Waits for work, at most until `limit`, and does it.
    func turn(until limit: Instant?) {
        if !mustRunAgain || mustLook { wait(until: mustRunAgain ? .zero : limit) }
        let now = MonotonicClock.now
        if stopRequested.load(ordering: .acquiring) && !hasStopped {
            hasStopped = true
            for line in lines { line.stop() }
        }
        mustRunAgain = false
        mustLook = false
        var isDone = true
        for index in table.indices {
            let progress = table.with(index) { $0.turn(now: now) }
            // What one line moved may be another's input: a tee and its branches share this loop.
            if progress == .unfinished { mustLook = true }
            if progress == .unfinished || (progress == .some && table.count > 1) { mustRunAgain = true }
            if table.with(index, { !$0.isDone }) { isDone = false }
        }
        isUnpublished = true
        if isDone || now >= nextPublish { publish(now: now, isDone: isDone) }
    }

    private func wait(until limit: Instant?) {
        var deadline = isUnpublished ? earliest(limit, nextPublish) : limit
        for index in table.indices { deadline = earliest(deadline, table.with(index) { $0.nextDeadline }) }
        let count = (try? poller.wait(until: deadline)) ?? 0
        for index in 0..<count {
            let tag = poller[index].tag
            if tag == Loop.stopTag { continue }
            if tag & Loop.controlBit != 0 {
                steps[Int(tag & ~Loop.controlBit)].stage.context.isControlReadable = true
            } else {
                steps[Int(tag)].stage.context.isReadable = true
            }
        }
    }

    private func publish(now: Instant, isDone: Bool) {
        let hasNews =
            lines.contains { $0.failure != nil }
            || steps.contains { !$0.stage.context.events.isEmpty || $0.stage.context.isStopRequested }
        nextPublish = now + Loop.publishInterval
        isUnpublished = false
        report.publish(steps)
        if steps.contains(where: { $0.stage.context.isStopRequested }) {
            stopWanted.store(true, ordering: .releasing)
        }
        if startFailure != nil || lines.contains(where: { $0.failure != nil && !$0.isBranch }) {
            fatal.store(true, ordering: .releasing)
        }
        if isDone { finished.store(true, ordering: .releasing) }
        if hasNews || isDone { controlWakeup.signal() }
    }

    /// True when a stage asked for the end of the pipeline. Any thread.
    var isStopWanted: Bool { stopWanted.load(ordering: .acquiring) }
}
