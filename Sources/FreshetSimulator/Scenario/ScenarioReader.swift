public import FreshetCore
import FreshetOverlay
import FreshetStages

extension Scenario {
    /// The scenario in the JSON5 `text`; `name` is its name, `file` what errors call it.
    public init(_ text: String, name: String, file: String) throws(TextError) {
        self.init(name: name)
        let root = try JSON5Parser.parse(text, file: file)
        let parts = ["stream", "repair", "segments", "hosts", "faults", "limits"]
        let form = StageDescriptor(
            name: "a scenario", summary: "", takes: .none, gives: .none,
            parameters: [
                StageParameter("summary", .text, default: "", "one sentence"),
                StageParameter("duration", .seconds, default: "10s", "how long the source sends"),
                StageParameter("latency", .duration, default: "100ms", "how long a packet may wait"),
                StageParameter("collapse", .flag, default: "true", "runs of packets are told at once"),
            ], example: "")
        let words = try ScenarioForm.read(root, as: form, apart: parts)
        summary = words.text("summary")
        duration = words.duration("duration") ?? duration
        latency = words.duration("latency") ?? latency
        collapses = words.flag("collapse")
        if let value = root["stream"] { try readStream(value) }
        if let value = root["repair"] { try readRepair(value) }
        if let value = root["limits"] { try readLimits(value) }
        for item in try Scenario.items(root, "segments") { segments.append(try Scenario.segment(item)) }
        for item in try Scenario.items(root, "hosts") { hosts.append(try host(item)) }
        for item in try Scenario.items(root, "faults") { faults.append(try fault(item)) }
        try check(root.location)
    }

    private static func items(_ root: JSON5Value, _ name: String) throws(TextError) -> [JSON5Value] {
        guard let value = root[name] else { return [] }
        guard case .array(let items) = value.content else {
            throw TextError("\(name) is an array, not \(value.kindName)", at: value.location)
        }
        return items
    }

    private mutating func readStream(_ value: JSON5Value) throws(TextError) {
        let words = try ScenarioForm.read(value, as: ScenarioForm.stream)
        stream.rate = words.bitRate("rate") ?? stream.rate
        stream.packetByteCount = words.integer("packet") ?? stream.packetByteCount
        stream.heartbeat = words.duration("heartbeat") ?? stream.heartbeat
        stream.carriedByteCount = words.integer("carried") ?? stream.carriedByteCount
        guard stream.rate > 0, stream.interval > .zero, stream.heartbeat > .zero else {
            throw TextError("a stream has a rate and a heartbeat above 0", at: value.location)
        }
    }

    private mutating func readRepair(_ value: JSON5Value) throws(TextError) {
        let words = try ScenarioForm.read(value, as: ScenarioForm.repair)
        repair.mode = RepairPlan.Mode(rawValue: words.text("mode")) ?? repair.mode
        switch words.text("feedback") {
        case "unicast": repair.feedback = .unicast
        case "digest": repair.feedback = .digest
        default: repair.feedback = .multicast
        }
        repair.serves = words.flag("serves")
        repair.groupSizeEstimate = words.integer("group-size") ?? repair.groupSizeEstimate
    }

    private mutating func readLimits(_ value: JSON5Value) throws(TextError) {
        let words = try ScenarioForm.read(value, as: ScenarioForm.limits)
        limits.residual = words.partsPerMillion("residual")
        // Repairs may well be more than the media: many receivers, each with losses of its own.
        let repair = words.text("repair")
        guard repair.hasSuffix("%"), let percent = Int(repair.dropLast()), (0...100_000).contains(percent)
        else {
            throw TextError(
                "repair must be a whole percentage such as 12%, not '\(repair)'", at: value.location)
        }
        limits.repair = percent * 10_000
        limits.asksPerPacket = words.integer("asks-per-packet") ?? limits.asksPerPacket
        limits.asksPerLoss = (words.integer("asks-per-loss") ?? 8) * 100
        limits.hopelessAsks = words.partsPerMillion("hopeless")
        limits.heal = words.duration("heal") ?? limits.heal
    }

    private static func segment(_ value: JSON5Value) throws(TextError) -> SegmentPlan {
        let words = try ScenarioForm.read(
            value, as: ScenarioForm.segment, apart: ["up", "down", "both"])
        var plan = SegmentPlan(name: words.text("name"))
        plan.count = words.integer("count") ?? 1
        plan.path = words.integer("path") ?? 0
        plan.up = try ScenarioForm.link(value["up"] ?? value["both"])
        plan.down = try ScenarioForm.link(value["down"] ?? value["both"])
        return plan
    }

    private func host(_ value: JSON5Value) throws(TextError) -> HostPlan {
        let words = try ScenarioForm.read(value, as: ScenarioForm.host, apart: ["up", "down", "both"])
        var plan = HostPlan(name: words.text("name"))
        plan.role = HostPlan.Role(rawValue: words.text("role")) ?? .receiver
        plan.flaw = HostPlan.Flaw(rawValue: words.text("flaw")) ?? .none
        plan.count = words.integer("count") ?? 1
        plan.segments = words.text("on").split(separator: ",").map(String.init)
        plan.drift = words.integer("drift") ?? 0
        plan.joinsWithin = words.duration("joins-within") ?? .zero
        plan.up = try ScenarioForm.link(value["up"] ?? value["both"])
        plan.down = try ScenarioForm.link(value["down"] ?? value["both"])
        for name in plan.segments where !segments.contains(where: { $0.name == name }) {
            throw TextError("there is no segment '\(name)'", at: value.location)
        }
        let paths = plan.segments.compactMap { name in segments.first { $0.name == name }?.path }
        if plan.segments.isEmpty || Set(paths).count < paths.count {
            throw TextError(
                "\(plan.name) must be on one segment, or on several of different paths", at: value.location)
        }
        return plan
    }

    private func fault(_ value: JSON5Value) throws(TextError) -> FaultPlan {
        let words = try ScenarioForm.read(value, as: ScenarioForm.fault)
        var plan = FaultPlan(FaultPlan.Action(rawValue: words.text("do")) ?? .cut)
        plan.at = words.duration("at") ?? .zero
        plan.every = words.duration("every") ?? .zero
        plan.times = words.integer("times") ?? 1
        plan.jitter = words.duration("jitter") ?? .zero
        plan.targets = words.text("to").split(separator: ",").map(String.init)
        plan.direction = FaultPlan.Direction(rawValue: words.text("way")) ?? .both
        plan.lasting = words.duration("for") ?? .zero
        plan.lastingJitter = words.duration("for-jitter") ?? .zero
        for name in plan.targets {
            let isSegment = segments.contains { $0.name == name }
            guard isSegment || hosts.contains(where: { $0.name == name }) else {
                throw TextError("there is no segment or host '\(name)'", at: value.location)
            }
            if isSegment && plan.action != .cut {
                throw TextError("a segment can only be cut, '\(name)' is one", at: value.location)
            }
        }
        return plan
    }

    private func check(_ location: TextLocation) throws(TextError) {
        let sources = hosts.filter { $0.role == .source }
        guard sources.count == 1, sources[0].count == 1 else {
            throw TextError("a scenario has exactly one source", at: location)
        }
        if sources[0].joinsWithin != .zero {
            throw TextError("the source is there from the start", at: location)
        }
        guard hosts.contains(where: { $0.role == .receiver }) else {
            throw TextError("a scenario has a receiver at least", at: location)
        }
    }

    /// The same with `count` receivers, as far as whole segments allow: the largest group of receivers grows
    /// or shrinks, or where its segment has copies, their number does.
    public mutating func setReceiverCount(_ count: Int) {
        var largest: Int?
        var size = 0
        for index in hosts.indices where hosts[index].role == .receiver {
            let total = hosts[index].count * copies(of: hosts[index])
            if total > size {
                size = total
                largest = index
            }
        }
        guard let largest else { return }
        if copies(of: hosts[largest]) == 1 {
            hosts[largest].count = max(1, count)
            return
        }
        for name in hosts[largest].segments {
            for index in segments.indices where segments[index].name == name && segments[index].count > 1 {
                segments[index].count = max(1, count / hosts[largest].count)
            }
        }
    }

    private func copies(of host: HostPlan) -> Int {
        segments.filter { host.segments.contains($0.name) }.map(\.count).max() ?? 1
    }
}
