package import FreshetCore

/// One stage of a running line, and the batch behind it.
package final class LineStep {
    package let stage: AnyStage
    /// Where the stage stands in the pipeline's text; `nil` for the engine's own stages.
    let location: SourceLocation?
    /// The batch behind the stage: the next step's input. A place of its own, which the line's table points
    /// to.
    let output: UnsafeMutablePointer<PacketBatch>

    package init(_ stage: AnyStage, at location: SourceLocation?, batchCapacity: Int) {
        self.stage = stage
        self.location = location
        output = .allocate(capacity: 1)
        output.initialize(to: PacketBatch(capacity: batchCapacity))
    }

    deinit {
        output.deinitialize(count: 1)
        output.deallocate()
    }
}

/// Stages in a row on one thread, from a source to a sink: runs each in turn until nothing moves.
package final class Line {
    /// The most passes over the stages in one turn, so that no line starves the others of its loop.
    static let passLimit = 16

    let steps: [LineStep]
    /// The steps once more, as the passes walk over them: without counting references, which would cost more
    /// than the walk. `steps` keeps what it points to.
    private struct Entry {
        let stage: Unmanaged<AnyStage>
        let output: UnsafeMutablePointer<PacketBatch>
        /// When the stage wants to be woken, as of its last call.
        var deadline: Instant?
    }
    private let table: UnsafeMutableBufferPointer<Entry>
    /// What flows into the first stage: nothing.
    private let nothing: UnsafeMutablePointer<PacketBatch>
    /// The source says by its descriptor when it has more.
    @exclusivity(unchecked) private var isSourceWatched = false
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
        table = .allocate(capacity: steps.count)
        for (index, step) in steps.enumerated() {
            table.initializeElement(
                at: index, to: Entry(stage: .passUnretained(step.stage), output: step.output))
        }
        nothing = .allocate(capacity: 1)
        nothing.initialize(to: PacketBatch(capacity: 1))
    }

    deinit {
        table.deallocate()
        nothing.deinitialize(count: 1)
        nothing.deallocate()
    }

    package func start(now: Instant) throws(PipelineError) {
        for (index, step) in steps.enumerated() {
            step.stage.context.now = now
            do { try step.stage.start() } catch { throw PipelineError(error, at: step.location) }
            step.stage.context.isReadable = true
            step.stage.context.isControlReadable = step.stage.controlDescriptor >= 0
            table[index].deadline = step.stage.nextDeadline
        }
        isSourceWatched = steps[0].stage.pollDescriptor >= 0
    }

    /// Ends the line before it ran: another line of its loop could not start.
    func abandon() {
        for step in steps { step.output.pointee.removeAll() }
        // The engine's own last stage tells the thread behind it that nothing will come.
        if let last = steps.last, last.location == nil {
            _ = try? last.stage.finish(into: &last.output.pointee)
        }
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
        for index in table.indices { table[index].stage._withUnsafeGuaranteedRef { $0.context.now = now } }
        for count in 0..<Line.passLimit {
            do {
                switch try pass(now: now) {
                case .none: return count == 0 ? .none : .some
                case .some: return .some
                case .unfinished: break
                }
            } catch {
                fail(error)
                return .some
            }
            if isDone { return .some }
        }
        return .unfinished
    }

    /// One pass over the stages: `unfinished` when something moved and another pass may move more.
    private func pass(now: Instant) throws(PipelineError) -> Progress {
        var hasMoved = false
        // Another pass is worth its while when a stage that stopped for want of room has got some since.
        var hasNewRoom = false
        var wasFull = false
        var least: Instant?
        var input = nothing
        for index in (finishIndex ?? 0)..<table.count {
            if index > 0 { input = table[index - 1].output }
            let output = table[index].output
            let given = output.pointee.count
            let waiting = input.pointee.count
            if index > 0 || finishIndex == nil, !output.pointee.isFull {
                try run(index, &input.pointee, into: &output.pointee)
            }
            if input.pointee.count != waiting || output.pointee.count != given { hasMoved = true }
            if wasFull && !input.pointee.isFull { hasNewRoom = true }
            wasFull = output.pointee.isFull
            // What is behind a full output is emptied by the next stage, whose own wake-up comes first.
            if !wasFull { least = earliest(least, table[index].deadline) }
        }
        nextDeadline = least
        if finishIndex == nil, table[0].stage._withUnsafeGuaranteedRef({ $0.isSourceFinished }) {
            finishIndex = 0
        }
        if finishIndex != nil {
            let hasFinished = try finish()
            return hasFinished || hasMoved ? .unfinished : .none
        }
        if !hasMoved { return .none }
        if let least, least <= now { return .unfinished }
        return hasNewRoom || !isSourceQuiet ? .unfinished : .some
    }

    /// The source can give no more now: there is no room for it, or it has said that it waits; and no stage can
    /// have been short of packets.
    private var isSourceQuiet: Bool {
        table[0].stage._withUnsafeGuaranteedRef { source in
            let pool = source.context.pool
            if pool.usedCount * 2 >= pool.slotCount { return false }
            if table[0].output.pointee.isFull { return true }
            return isSourceWatched && !source.context.isReadable && !source.context.isControlReadable
        }
    }

    @inline(__always)
    private func run(
        _ index: Int, _ input: inout PacketBatch, into output: inout PacketBatch
    ) throws(PipelineError) {
        var deadline = table[index].deadline
        var failure: StageError?
        table[index].stage._withUnsafeGuaranteedRef { stage in
            do throws(StageError) {
                deadline = try stage.run(&input, into: &output, deadline: deadline)
            } catch { failure = error }
        }
        table[index].deadline = deadline
        if let failure { throw PipelineError(failure, at: steps[index].location) }
    }

    /// Finishes the stages whose input has ended, in order; true when one was finished.
    private func finish() throws(PipelineError) -> Bool {
        guard var index = finishIndex else { return false }
        let first = index
        while index < table.count {
            if index > 0 && !table[index - 1].output.pointee.isEmpty { break }
            do {
                if try !steps[index].stage.finish(into: &table[index].output.pointee) { break }
            } catch { throw PipelineError(error, at: steps[index].location) }
            index += 1
        }
        finishIndex = index
        if index == steps.count {
            end()
        } else {
            table[index].deadline = steps[index].stage.nextDeadline
            nextDeadline = earliest(nextDeadline, table[index].deadline)
        }
        return index != first
    }

    /// Ends the line at the stage that failed; the stages behind it drain what they have, so that what was
    /// good is kept.
    private func fail(_ error: PipelineError) {
        failure = error
        let broken = steps.firstIndex { $0.location == error.location } ?? 0
        for index in steps.indices where index > broken {
            let output = steps[index].output
            _ = try? steps[index].stage.process(&steps[index - 1].output.pointee, into: &output.pointee)
            for _ in 0..<Line.passLimit {
                let isDrained = (try? steps[index].stage.finish(into: &output.pointee)) ?? true
                if isDrained { break }
            }
        }
        for step in steps { step.output.pointee.removeAll() }
        if isBranch { steps[broken].stage.context.report(.notice("this branch has ended: \(error)")) }
        end()
    }
}
