package import FreshetCore

/// One stage of a running line, and the batch behind it.
package final class LineStep {
    package let stage: AnyStage
    /// Where the stage stands in the pipeline's text; `nil` for the engine's own stages.
    let location: SourceLocation?
    // Unchecked exclusivity: touched by the loop's own thread only; a step's output is the next step's input,
    // two properties of two objects, never one twice.
    @exclusivity(unchecked) var output: PacketBatch
    /// When the stage wants to be woken, as of its last call.
    @exclusivity(unchecked) var deadline: Instant?

    package init(_ stage: AnyStage, at location: SourceLocation?, batchCapacity: Int) {
        self.stage = stage
        self.location = location
        output = PacketBatch(capacity: batchCapacity)
    }
}

/// Stages in a row on one thread, from a source to a sink: runs each in turn until nothing moves.
package final class Line {
    /// The most passes over the stages in one turn, so that no line starves the others of its loop.
    static let passLimit = 16

    let steps: [LineStep]
    /// What flows into the first stage: nothing.
    @exclusivity(unchecked) private var nothing = PacketBatch(capacity: 1)
    /// The stage being finished, once the source has given everything; all before it are done.
    @exclusivity(unchecked) private var finishIndex: Int?
    /// When the line must run again if nothing comes, as of its last pass; `nil` for never.
    @exclusivity(unchecked) private(set) var nextDeadline: Instant?
    /// Everything was given, drained and closed.
    @exclusivity(unchecked) private(set) var isDone = false
    /// Why the line ended early.
    @exclusivity(unchecked) private(set) var failure: PipelineError?
    /// True when the line begins with a source of its own (not a ring or a branch), so that a stop ends it
    /// there.
    let hasOwnSource: Bool
    /// True for a line behind a tee: when it fails, the others go on.
    let isBranch: Bool
    /// Lets go of what feeds the line and tells what it feeds that nothing more will come, so that neither
    /// side waits for it.
    private let release: () -> Void

    package init(_ steps: [LineStep], hasOwnSource: Bool, isBranch: Bool, release: @escaping () -> Void) {
        self.steps = steps
        self.hasOwnSource = hasOwnSource
        self.isBranch = isBranch
        self.release = release
    }

    package func start(now: Instant) throws(PipelineError) {
        for step in steps {
            step.stage.context.now = now
            do { try step.stage.start() } catch { throw PipelineError(error, at: step.location) }
            step.stage.context.isReadable = true
            step.stage.context.isControlReadable = true
            step.deadline = step.stage.nextDeadline
        }
    }

    /// Ends the line before it ran: another line of its loop could not start.
    func abandon() {
        for step in steps { step.output.removeAll() }
        // The engine's own last stage tells the thread behind it that nothing will come.
        if let last = steps.last, last.location == nil { _ = try? last.stage.finish(into: &last.output) }
        end()
    }

    private func end() {
        isDone = true
        nextDeadline = nil
        release()
    }

    /// Ends the source where it is and drains the rest.
    func stop() {
        for step in steps { step.stage.context.isStopping = true }
        if hasOwnSource && finishIndex == nil { finishIndex = 0 }
    }

    /// What a turn came to.
    package enum Progress {
        /// Nothing moved.
        case none
        /// Something moved; now all is quiet.
        case some
        /// The passes were used up; there is more to do at once.
        case unfinished
    }

    /// Runs the stages at `now` until nothing moves or the passes are used up.
    package func turn(now: Instant) -> Progress {
        if isDone { return .none }
        for step in steps { step.stage.setNow(now) }
        for count in 0..<Line.passLimit {
            do { if try !pass(now: now) { return count == 0 ? .none : .some } } catch {
                fail(error)
                return .some
            }
            if isDone { return .some }
        }
        return .unfinished
    }

    /// One pass over the stages; true when anything moved.
    private func pass(now: Instant) throws(PipelineError) -> Bool {
        var hasMoved = false
        var least: Instant?
        for index in (finishIndex ?? 0)..<steps.count {
            let step = steps[index]
            let given = step.output.count
            do {
                if index == 0 {
                    if finishIndex == nil { try run(step, input: &nothing, now: now) }
                } else {
                    let previous = steps[index - 1]
                    let waiting = previous.output.count
                    try run(step, input: &previous.output, now: now)
                    if previous.output.count != waiting { hasMoved = true }
                }
            } catch { throw PipelineError(error, at: step.location) }
            if step.output.count != given { hasMoved = true }
            // A full output is emptied by the stage behind, whose own wake-up comes first.
            if !step.output.isFull { least = earliest(least, step.deadline) }
        }
        nextDeadline = least
        if finishIndex == nil && steps[0].stage.isSourceFinished { finishIndex = 0 }
        return try finish() || hasMoved
    }

    private func run(_ step: LineStep, input: inout PacketBatch, now: Instant) throws(StageError) {
        if step.output.isFull { return }
        let stage = step.stage
        if let deadline = step.deadline, deadline <= now { try stage.advance(into: &step.output) }
        if !step.output.isFull { try stage.process(&input, into: &step.output) }
        step.deadline = stage.nextDeadline
    }

    /// Finishes the stages whose input has ended, in order; true when one was finished.
    private func finish() throws(PipelineError) -> Bool {
        guard var index = finishIndex else { return false }
        let first = index
        while index < steps.count {
            if index > 0 && !steps[index - 1].output.isEmpty { break }
            do { if try !steps[index].stage.finish(into: &steps[index].output) { break } } catch {
                throw PipelineError(error, at: steps[index].location)
            }
            index += 1
        }
        finishIndex = index
        if index == steps.count {
            end()
        } else {
            steps[index].deadline = steps[index].stage.nextDeadline
            nextDeadline = earliest(nextDeadline, steps[index].deadline)
        }
        return index != first
    }

    /// Ends the line at the stage that failed; the stages behind it drain what they have, so that what was
    /// good is kept.
    private func fail(_ error: PipelineError) {
        failure = error
        let broken = steps.firstIndex { $0.location == error.location } ?? 0
        for index in steps.indices where index > broken {
            _ = try? steps[index].stage.process(&steps[index - 1].output, into: &steps[index].output)
            for _ in 0..<Line.passLimit {
                let isDrained = (try? steps[index].stage.finish(into: &steps[index].output)) ?? true
                if isDrained { break }
            }
        }
        for step in steps { step.output.removeAll() }
        if isBranch { steps[broken].stage.context.report(.notice("this branch has ended: \(error)")) }
        end()
    }
}
