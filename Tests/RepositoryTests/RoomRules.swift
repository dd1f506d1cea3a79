/// Which room may see which, and what pure rooms must not do.
enum RoomRules {
    /// Freshet's own modules that each room may import. A room that is not here is a finding, so that a new one is
    /// placed by somebody who thought about it.
    static let mayImport: [String: Set<String>] = [
        "FreshetCore": [],
        "FreshetWire": ["FreshetCore"],
        "FreshetCoding": ["FreshetCore", "FreshetWire", "CISAL"],
        "FreshetStages": ["FreshetCore", "FreshetWire"],
        "FreshetOverlay": ["FreshetCore", "FreshetWire", "FreshetCoding"],
        "FreshetTrust": ["FreshetCore", "FreshetWire", "CSodium", "CSRTP"],
        "FreshetNet": ["FreshetCore", "CLinux", "CWebSockets"],
        "FreshetMedia": ["FreshetCore", "FreshetWire", "CFFmpeg"],
        "FreshetSimulator": [
            "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay", "FreshetTrust",
        ],
        "FreshetPipelines": [],
        "FreshetEngine": [
            "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay", "FreshetTrust",
            "FreshetNet",
            "FreshetMedia", "CLinux",
        ],
        "freshet": [
            "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay", "FreshetTrust",
            "FreshetNet",
            "FreshetMedia", "FreshetEngine", "FreshetPipelines", "FreshetSimulator", "CLinux",
        ],
    ]

    /// Rooms that know bytes, packets and instants and nothing else.
    static let pure: Set<String> = [
        "FreshetCore", "FreshetWire", "FreshetCoding", "FreshetStages", "FreshetOverlay",
    ]

    /// Words that mean a clock, a thread, chance or speech. Pure rooms are given all of these as arguments.
    static let bannedWords: Set<Substring> = [
        "print", "debugPrint", "readLine", "Task", "TaskGroup", "Thread", "DispatchQueue", "actor", "async",
        "await",
        "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "randomElement", "Date",
        "clock_gettime",
        "gettimeofday", "getenv", "ProcessInfo", "FileManager", "FileHandle",
    ]

    /// What every room must not import outside the edges and the command line.
    static let neverImported: Set<String> = ["Foundation", "FoundationEssentials", "Dispatch"]

    /// Findings in one source file of `room`.
    static func findings(in text: SwiftText, room: String) -> [Finding] {
        guard let allowed = mayImport[room] else {
            return [
                Finding(path: text.path, line: 0, message: "room \(room) has no line in RoomRules.mayImport")
            ]
        }
        var found: [Finding] = []
        for (index, line) in text.code.enumerated() {
            let words = SwiftText.words(line)
            if let name = imported(by: words) {
                let isOwn =
                    name.hasPrefix("Freshet") || mayImport[name] != nil || name.hasPrefix("C") && name != "C"
                if neverImported.contains(name) {
                    found.append(
                        Finding(path: text.path, line: index + 1, message: "\(name) stays out of Sources"))
                } else if !allowed.contains(name), isOwn || pure.contains(room) {
                    found.append(
                        Finding(path: text.path, line: index + 1, message: "\(room) must not import \(name)"))
                }
                continue
            }
            guard pure.contains(room) else { continue }
            for (place, word) in words.enumerated() where bannedWords.contains(word) {
                // A name of one's own that is declared or reached through a value is not the banned thing.
                if place > 0, [".", "func", "var", "let", "case"].contains(words[place - 1]) { continue }
                if place + 1 < words.count, words[place + 1] == ":" { continue }
                found.append(
                    Finding(
                        path: text.path, line: index + 1, message: "\(word) has no place in pure room \(room)"
                    ))
            }
            for (place, word) in words.enumerated() where word == "random" || word == "shuffled" {
                let isCalled = place + 1 < words.count && words[place + 1] == "("
                if isCalled, place > 0, words[place - 1] == ".", !words.contains("using") {
                    found.append(
                        Finding(path: text.path, line: index + 1, message: "chance without a seed in \(room)")
                    )
                }
            }
        }
        return found
    }

    /// The module that an import line names.
    private static func imported(by words: [Substring]) -> String? {
        guard let place = words.firstIndex(of: "import"), place + 1 < words.count else { return nil }
        let before = words[..<place].filter { $0.allSatisfy(\.isLetter) }
        guard before.allSatisfy({ modifiers.contains($0) }) else { return nil }
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "func", "var", "let", "typealias", "protocol",
        ]
        let name =
            kinds.contains(words[place + 1]) && place + 2 < words.count ? words[place + 2] : words[place + 1]
        return String(name)
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "testable", "preconcurrency", "_exported",
        "implementationOnly", "_spi",
    ]
}
