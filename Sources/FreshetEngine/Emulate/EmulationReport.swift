internal import FreshetCore

/// The figures of an emulator as JSON.
enum EmulationReport {
    /// One link.
    static func link(_ number: Int, _ links: EmulatedLinks) -> String {
        let tally = links.tally(number)
        let lost = [
            ("random", tally.lostRandom), ("queue", tally.lostQueue), ("tooLong", tally.lostTooLong),
            ("cut", tally.lostCut), ("room", tally.lostRoom),
        ]
        let late = [
            ("p50", tally.lateness(50, of: 100)), ("p99", tally.lateness(99, of: 100)),
            ("p999", tally.lateness(999, of: 1000)), ("most", Int(tally.mostLate.count / 1000)),
        ]
        let fields = [
            "\"in\":\(tally.packetsIn)", "\"bytesIn\":\(tally.bytesIn)", "\"out\":\(tally.packetsOut)",
            "\"bytesOut\":\(tally.bytesOut)", "\"lost\":\(object(lost))", "\"lossRuns\":\(tally.lossRuns)",
            "\"copies\":\(tally.copies)", "\"corrupted\":\(tally.corrupted)",
            "\"cuts\":\(links.cutCount(number))",
            "\"spared\":\(tally.spared)", "\"errors\":\(tally.errors)",
            "\"lateMicroseconds\":\(object(late))",
        ]
        return "{" + fields.joined(separator: ",") + "}"
    }

    private static func object(_ fields: [(String, Int)]) -> String {
        "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// A number of seconds with three places.
    static func seconds(_ span: Nanoseconds) -> String {
        let milliseconds = max(0, span.count / 1_000_000)
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
