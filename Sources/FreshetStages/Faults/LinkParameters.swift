public import FreshetCore

/// The words in which a link is described, the same wherever one is: as a stage, in an emulator's file, in a
/// scenario.
extension LinkModel.Configuration {
    /// What a link can be told, with defaults that do nothing.
    public static var parameters: [StageParameter] {
        [
            StageParameter("delay", .duration, default: "0", "how long every packet takes"),
            StageParameter("jitter", .duration, default: "0", "up to how much longer, each by its own dice"),
            StageParameter(
                "shape", .choice(["uniform", "normal"]), default: "uniform", "how jitter is distributed"),
            StageParameter("ordered", .flag, default: "false", "jitter does not change the order of packets"),
            StageParameter("detour", .duration, default: "0", "how much longer the other route takes"),
            StageParameter(
                "detour-every", .duration, default: "0",
                "how long each of the two routes is taken; 0: one route"),
            StageParameter("loss", .ratio, default: "0", "share of packets lost"),
            StageParameter(
                "burst", .integer(1...100_000), default: "1", "mean number of packets lost in a row"),
            StageParameter(
                "burst-time", .duration, default: "0", "mean time of losses in a row, instead of burst"),
            StageParameter("reorder", .ratio, default: "0", "share of packets that later ones overtake"),
            StageParameter(
                "reorder-depth", .integer(1...10_000), default: "10", "by how many at most, evenly spaced"),
            StageParameter("duplicate", .ratio, default: "0", "share of packets that come twice"),
            StageParameter("corrupt", .ratio, default: "0", "share of packets with one bit flipped"),
            StageParameter("rate", .bitRate, default: "0", "bits per second the link carries; 0: no limit"),
            StageParameter(
                "queue", .duration, default: "100ms", "longest wait for the rate before packets are dropped"),
            StageParameter("mtu", .integer(0...65_535), default: "0", "longest packet in bytes; 0: no limit"),
            StageParameter(
                "cuts", .text, default: "", "when nothing passes: start+length, such as 2s+500ms,10s+1s"),
            StageParameter("cut-every", .duration, default: "0", "mean time between random cuts; 0: none"),
            StageParameter("cut-for", .duration, default: "100ms", "mean length of a random cut"),
            StageParameter(
                "cut-apart", .duration, default: "0", "shortest time between two random cuts"),
            StageParameter(
                "cut-count", .integer(0...1_000_000), default: "0", "most random cuts; 0: no end"),
        ]
    }

    /// The link that `arguments` of a stage or file with these ``parameters`` describe.
    public init(_ arguments: StageArguments) throws(StageError) {
        self.init()
        delay = arguments.duration("delay") ?? .zero
        jitter = arguments.duration("jitter") ?? .zero
        jitterShape = arguments.text("shape") == "normal" ? .normal : .uniform
        isOrdered = arguments.flag("ordered")
        detour = arguments.duration("detour") ?? .zero
        detourEvery = arguments.duration("detour-every") ?? .zero
        loss = arguments.partsPerMillion("loss")
        burst = arguments.integer("burst") ?? 1
        burstTime = arguments.duration("burst-time") ?? .zero
        reorder = arguments.partsPerMillion("reorder")
        reorderDepth = arguments.integer("reorder-depth") ?? 10
        duplicate = arguments.partsPerMillion("duplicate")
        corrupt = arguments.partsPerMillion("corrupt")
        rate = arguments.bitRate("rate") ?? 0
        queue = arguments.duration("queue") ?? .milliseconds(100)
        mtu = arguments.integer("mtu") ?? 0
        cuts = try LinkModel.Configuration.cuts(arguments.text("cuts"), of: arguments.descriptor.name)
        randomCuts.meanUp = arguments.duration("cut-every") ?? .zero
        randomCuts.meanDown = arguments.duration("cut-for") ?? .zero
        randomCuts.leastUp = arguments.duration("cut-apart") ?? .zero
        randomCuts.count = arguments.integer("cut-count") ?? 0
    }

    private static func cuts(
        _ text: String, of owner: String
    ) throws(StageError) -> [OutageSchedule.Outage] {
        var cuts: [OutageSchedule.Outage] = []
        for piece in text.split(separator: ",") {
            let parts = piece.split(separator: "+", omittingEmptySubsequences: false)
            guard parts.count == 2, let start = ParameterReader.duration(String(parts[0])),
                let length = ParameterReader.duration(String(parts[1]))
            else {
                throw .usage("\(owner): a cut is start+length, such as 2s+500ms, not '\(piece)'")
            }
            cuts.append(.init(start: start, length: length))
        }
        return cuts
    }
}
