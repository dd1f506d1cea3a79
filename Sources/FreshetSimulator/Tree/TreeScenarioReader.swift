public import FreshetCore
import FreshetStages

extension TreeScenario {
    private static let form = ScenarioForm.form(
        "a tree scenario",
        [
            StageParameter("summary", .text, default: "", "one sentence"),
            StageParameter("duration", .seconds, default: "60s", "when the run ends"),
            StageParameter(
                "latency", .duration, default: "500ms", "how long behind its usual time is in time"),
        ])
    private static let treeForm = ScenarioForm.form(
        "tree",
        [
            StageParameter("nodes", .integer(1...1_000_000), default: "1000", "viewers at first"),
            StageParameter("joins-within", .duration, default: "10s", "they come within this span"),
            StageParameter("measure-from", .duration, default: "20s", "packets are counted from here on"),
            StageParameter("rate", .bitRate, default: "5M", "bits a second"),
            StageParameter("packets", .integer(1...10_000), default: "50", "packets a second"),
            StageParameter("stripes", .integer(1...15), default: "1", "stripes"),
            StageParameter("children", .integer(1...1000), default: "8", "children of a viewer"),
            StageParameter("source-children", .integer(1...1000), default: "8", "children of the source"),
            StageParameter(
                "round-trip", .duration, default: "",
                "between any two hosts; left out: by their places on the plane"),
            StageParameter(
                "uplinks", .choice(Uplinks.allCases.map(\.rawValue)), default: "mixed",
                "what viewers can forward"),
            StageParameter("standbys", .integer(0...1000), default: "0", "standby relays"),
            StageParameter("loss", .ratio, default: "0", "lost on the way to a viewer, at least"),
            StageParameter("loss-to", .ratio, default: "0", "and at most"),
            StageParameter(
                "strangers", .ratio, default: "0", "of all pairs of viewers so many do not reach each other"),
            StageParameter(
                "churn", .integer(0...1_000_000), default: "0", "joins and leaves in a thousand seconds"),
            StageParameter("churn-from", .duration, default: "20s", "when that begins"),
            StageParameter("crashes", .ratio, default: "50%", "of those who go, so many crash"),
            StageParameter(
                "strike", .choice(Strike.allCases.map(\.rawValue)), default: "none", "what breaks at once"),
            StageParameter("at", .duration, default: "30s", "when"),
            StageParameter("share", .ratio, default: "20%", "of how many"),
            StageParameter("lasting", .duration, default: "5s", "for how long"),
            StageParameter("every", .duration, default: "1s", "how often again"),
            StageParameter(
                "scheme", .choice(Scheme.allCases.map(\.rawValue)), default: "freshet", "who heals the tree"),
            StageParameter(
                "flaw", .choice(Flaw.allCases.map(\.rawValue)), default: "none",
                "a mistake planted to show that it is found"),
        ])
    private static let limitsForm = ScenarioForm.form(
        "limits",
        [
            StageParameter("in-time", .ratio, default: "0", "least of the packets that come in time"),
            StageParameter("overhead", .ratio, default: "100%", "most bytes beyond the stream"),
            StageParameter("control", .ratio, default: "100%", "most bytes of control"),
            StageParameter("depth", .integer(1...64), default: "14", "most members above a viewer"),
            StageParameter("split", .duration, default: "3s", "longest that anybody is without packets"),
            StageParameter("whole", .ratio, default: "0", "least of the viewers without a gap"),
            StageParameter(
                "healed", .duration, default: "3600s", "from the strike to when everybody is fed again"),
            StageParameter("gap", .duration, default: "3600s", "longest gap"),
            StageParameter("first-packet", .duration, default: "3600s", "slowest of a hundred joins"),
        ])

    /// The scenario in the JSON5 `text`; `nil` when it is none of a tree.
    public init?(_ text: String, name: String, file: String) throws(TextError) {
        let root = try JSON5Parser.parse(text, file: file)
        guard let tree = root["tree"] else { return nil }
        self.init(name: name)
        let words = try ScenarioForm.read(root, as: TreeScenario.form, apart: ["tree", "limits"])
        summary = words.text("summary")
        duration = words.duration("duration") ?? duration
        latency = words.duration("latency") ?? latency
        let plan = try ScenarioForm.read(tree, as: TreeScenario.treeForm)
        readAudience(plan)
        readFaults(plan)
        if let value = root["limits"] {
            readLimits(try ScenarioForm.read(value, as: TreeScenario.limitsForm))
        }
    }

    private mutating func readAudience(_ words: StageArguments) {
        nodeCount = words.integer("nodes") ?? nodeCount
        joinsWithin = words.duration("joins-within") ?? joinsWithin
        measureFrom = words.duration("measure-from") ?? measureFrom
        rate = words.bitRate("rate") ?? rate
        packetRate = words.integer("packets") ?? packetRate
        stripeCount = words.integer("stripes") ?? stripeCount
        children = words.integer("children") ?? children
        sourceChildren = words.integer("source-children") ?? sourceChildren
        roundTrip = words.duration("round-trip") ?? roundTrip
        uplinks = Uplinks(rawValue: words.text("uplinks")) ?? uplinks
        standbyCount = words.integer("standbys") ?? standbyCount
        lossFrom = words.partsPerMillion("loss")
        lossTo = max(lossFrom, words.partsPerMillion("loss-to"))
        strangerShare = words.partsPerMillion("strangers")
        scheme = Scheme(rawValue: words.text("scheme")) ?? scheme
    }

    private mutating func readFaults(_ words: StageArguments) {
        churnPerThousandSeconds = words.integer("churn") ?? 0
        churnFrom = words.duration("churn-from") ?? churnFrom
        crashShare = words.partsPerMillion("crashes")
        strike = Strike(rawValue: words.text("strike")) ?? .none
        strikeAt = words.duration("at") ?? strikeAt
        strikeShare = words.partsPerMillion("share")
        strikeLasting = words.duration("lasting") ?? strikeLasting
        strikeEvery = words.duration("every") ?? strikeEvery
        flaw = Flaw(rawValue: words.text("flaw")) ?? .none
    }

    private mutating func readLimits(_ words: StageArguments) {
        limits.inTime = words.partsPerMillion("in-time")
        limits.overhead = words.partsPerMillion("overhead")
        limits.control = words.partsPerMillion("control")
        limits.depth = words.integer("depth") ?? limits.depth
        limits.split = words.duration("split") ?? limits.split
        limits.whole = words.partsPerMillion("whole")
        limits.healed = words.duration("healed") ?? limits.healed
        limits.gap = words.duration("gap") ?? limits.gap
        limits.firstPacket = words.duration("first-packet") ?? limits.firstPacket
    }
}
