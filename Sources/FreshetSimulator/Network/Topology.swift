import FreshetCore
import FreshetStages

/// A line on which datagrams go one by one.
struct Link {
    var model: LinkModel
    var isCut = false
}

/// A segment and its line to the core.
struct Segment {
    var name: String
    var plan: Int
    var path: Int
    /// Index of its line up and down; -1 for one that does nothing.
    var up: Int32
    var down: Int32
    var isUpCut = false
    var isDownCut = false
    /// Its classes of members.
    var classes: [Int32] = []
    /// Receivers among its members.
    var receiverCount = 0
}

/// Where a node meets a segment.
struct Attachment {
    var node: Int32
    var segment: Int32
    /// Its class and its place there.
    var group: Int32
    var member: Int32
    /// Index of its own line to the segment; -1 for one that does nothing.
    var up: Int32
    /// Index of its own line from the segment; -1 when the class has one for all.
    var down: Int32
    var isUpCut = false
    var isDownCut = false
}

/// Where a node is attached: one place for each path, −1 where it is not.
struct Places {
    static let limit = 8
    private var items = InlineArray<8, Int32>(repeating: -1)
    private(set) var count = 0

    /// The attachment to `path`; −1 for none.
    @inline(__always)
    subscript(path: Int) -> Int32 { path >= 0 && path < count ? items[path] : -1 }

    mutating func set(_ attachment: Int32, path: Int) {
        items[path] = attachment
        count = max(count, path + 1)
    }
}

/// A node: what it is, and where it is attached. Nothing in it is counted by reference: it is looked at for
/// every datagram.
struct Station {
    var plan: Int32
    var role: HostPlan.Role
    var isPresent = false
    /// Times it has begun; deadlines of an earlier life are dropped.
    var life: Int32 = 0
    /// The only attachment, when it has no other; else −1.
    var onlyAttachment: Int32 = -1
    /// The time of its deadline in the queue.
    var scheduledAt = Instant.distantFuture
    /// When it was last called at a deadline, and how often at that moment.
    var calledAt = Instant.zero
    var callCount: Int32 = 0
    var clock: DriftingClock
    /// Attachments by path.
    var attachments = Places()
}

/// The network of a scenario, laid out.
struct Topology {
    var segments: [Segment] = []
    var attachments: [Attachment] = []
    var stations: [Station] = []
    /// The stations' names.
    var names: [String] = []
    var groups: [MemberGroup] = []
    var links: [Link] = []
    /// Segments by path.
    var paths: [[Int32]] = []
    /// The first source.
    var source: Int32 = 0

    /// Lays out `scenario`; all chance comes from `random`.
    init(_ scenario: Scenario, random: inout PRNG) {
        for (index, plan) in scenario.segments.enumerated() {
            for copy in 0..<max(plan.count, 1) {
                let name = plan.count > 1 ? "\(plan.name)-\(copy + 1)" : plan.name
                let up = addLink(plan.up, &random)
                let down = addLink(plan.down, &random)
                while paths.count <= plan.path { paths.append([]) }
                paths[plan.path].append(Int32(segments.count))
                segments.append(Segment(name: name, plan: index, path: plan.path, up: up, down: down))
            }
        }
        for index in scenario.hosts.indices { addHosts(scenario, index, &random) }
        for index in stations.indices {
            let places = (0..<stations[index].attachments.count).map { stations[index].attachments[$0] }
                .filter { $0 >= 0 }
            if places.count == 1 { stations[index].onlyAttachment = places[0] }
        }
        source = Int32(stations.firstIndex { $0.role == .source } ?? 0)
    }

    private mutating func addLink(_ plan: LinkModel.Configuration, _ random: inout PRNG) -> Int32 {
        if plan.isNothing { return -1 }
        links.append(Link(model: LinkModel(plan, seed: random.next(), beginning: .zero)))
        return Int32(links.count - 1)
    }

    private mutating func addHosts(_ scenario: Scenario, _ index: Int, _ random: inout PRNG) {
        let plan = scenario.hosts[index]
        let segmentPlans = plan.segments.compactMap { name in
            scenario.segments.firstIndex { $0.name == name }
        }
        let copies = segmentPlans.map { scenario.segments[$0].count }.max() ?? 1
        let total = plan.count * copies
        var number = 0
        for copy in 0..<copies {
            let places = segmentPlans.map { segmentPlan in
                Int32(place(of: segmentPlan, copy: copy % max(scenario.segments[segmentPlan].count, 1)))
            }
            let first = stations.count
            // Clocks of different machines have nothing in common, and a zero shared by all would hide
            // mistakes. Members of one class share theirs, as they share packets with the time of arrival.
            let zero = Nanoseconds(Int64(random.below(1 << 40)))
            for _ in 0..<plan.count {
                number += 1
                names.append(total > 1 ? "\(plan.name)-\(number)" : plan.name)
                stations.append(
                    Station(plan: Int32(index), role: plan.role, clock: clock(plan, zero, &random)))
            }
            for segment in places {
                attach(first..<stations.count, to: segment, plan, &random)
            }
        }
    }

    private func place(of segmentPlan: Int, copy: Int) -> Int {
        (segments.firstIndex { $0.plan == segmentPlan } ?? 0) + copy
    }

    private func clock(_ plan: HostPlan, _ zero: Nanoseconds, _ random: inout PRNG) -> DriftingClock {
        let drift =
            plan.drift == 0 ? 0 : Int64(random.below(UInt64(2 * plan.drift + 1))) - Int64(plan.drift)
        return DriftingClock(offset: zero, drift: drift)
    }

    private mutating func attach(
        _ nodes: Range<Int>, to segment: Int32, _ plan: HostPlan, _ random: inout PRNG
    ) {
        let isPersonal = plan.down.needsOwnLine
        let group = Int32(groups.count)
        let path = segments[Int(segment)].path
        for (member, node) in nodes.enumerated() {
            stations[node].attachments.set(Int32(attachments.count), path: path)
            attachments.append(
                Attachment(
                    node: Int32(node), segment: segment, group: group, member: Int32(member),
                    up: addLink(plan.up, &random), down: isPersonal ? addLink(plan.down, &random) : -1))
        }
        groups.append(
            MemberGroup(
                segment: segment, firstNode: Int32(nodes.lowerBound), count: nodes.count,
                firstAttachment: Int32(attachments.count - nodes.count), link: plan.down,
                isPersonal: isPersonal, random: random.split(by: UInt64(group))))
        _ = random.next()
        segments[Int(segment)].classes.append(group)
        if plan.role == .receiver { segments[Int(segment)].receiverCount += nodes.count }
    }
}

extension LinkModel.Configuration {
    /// A line that changes nothing.
    var isNothing: Bool {
        delay == .zero && loss == 0 && !needsOwnLine
    }

    /// More than a constant delay and loss: datagrams differ in their delay, so each goes by itself.
    var needsOwnLine: Bool {
        burstTime != .zero || !cuts.isEmpty || randomCuts.meanUp != .zero || jitter != .zero || reorder != 0
            || duplicate != 0 || corrupt != 0 || rate != 0 || mtu != 0
    }
}
