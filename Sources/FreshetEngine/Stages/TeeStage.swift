public import FreshetCore

/// Gives every packet to several lines. Payloads are shared, not copied.
///
/// Each branch has its own queue. A branch that cannot keep up loses packets by its own policy and never
/// holds up its siblings, unless its policy is `wait`.
public struct TeeStage: Stage, ~Copyable {
    private let branches: [TeeBranch]

    init(branches: [TeeBranch]) { self.branches = branches }

    /// A tee gets its branches from the engine.
    public init(arguments: StageArguments) throws(StageError) { branches = [] }

    /// Name, parameters, ports and help.
    public static var descriptor: StageDescriptor {
        StageDescriptor(
            name: "tee", summary: "gives every packet to several branches; a slow branch harms only itself",
            takes: [.samples, .transportStream, .rtp, .bytes], gives: .none,
            parameters: [
                StageParameter(
                    "queue", .integer(1...65536), default: "512",
                    "packets that may wait in front of each branch"),
                StageParameter(
                    "policy", .choice(["drop-newest", "drop-oldest", "wait"]), default: "drop-newest",
                    "what a full branch does: lose what comes, lose what waits longest, or hold everybody up"),
            ],
            example:
                "multicast-receive group=239.77.1.1:5004 ! tee [ reorder ! depacketize ! record output=show.ts ] "
                + "[ udp-send to=rtp://192.0.2.7:5004 ]"
        )
    }

    /// Shares each packet out to every branch that is still alive.
    public mutating func process(
        _ input: inout PacketBatch, into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) {
        while !input.isEmpty {
            for branch in branches where branch.mustWait { return }
            guard let packet = input.popFirst() else { return }
            var living = 0
            for branch in branches where !branch.isClosed {
                living += 1
                if !branch.offer(packet) { context.counters.add(.queueDrops) }
            }
            if living == 0 { throw .failure("every branch of the tee has ended") }
        }
    }

    /// Tells the branches that nothing more will come.
    public mutating func finish(
        into output: inout PacketBatch, context: inout StageContext
    ) throws(StageError) -> Bool {
        for branch in branches { branch.isFinished = true }
        return true
    }
}

@section("freshet_stages") @used
private let registration: StageRegistration = { register(TeeStage.self, in: $0) }
