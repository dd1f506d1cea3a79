internal import FreshetCore
internal import FreshetNet

/// Makes the loops, lines, rings and branches of a checked pipeline.
struct EngineBuilder {
    let options: EngineOptions
    let controlWakeup: Wakeup
    private var random: PRNG
    private var stageCount: UInt64 = 0
    /// The network loop's lines, and its pool.
    private var mainLines: [Line] = []
    private let mainPool: PacketPool
    /// One loop for each run of blocking stages.
    private var blockingLoops: [Loop] = []

    init(options: EngineOptions, seed: UInt64, controlWakeup: Wakeup) {
        self.options = options
        self.controlWakeup = controlWakeup
        random = PRNG(seed: seed)
        mainPool = PacketPool(slotCount: options.packetLimit)
    }

    /// The loops of `pipeline`: the network loop first (it may be empty of lines when everything blocks).
    mutating func loops(for pipeline: Pipeline) throws(PipelineError) -> [Loop] {
        try build(pipeline.stages, inlet: nil)
        var loops = blockingLoops
        if !mainLines.isEmpty {
            loops.insert(try loop(mainPool, mainLines), at: 0)
        }
        return loops
    }

    private func loop(_ pool: PacketPool, _ lines: [Line]) throws(PipelineError) -> Loop {
        do { return try Loop(pool: pool, lines: lines, controlWakeup: controlWakeup) } catch {
            throw PipelineError(.failure, error.description)
        }
    }

    private mutating func context(_ pool: PacketPool) -> StageContext {
        stageCount += 1
        return StageContext(pool: pool, random: random.split(by: stageCount))
    }

    private func step(_ stage: AnyStage, at location: SourceLocation?) -> LineStep {
        LineStep(stage, at: location, batchCapacity: options.batchCapacity)
    }

    /// Builds `stages` into lines. `inlet` makes the engine's own source in front of them: a ring's end or a branch.
    private mutating func build(
        _ stages: [PlannedStage], inlet: ((inout EngineBuilder, PacketPool) -> AnyStage)?
    ) throws(PipelineError) {
        var inlet = inlet
        var rest = stages[...]
        while let first = rest.first {
            let isBlocking = options.threads == .split && first.kind.descriptor.mayBlock
            let segment = rest.prefix { isBlocking == (options.threads == .split && $0.kind.descriptor.mayBlock) }
            rest = rest.dropFirst(segment.count)
            let pool = isBlocking ? PacketPool(slotCount: options.blockingPacketLimit) : mainPool
            var steps: [LineStep] = []
            let hasOwnSource = inlet == nil
            if let makeInlet = inlet { steps.append(step(makeInlet(&self, pool), at: nil)) }
            inlet = nil
            for stage in segment { steps.append(try make(stage, pool)) }
            if let next = rest.first {
                let ring = try ring()
                let interval = next.kind.descriptor.batchInterval
                let outlet = RingOutlet(ring, batchInterval: interval)
                steps.append(step(StageBox(outlet, context: context(pool)), at: nil))
                inlet = { builder, pool in StageBox(RingInlet(ring), context: builder.context(pool)) }
            }
            let line = Line(steps, hasOwnSource: hasOwnSource)
            if isBlocking {
                blockingLoops.append(try loop(pool, [line]))
            } else {
                mainLines.append(line)
            }
        }
    }

    private func ring() throws(PipelineError) -> ParcelRing {
        do { return try ParcelRing(capacity: options.ringCapacity, slotByteCount: mainPool.slotByteCount) } catch {
            throw PipelineError(.failure, error.description)
        }
    }

    private mutating func make(_ planned: PlannedStage, _ pool: PacketPool) throws(PipelineError) -> LineStep {
        if planned.kind.descriptor.name == TeeStage.name { return try makeTee(planned, pool) }
        do {
            let stage = try planned.kind.make(planned.arguments, context(pool))
            return step(stage, at: planned.location)
        } catch { throw PipelineError(error, at: planned.location) }
    }

    /// A tee and the lines of its branches, which all begin on the tee's own thread; a branch that blocks goes on in its own.
    private mutating func makeTee(_ planned: PlannedStage, _ pool: PacketPool) throws(PipelineError) -> LineStep {
        let policy: BranchPolicy =
            switch planned.arguments.text("policy") {
            case "wait": .wait
            case "drop-oldest": .dropOldest
            default: .dropNewest
            }
        let capacity = planned.arguments.integer("queue") ?? 512
        var branches: [TeeBranch] = []
        for stages in planned.branches {
            let branch = TeeBranch(capacity: capacity, policy: policy)
            branches.append(branch)
            try buildBranch(stages, from: branch)
        }
        return step(StageBox(TeeStage(branches: branches), context: context(pool)), at: planned.location)
    }

    private mutating func buildBranch(_ stages: [PlannedStage], from branch: TeeBranch) throws(PipelineError) {
        let makeInlet: (inout EngineBuilder, PacketPool) -> AnyStage = { builder, pool in
            StageBox(BranchInlet(branch), context: builder.context(pool))
        }
        guard options.threads == .split, stages.first?.kind.descriptor.mayBlock == true else {
            return try build(stages, inlet: makeInlet)
        }
        // The tee's end of the branch stays on the tee's thread; a ring leads to the blocking stage.
        let ring = try ring()
        let interval = stages.first?.kind.descriptor.batchInterval ?? .zero
        let outlet = StageBox(RingOutlet(ring, batchInterval: interval), context: context(mainPool))
        let inlet = makeInlet(&self, mainPool)
        mainLines.append(Line([step(inlet, at: nil), step(outlet, at: nil)], hasOwnSource: false))
        try build(
            stages, inlet: { builder, pool in StageBox(RingInlet(ring), context: builder.context(pool)) })
    }
}
