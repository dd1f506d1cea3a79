internal import FreshetCore
internal import FreshetStages

/// Reads the file of a ``LinkEmulator``:
///
/// ```json5
/// {
///   seed: 7,
///   links: { bad: { delay: "25ms", loss: "5%", burst: 3 } },
///   ports: [                                          // a switch between TAP devices
///     { tap: "t0", in: "1234", up: "bad" },
///     { tap: "t1", in: "1240", down: { loss: "1%" }, both: { delay: 10, cuts: [{ at: "2s", for: "1s" }] } },
///   ],
///   proxies: [                                        // RTP and RTCP to where nobody is root
///     { listen: "127.0.0.1:7000", to: "127.0.0.1:5004", both: "delay=25 loss=5%" },
///   ],
/// }
/// ```
///
/// A link is the name of one in `links`, an object, or text; its words are ``LinkModel/Configuration``'s
/// parameters, and `cut-among: "name"`: of the links with the same name, a random cut befalls one at a time.
public enum EmulationFile {
    typealias Words = [(name: String, text: String)]

    private struct Link {
        var words: Words
        var location: SourceLocation?
    }

    private static let descriptor = StageDescriptor(
        name: "link", summary: "", takes: .none, gives: .none,
        parameters: LinkModel.Configuration.parameters
            + [StageParameter("cut-among", .text, default: "", "")],
        example: "")

    /// The plan in `text`; `file` is what errors call it.
    public static func read(_ text: String, file: String) throws(PipelineError) -> EmulationPlan {
        let root = try JSON5Parser.value(of: text, file: file)
        try know(root, "the file of an emulator", ["seed", "packets", "links", "ports", "proxies"])
        var plan = EmulationPlan()
        if let seed = root["seed"] { plan.seed = UInt64(try integer(seed, "seed", 0...Int.max)) }
        if let limit = root["packets"] { plan.packetLimit = try integer(limit, "packets", 16...4_194_304) }
        var named: [String: Words] = [:]
        if let links = root["links"] {
            for member in try members(links, "links") {
                named[member.name] = try words(of: member.value, [:])
            }
        }
        var links: [Words] = []
        let ports = try items(root["ports"])
        for port in ports {
            try know(port, "a port", ["tap", "in", "segment", "up", "down", "both"])
            for side in ["up", "down"] { links.append(try words(of: port, side, named)) }
        }
        let proxies = try items(root["proxies"])
        for proxy in proxies {
            try know(proxy, "a proxy", ["listen", "to", "ports", "interface", "forward", "back", "both"])
            for side in ["forward", "back"] { links.append(try words(of: proxy, side, named)) }
        }
        if links.isEmpty { throw .usage("there are neither ports nor proxies", at: root.location) }
        var rest = try configurations(links)[...]
        for port in ports {
            plan.ports.append(
                .init(
                    device: try string(port, "tap"), network: try optional(port, "in"),
                    segment: try optional(port, "segment") ?? "", up: rest.removeFirst(),
                    down: rest.removeFirst()))
        }
        for proxy in proxies {
            let portCount = try proxy["ports"].map { value throws(PipelineError) in
                try integer(value, "ports", 1...64)
            }
            plan.proxies.append(
                .init(
                    listen: try string(proxy, "listen"), target: try string(proxy, "to"),
                    portCount: portCount ?? 2, interface: try optional(proxy, "interface"),
                    forward: rest.removeFirst(), back: rest.removeFirst()))
        }
        return plan
    }

    // MARK: Links

    /// The words of a link written as text, `loss=5% delay=25ms`.
    static func words(_ text: String, at location: SourceLocation?) throws(PipelineError) -> Words {
        var words: Words = []
        for piece in text.split(separator: " ") {
            guard let sign = piece.firstIndex(of: "="), sign != piece.startIndex else {
                throw .usage(
                    "a link is text such as 'loss=5% delay=25ms', or the name of one in links, not '\(text)'",
                    at: location)
            }
            words.append((String(piece[..<sign]), String(piece[piece.index(after: sign)...])))
        }
        // A mistake is told where it stands.
        do { _ = try StageArguments(descriptor: descriptor, texts: words) } catch {
            throw PipelineError(error, at: location)
        }
        return words
    }

    /// The links of all `words`; those that take turns are told of each other.
    static func configurations(_ links: [Words]) throws(PipelineError) -> [LinkModel.Configuration] {
        var members: [String: Int] = [:]
        var configurations: [LinkModel.Configuration] = []
        var names: [String] = []
        for words in links {
            do {
                let arguments = try StageArguments(descriptor: descriptor, texts: words)
                configurations.append(try LinkModel.Configuration(arguments))
                names.append(arguments.text("cut-among"))
            } catch { throw PipelineError(error, at: nil) }
        }
        for (index, name) in names.enumerated() where !name.isEmpty {
            configurations[index].randomCuts.member = members[name, default: 0]
            members[name, default: 0] += 1
            // Any number will do that is the same for all of them and another for others.
            configurations[index].cutSeed = name.utf8.reduce(0) { $0 &* 131 &+ UInt64($1) }
        }
        for (index, name) in names.enumerated() where !name.isEmpty {
            configurations[index].randomCuts.memberCount = members[name] ?? 1
        }
        return configurations
    }

    /// The words of `object`'s link `side`: those of "both", then its own on top.
    private static func words(
        of object: JSON5Value, _ side: String, _ named: [String: Words]
    ) throws(PipelineError) -> Words {
        var all: Words = []
        for name in ["both", side] {
            if let value = object[name] { all += try words(of: value, named) }
        }
        return all
    }

    private static func words(
        of value: JSON5Value, _ named: [String: Words]
    ) throws(PipelineError) -> Words {
        if case .string(let text) = value.content {
            if let known = named[text] { return known }
            return try words(text, at: value.location)
        }
        var all: Words = []
        for member in try members(value, "a link") {
            let text = try member.name == "cuts" ? cuts(member.value) : scalar(member.value, member.name)
            let word = (name: member.name, text: text)
            do { _ = try StageArguments(descriptor: descriptor, texts: [word]) } catch {
                throw PipelineError(error, at: member.value.location)
            }
            all.append(word)
        }
        return all
    }

    private static func cuts(_ value: JSON5Value) throws(PipelineError) -> String {
        guard case .array(let items) = value.content else { return try scalar(value, "cuts") }
        var pieces: [String] = []
        for item in items {
            try know(item, "a cut", ["at", "for"])
            pieces.append(try string(item, "at") + "+" + string(item, "for"))
        }
        return pieces.joined(separator: ",")
    }

    // MARK: Values

    private static func know(
        _ value: JSON5Value, _ what: String, _ names: [String]
    ) throws(PipelineError) {
        for member in try members(value, what) where !names.contains(member.name) {
            throw .usage(
                "'\(member.name)' is not part of \(what); it has \(names.joined(separator: ", "))",
                at: member.location)
        }
    }

    private static func members(_ value: JSON5Value, _ what: String) throws(PipelineError) -> [JSON5Member] {
        guard case .object(let members) = value.content else {
            throw .usage("\(what) must be an object, not \(value.kindName)", at: value.location)
        }
        return members
    }

    private static func items(_ value: JSON5Value?) throws(PipelineError) -> [JSON5Value] {
        guard let value else { return [] }
        guard case .array(let items) = value.content else {
            throw .usage("this must be an array, not \(value.kindName)", at: value.location)
        }
        return items
    }

    private static func scalar(_ value: JSON5Value, _ name: String) throws(PipelineError) -> String {
        guard let text = value.scalarText else {
            throw .usage("\(name) must be text or a number, not \(value.kindName)", at: value.location)
        }
        return text
    }

    private static func string(_ object: JSON5Value, _ name: String) throws(PipelineError) -> String {
        guard let value = object[name] else { throw .usage("this has no '\(name)'", at: object.location) }
        return try scalar(value, name)
    }

    private static func optional(_ object: JSON5Value, _ name: String) throws(PipelineError) -> String? {
        try object[name] == nil ? nil : string(object, name)
    }

    private static func integer(
        _ value: JSON5Value, _ name: String, _ range: ClosedRange<Int>
    ) throws(PipelineError) -> Int {
        guard let text = value.scalarText, let number = Int(text), range.contains(number) else {
            throw .usage(
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)",
                at: value.location)
        }
        return number
    }
}
