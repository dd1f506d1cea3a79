internal import FreshetCore

/// What a full branch does.
enum BranchPolicy: Sendable {
    case dropNewest
    case dropOldest
    case wait
}

/// The queue between a tee and one branch; both ends are on one thread.
final class TeeBranch {
    @exclusivity(unchecked) private var queue: FixedRing<Packet>
    private let policy: BranchPolicy
    /// The tee has given everything.
    @exclusivity(unchecked) var isFinished = false
    /// The branch has ended, by an error of its own; the tee passes it by.
    @exclusivity(unchecked) var isClosed = false

    init(capacity: Int, policy: BranchPolicy) {
        queue = FixedRing(capacity: capacity)
        self.policy = policy
    }

    var mustWait: Bool { policy == .wait && queue.isFull && !isClosed }
    var isEmpty: Bool { queue.isEmpty }

    /// Queues a share of `packet`; false when a packet was lost for it.
    func offer(_ packet: borrowing Packet) -> Bool {
        guard queue.isFull else {
            queue.append(packet.share())
            return true
        }
        if policy == .dropOldest {
            _ = queue.popFirst()
            queue.append(packet.share())
        }
        return false
    }

    func take() -> Packet? { queue.popFirst() }

    func close() {
        isClosed = true
        queue.removeAll()
    }
}

/// The beginning of a branch: takes from its queue.
struct BranchInlet: Stage, ~Copyable {
    private let branch: TeeBranch

    init(_ branch: TeeBranch) { self.branch = branch }

    init(arguments: StageArguments) throws(StageError) { throw .usage("a branch is made by the engine") }

    static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "branch", summary: "the beginning of a tee's branch", takes: .none,
            gives: [.samples, .transportStream, .rtp, .bytes], example: "")
    }

    mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while !output.isFull, let packet = branch.take() { output.append(packet) }
        context.counters[.queued] = 0
        if branch.isFinished && branch.isEmpty { context.finishSource() }
    }

    deinit { branch.close() }
}
