internal import FreshetCore
internal import FreshetNet

/// Makes the loops, lines, rings and branches of a checked pipeline.
struct EngineBuilder {
    let options: EngineOptions
    let controlWakeup: Wakeup
    private var random: PRNG
    private var stageCount: UInt64 = 0
    /// Some stage holds packets until their time.
    private var keepsTime = false
    /// The network loop's lines, and its pool.
    private var mainLines: [Line] = []
    private let mainPool: PacketPool
    /// The slots of all pools and rings: packets go from thread to thread without a copy.
    private let family = SlotFamily()
    private var teeReleases: [() -> Void] = []
    /// One loop for each run of blocking stages.
    private var blockingLoops: [Loop] = []

    init(options: EngineOptions, seed: UInt64, controlWakeup: Wakeup) {
        self.options = options
        self.controlWakeup = controlWakeup
        random = PRNG(seed: seed)
        mainPool = PacketPool(slotCount: options.packetLimit, family: family)
    }

    /// The loops of `pipeline`: the network loop first (it may be empty of lines when everything blocks).
    mutating func loops(for pipeline: Pipeline) throws(PipelineError) -> [Loop] {
        keepsTime = EngineBuilder.keepsTime(pipeline.stages)
        try build(pipeline.stages, inlet: nil, isBranch: false)
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

    /// What stands in front of a line instead of a source of its own: the end of a ring, or of a branch's
    /// queue.
    private struct Inlet {
        var make: (inout EngineBuilder, PacketPool) -> AnyStage
        /// Lets go of the other side when the line has ended.
        var release: () -> Void

        static func ring(_ ring: ParcelRing) -> Inlet {
            Inlet(
                make: { builder, pool in StageBox(RingInlet(ring), context: builder.context(pool)) },
                release: { ring.close() })
        }

        static func branch(_ branch: TeeBranch) -> Inlet {
            Inlet(
                make: { builder, pool in StageBox(BranchInlet(branch), context: builder.context(pool)) },
                release: { branch.close() })
        }
    }

    /// Builds `stages` into lines, cut where blocking stages begin or end; `inlet` stands in front of them.
    private mutating func build(_ stages: [PlannedStage], inlet: Inlet?, isBranch: Bool) throws(PipelineError)
    {
        var inlet = inlet
        var rest = stages[...]
        while let first = rest.first {
            let isBlocking = blocks(first)
            let segment = rest.prefix { isBlocking == blocks($0) }
            rest = rest.dropFirst(segment.count)
            let pool = isBlocking ? blockingPool() : mainPool
            var steps: [LineStep] = []
            let hasOwnSource = inlet == nil
            var releases = inlet.map { [$0.release] } ?? []
            if let inlet { steps.append(step(inlet.make(&self, pool), at: nil)) }
            inlet = nil
            for stage in segment { steps.append(try make(stage, pool)) }
            if let next = rest.first {
                let ring = try ring()
                let outlet = RingOutlet(ring, batchInterval: next.kind.descriptor.batchInterval)
                steps.append(step(StageBox(outlet, context: context(pool)), at: nil))
                releases.append { ring.finish() }
                inlet = .ring(ring)
            }
            releases += takeTeeReleases()
            let line = Line(steps, hasOwnSource: hasOwnSource, isBranch: isBranch) { [releases] in
                for release in releases { release() }
            }
            if isBlocking {
                blockingLoops.append(try loop(pool, [line]))
            } else {
                mainLines.append(line)
            }
        }
    }

    /// What a tee just made must be told when its line ends.
    private mutating func takeTeeReleases() -> [() -> Void] {
        defer { teeReleases = [] }
        return teeReleases
    }

    private func blocks(_ stage: PlannedStage) -> Bool {
        guard options.threads == .split else { return false }
        switch stage.kind.waiting(stage.arguments) {
        case .never: return false
        case .briefly: return keepsTime
        case .long: return true
        }
    }

    private static func keepsTime(_ stages: [PlannedStage]) -> Bool {
        stages.contains { $0.kind.keepsTime($0.arguments) || $0.branches.contains(where: keepsTime) }
    }

    private func blockingPool() -> PacketPool {
        PacketPool(slotCount: options.blockingPacketLimit, family: family)
    }

    private func ring() throws(PipelineError) -> ParcelRing {
        do { return try ParcelRing(capacity: options.ringCapacity, family: family) } catch {
            throw PipelineError(.failure, error.description)
        }
    }

    private mutating func make(_ planned: PlannedStage, _ pool: PacketPool) throws(PipelineError) -> LineStep
    {
        if planned.kind.descriptor.name == TeeStage.descriptor.name { return try makeTee(planned, pool) }
        do {
            let stage = try planned.kind.make(planned.arguments, context(pool))
            return step(stage, at: planned.location)
        } catch { throw PipelineError(error, at: planned.location) }
    }

    /// A tee and the lines of its branches, which all begin on the tee's own thread; a branch that blocks
    /// goes on in its own.
    private mutating func makeTee(_ planned: PlannedStage, _ pool: PacketPool) throws(PipelineError)
        -> LineStep
    {
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
        teeReleases = [{ for branch in branches { branch.isFinished = true } }]
        return step(StageBox(TeeStage(branches: branches), context: context(pool)), at: planned.location)
    }

    private mutating func buildBranch(_ stages: [PlannedStage], from branch: TeeBranch) throws(PipelineError)
    {
        guard let first = stages.first, blocks(first) else {
            return try build(stages, inlet: .branch(branch), isBranch: true)
        }
        // The tee's end of the branch stays on the tee's thread; a ring leads to the blocking stage.
        let ring = try ring()
        let inlet = Inlet.branch(branch)
        let outlet = RingOutlet(ring, batchInterval: first.kind.descriptor.batchInterval)
        let steps = [
            step(inlet.make(&self, mainPool), at: nil),
            step(StageBox(outlet, context: context(mainPool)), at: nil),
        ]
        let line = Line(steps, hasOwnSource: false, isBranch: true) {
            inlet.release()
            ring.finish()
        }
        mainLines.append(line)
        try build(stages, inlet: .ring(ring), isBranch: true)
    }
}
