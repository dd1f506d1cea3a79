public import FreshetCore

/// Plays a stream out as evenly as its source meant it, in order, at constant latency, whatever the network
/// did to it.
///
/// From the arrivals and the RTP timestamps it learns the source's clock (``SourceClock``); every packet is
/// due `latency` after the earliest instant at which it could have come, and is held until then. A missing
/// packet is waited for until the one behind it is due. A bare transport stream has no sequence numbers: it
/// stays in the order of arrival and its clock references serve as timestamps; without any it is delayed by
/// `latency`.
public struct JitterStage: Stage, ~Copyable {
    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "jitter", summary: "plays a stream out in order, evenly, at constant latency",
            takes: [.rtp, .transportStream], gives: [.rtp, .transportStream],
            parameters: [
                StageParameter(
                    "latency", .latency, default: "200ms",
                    "how long after its earliest arrival a packet is due; auto: as the packets say"),
                StageParameter(
                    "batch", .duration, default: "0",
                    "lets all that is due within this span go at once, early"),
                StageParameter(
                    "capacity", .integer(64...1_048_576), default: "8192",
                    "how many packets can wait; rounded up to a power of two"),
            ],
            example: "multicast-receive group=239.77.1.1:5004 ! jitter latency=200 ! depacketize ! stdout")
    }

    private var latency: Nanoseconds
    private let batch: Nanoseconds
    private var buffer: ReorderBuffer
    private var queue: TransportQueue
    private var timeline = SourceTimeline(bitCount: 32, ticksPerUnit: 300)
    private var clock: SourceClock
    private var schedule: PlayoutSchedule
    private var olderTimeline: SourceTimeline?
    private var pace = PacketPace()
    private var epoch: UInt32?
    private var frontMedia: MediaTime?
    private var planned: (position: Int64, changeCount: Int, plan: PlayoutSchedule.Plan)?
    private var deadline: Instant?
    private var patience = GapPatience()
    private var isDry = false
    private var disorder: Int64 = 0
    private var jumpCount = 0
    private var meanDelay: Int64 = 0

    /// A stage that plays out at `latency`, lets all that is due within `batch` go at once, and holds up to
    /// `capacity` packets (rounded up to a power of two, 64 at least).
    public init(latency: Nanoseconds, batch: Nanoseconds = .zero, capacity: Int = 8192) {
        self.latency = max(latency, .zero)
        self.batch = max(batch, .zero)
        let size = capacity.roundedUpToPowerOfTwo(atLeast: 64)
        buffer = ReorderBuffer(capacity: size, keeping: .marks)
        queue = TransportQueue(capacity: size)
        clock = SourceClock(urgentExcess: self.latency)
        schedule = PlayoutSchedule(latency: self.latency)
    }

    /// Always.
    public static func keepsTime(arguments: StageArguments) -> Bool { true }

    /// A stage with the parameters of the descriptor.
    public init(arguments: StageArguments) throws(StageError) {
        self.init(
            latency: arguments.latency("latency") ?? .milliseconds(200),
            batch: arguments.duration("batch") ?? .zero,
            capacity: arguments.integer("capacity") ?? 8192)
    }

    /// Takes in what came and gives what is due.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        patience.begin(input, now: context.now)
        while !input.isEmpty {
            // Packets that were made here and not received have come now.
            if input[0].info.arrival == .zero && input[0].isUnique { input[0].info.arrival = context.now }
            if !input[0].info.flags.contains(.hasSequence) {
                if queue.isFull || !buffer.isEmpty { break }
                guard let packet = input.popFirst() else { break }
                queue.append(packet, clock: &clock)
            } else {
                if !queue.isEmpty || !admit(&input, context: &context) { break }
            }
        }
        release(into: &output, context: &context)
    }

    /// Gives what is due.
    public mutating func advance(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        release(into: &output, context: &context)
    }

    /// Plays out what is held, each packet when it is due.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        buffer.settleSuspects(counters: &context.counters)
        release(into: &output, context: &context)
        return buffer.isEmpty && queue.isEmpty
    }

    /// When the next packet is due.
    public var nextDeadline: Instant? { deadline }

    // MARK: In

    /// Takes the front packet of `input`; false when packets must go out first.
    private mutating func admit(_ input: inout PacketBatch, context: inout StageContext) -> Bool {
        let media = frontMedia ?? place(input[0].info)
        let told = Nanoseconds.milliseconds(Int64(input[0].info.latencyMilliseconds))
        if told != latency, told > .zero { change(to: told) }
        switch buffer.admit(&input, mark: media.ticks, counters: &context.counters) {
        case .blocked:
            frontMedia = media
            return false
        case .held, .dropped:
            frontMedia = nil
            return true
        }
    }

    /// The packets say how long to wait.
    @inline(never)
    private mutating func change(to told: Nanoseconds) {
        latency = told
        clock.urgentExcess = told.count
        schedule.setLatency(told)
        planned = nil
    }

    /// Where a packet stands on the stream's line; the clock learns from it.
    @inline(__always)
    private mutating func place(_ info: PacketInfo) -> MediaTime {
        if info.epoch != epoch {
            if let epoch, Int32(bitPattern: info.epoch &- epoch) < 0 { return placeOlder(info) }
            begin(info.epoch)
        }
        let sequence = info.extendedSequence
        let expected = pace.expected(sequence) ?? timeline.expected(at: info.arrival)
        let media = timeline.place(UInt64(info.rtpTimestamp), arrival: info.arrival, expected: expected)
        noteOrder(media)
        pace.note(sequence, media)
        // A repair comes later than the path is long, by the time it took to ask for it.
        if !info.flags.contains(.isRetransmission) { clock.observe(media, arrival: info.arrival) }
        return media
    }

    /// By how much packets come behind later ones: the most of late, forgotten slowly.
    @inline(__always)
    private mutating func noteOrder(_ media: MediaTime) {
        disorder &-= disorder / 4096
        guard let last = timeline.last?.media, media < last else { return }
        disorder = max(disorder, (last.ticks &- media.ticks) &* 1000 / 27)
    }

    private mutating func begin(_ newEpoch: UInt32) {
        if epoch != nil {
            olderTimeline = timeline
            timeline.restart()
            clock.restart()
            pace = PacketPace()
        }
        epoch = newEpoch
    }

    /// A packet of the source before, overtaken by the new one's.
    private mutating func placeOlder(_ info: PacketInfo) -> MediaTime {
        guard var older = olderTimeline else { return timeline.expected(at: info.arrival) }
        let expected = older.expected(at: info.arrival)
        return older.place(UInt64(info.rtpTimestamp), arrival: info.arrival, expected: expected)
    }

    // MARK: Out

    private mutating func release(into output: inout PacketBatch, context: inout StageContext) {
        if context.isStopping { buffer.forceAll(counters: &context.counters) }
        if let arrival = buffer.suspectArrival, arrival + latency <= context.now {
            _ = buffer.settleSuspect(counters: &context.counters)
        }
        deadline = buffer.suspectArrival.map { $0 + latency }
        releaseRTP(into: &output, context: &context)
        if !queue.isEmpty { releaseBare(into: &output, context: &context) }
        note(&context)
    }

    private mutating func releaseRTP(into output: inout PacketBatch, context: inout StageContext) {
        // With a batch nobody wakes up for the packets due within it; when one is due, they go too.
        var limit = context.now
        while !output.isFull {
            if buffer.next <= buffer.forcedThrough {
                guard let packet = buffer.popReady(counters: &context.counters) else { continue }
                output.append(packet)
                continue
            }
            guard let head = buffer.head else { return }
            let plan = plan(at: head.position)
            var due = max(plan.due, clock.undecidedUntil ?? .zero)
            // Nothing is given up early.
            let bar = head.isReady ? limit : context.now
            if !head.isReady && due <= bar {
                due = max(due, gapDeadline(head.position, plan.due, context.now))
            }
            if due > bar {
                deadline = earliest(deadline, due)
                return
            }
            if due <= context.now { limit = context.now + batch }
            guard let packet = buffer.pop(at: head.position, counters: &context.counters) else { return }
            give(packet, plan, into: &output, context: &context)
        }
    }

    /// The plan for the packet at `position`: the one of before while the clock says the same.
    @inline(__always)
    private mutating func plan(at position: Int64) -> PlayoutSchedule.Plan {
        if let planned, planned.position == position, planned.changeCount == clock.changeCount {
            return planned.plan
        }
        let plan = schedule.plan(MediaTime(ticks: buffer.mark(at: position)), clock: clock)
        planned = (position, clock.changeCount, plan)
        return plan
    }

    /// When the gap before the packet at `position` is given up though that packet is overdue: packets behind
    /// a stall come out of order too, and are not all read at once.
    private func gapDeadline(_ position: Int64, _ due: Instant, _ now: Instant) -> Instant {
        let arrival = buffer.withPacket(at: position) { $0.info.arrival } ?? .zero
        let end = max(due, arrival + min(Nanoseconds(disorder), latency / 2))
        return end <= now && !patience.allows(end, now: now) ? now + Nanoseconds(1) : end
    }

    private mutating func releaseBare(into output: inout PacketBatch, context: inout StageContext) {
        var horizon = context.now
        while !output.isFull, var front = queue.front {
            let limit = front.arrival + latency
            if front.media == nil && limit <= context.now {
                queue.guess(clock: &clock)
                front = queue.front ?? front
            }
            let plan = front.media.map { schedule.plan($0, clock: clock) }
            let due = plan.map { max($0.due, clock.undecidedUntil ?? .zero) }
            if (due ?? limit) > horizon && !queue.isFull && !context.isStopping {
                deadline = earliest(deadline, due ?? limit)
                return
            }
            if (due ?? limit) <= context.now { horizon = context.now + batch }
            guard let packet = queue.popFirst() else { return }
            if let plan {
                give(packet, plan, into: &output, context: &context)
            } else {
                noteDelay(packet.info.arrival, context.now)
                output.append(packet)
            }
        }
    }

    @inline(__always)
    private mutating func give(
        _ packet: consuming Packet, _ plan: PlayoutSchedule.Plan, into output: inout PacketBatch,
        context: inout StageContext
    ) {
        let arrival = packet.info.arrival
        let stepCount = schedule.laterStepCount
        schedule.settle(plan)
        planned = nil
        let isLate = arrival > plan.due
        if (isLate || schedule.laterStepCount > stepCount) && !isDry { context.counters.add(.underruns) }
        isDry = isLate
        noteDelay(arrival, context.now)
        if packet.isUnique {
            packet.info.mediaTime = plan.media
            packet.info.flags.insert(.hasMediaTime)
        }
        output.append(packet)
    }

    @inline(__always)
    private mutating func noteDelay(_ arrival: Instant, _ now: Instant) {
        let delay = (now - arrival).count
        if meanDelay == 0 { meanDelay = delay }
        meanDelay &+= (delay &- meanDelay) / 64
    }

    private mutating func note(_ context: inout StageContext) {
        context.counters[.queued] = buffer.heldCount + queue.count
        context.counters[.clockDriftPartsPerBillion] = Int(clock.driftPartsPerBillion)
        context.counters[.jitterNanoseconds] = Int(clock.jitter.count)
        context.counters[.latencyNanoseconds] = Int(meanDelay)
        let jumps = timeline.jumpCount + queue.jumpCount
        if jumps > jumpCount {
            context.counters.add(.discontinuities, jumps - jumpCount)
            context.report(.clockJump)
            jumpCount = jumps
        }
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { unsafe register(JitterStage.self, in: $0) }
