import Foundation

/// Hosts joined by bad links: network namespaces with a TAP device for each segment, and `freshet emulate` as the
/// switches between them. Gone when the test lets go of it. Needs no privileges where user namespaces are allowed.
///
/// Host 0, 1, 2 … has the address 10.50.0.1, 10.50.0.2, 10.50.0.3 … on its device `t0`, and 10.51.0.1 … on `t1` when there
/// is a second segment. Groups are reached by `t0`.
public final class EmulatedNetwork: Sendable {
    /// The link at one host's device, as the emulator's file says it: `{ loss: "5%" }`, or "" for a perfect one.
    public struct Link: Sendable {
        /// What the host sends.
        public var up: String
        /// What the host gets.
        public var down: String

        /// A link from words such as `delay=25 loss=5%`.
        public init(up: String = "", down: String = "") {
            self.up = up
            self.down = down
        }
    }

    private let hosts: [Running]
    private let emulator: Running
    private let scratch: Scratch
    private let isRoot = geteuid() == 0

    /// `hostCount` hosts on `segmentCount` segments; `link` says how host i is joined to segment s.
    public init(
        hosts hostCount: Int, segments segmentCount: Int = 1, seed: Int = 1,
        link: (_ host: Int, _ segment: Int) -> Link
    ) async throws {
        scratch = try Scratch()
        var keepers: [Running] = []
        for index in 0..<hostCount {
            keepers.append(try EmulatedNetwork.keeper(below: index == 0 ? nil : keepers[0], isRoot: isRoot))
            if index == 0 { try await EmulatedNetwork.ready(keepers[0]) }
        }
        for keeper in keepers.dropFirst() { try await EmulatedNetwork.ready(keeper) }
        hosts = keepers

        var ports: [String] = []
        for host in 0..<hostCount {
            for segment in 0..<segmentCount {
                let link = link(host, segment)
                ports.append(
                    "{ tap: 't\(segment)', in: '\(keepers[host].identifier)', segment: '\(segment)', "
                        + "up: '\(link.up)', down: '\(link.down)' }")
            }
        }
        let text = "{ seed: \(seed), ports: [\n\(ports.joined(separator: ",\n"))\n] }"
        let file = scratch.file("network.json5")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let words = [Freshet.path, "emulate", file, "--stats", scratch.file("figures.json")]
        let enter = ["nsenter", "-t", "\(keepers[0].identifier)", "-U", "--preserve-credentials"]
        let command = isRoot ? words : enter + words
        let emulator = try Running(command[0], Array(command.dropFirst()))
        self.emulator = emulator
        try await wait(for: "the emulator", within: 20) {
            if emulator.hasEnded { throw TimedOut("the emulator: \(emulator.errors)") }
            return emulator.errors.contains("emulating")
        }
        for host in 0..<hostCount {
            var commands: [String] = []
            for segment in 0..<segmentCount {
                let address = EmulatedNetwork.address(host, segment)
                commands.append(
                    "ip addr add \(address)/16 broadcast 10.\(50 + segment).255.255 dev t\(segment)")
            }
            commands.append("ip route add 224.0.0.0/4 dev t0")
            let made = try await start(host, "sh", ["-c", commands.joined(separator: " && ")]).end()
            if made.status != 0 { throw TimedOut("host \(host): \(made)") }
        }
    }

    private static func keeper(below first: Running?, isRoot: Bool) throws -> Running {
        let script = "ip link set lo up multicast on && echo ready && exec sleep 900"
        let unshare = ["unshare", isRoot ? "-n" : first == nil ? "-Urn" : "-n", "sh", "-c", script]
        guard let first, !isRoot else { return try Running(unshare[0], Array(unshare.dropFirst())) }
        return try Running(
            "nsenter", ["-t", "\(first.identifier)", "-U", "--preserve-credentials"] + unshare)
    }

    private static func ready(_ keeper: Running) async throws {
        try await wait(for: "a network namespace") {
            if keeper.hasEnded { throw TimedOut("a network namespace: \(keeper.errors)") }
            return keeper.output.contains("ready")
        }
    }

    /// The address of a host on a segment.
    public static func address(_ host: Int, _ segment: Int = 0) -> String {
        "10.\(50 + segment).\((host + 1) / 250).\((host + 1) % 250)"
    }

    /// Starts a program on a host.
    public func start(
        _ host: Int, _ program: String, _ arguments: [String], output: String? = nil
    ) throws -> Running {
        let user = isRoot ? [] : ["-U", "--preserve-credentials"]
        return try Running(
            "nsenter", ["-t", "\(hosts[host].identifier)", "-n"] + user + [program] + arguments,
            output: output)
    }

    /// Starts the program under test on a host.
    public func start(_ host: Int, _ arguments: String...) throws -> Running {
        try start(host, Freshet.path, arguments)
    }

    /// Ends the emulator and gives its figures.
    public func figures() async throws -> EmulationFigures {
        if !emulator.hasEnded { try await emulator.stop() }
        return try EmulationFigures(scratch.file("figures.json"))
    }
}

/// The last figures of a `freshet emulate`.
public struct EmulationFigures: Sendable {
    /// The figures of one link.
    public struct Link: Sendable {
        private let values: [String: Int]

        init(_ object: Any?) {
            var values: [String: Int] = [:]
            for (name, value) in object as? [String: Any] ?? [:] {
                if let number = value as? Int { values[name] = number }
                for (part, number) in value as? [String: Int] ?? [:] { values["\(name).\(part)"] = number }
            }
            self.values = values
        }

        /// A figure such as "in" or "lost.random"; -1 when there is none.
        public subscript(name: String) -> Int { values[name] ?? -1 }
    }

    /// The links of the ports (up, down) or proxies (forward, back), in the file's order.
    public let ports: [(up: Link, down: Link)]
    /// The links of the proxies, in the file's order.
    public let proxies: [(forward: Link, back: Link)]

    /// Reads the last line of the file.
    public init(_ path: String) throws {
        let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        guard let line = text.split(separator: "\n").last,
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        else { throw TimedOut("the figures of an emulator: \(text.suffix(200))") }
        ports = (object["ports"] as? [[String: Any]] ?? []).map { (Link($0["up"]), Link($0["down"])) }
        proxies = (object["proxies"] as? [[String: Any]] ?? []).map {
            (Link($0["forward"]), Link($0["back"]))
        }
    }
}

/// A `freshet emulate` as a proxy on the loopback, in front of one place.
public final class EmulatedPath: Sendable {
    /// Where to send to instead.
    public let entrance: Place
    private let emulator: Running
    private let scratch: Scratch

    /// A way to `place` over links in words such as `delay=25 loss=5%`, its RTP and its RTCP.
    public init(
        to place: Place, both: String = "", forward: String = "", back: String = "", seed: Int = 1,
        ports: Int = 2
    ) async throws {
        let scratch = try Scratch()
        let entrance = Place.local()
        self.scratch = scratch
        self.entrance = entrance
        var words = [
            "emulate", "--listen", "\(entrance.host):\(entrance.port)", "--to", "\(place.host):\(place.port)",
            "--ports", "\(ports)", "--both", both, "--forward", forward, "--back", back, "--seed", "\(seed)",
            "--stats", scratch.file("figures.json"),
        ]
        if place.isGroup { words += ["--interface", "lo"] }
        let emulator = try Running(Freshet.path, words)
        self.emulator = emulator
        try await wait(for: "the emulator") {
            if emulator.hasEnded { throw TimedOut("the emulator: \(emulator.errors)") }
            return emulator.errors.contains("emulating")
        }
    }

    /// Ends the emulator and gives its figures.
    public func figures() async throws -> (forward: EmulationFigures.Link, back: EmulationFigures.Link) {
        if !emulator.hasEnded { try await emulator.stop() }
        let figures = try EmulationFigures(scratch.file("figures.json"))
        guard let first = figures.proxies.first else { throw TimedOut("a proxy's figures") }
        return first
    }
}
