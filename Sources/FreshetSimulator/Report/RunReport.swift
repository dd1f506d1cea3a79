import FreshetCore

/// What is told of a run, of receivers or of a tree: the same table and the same JSON around different figures.
public struct RunReport: Sendable {
    /// One figure: its name in the JSON, its words in the table, and its text in both.
    typealias Figure = (name: String, words: String, text: String)

    private let scenario: String
    private let seed: UInt64
    private let figures: [Figure]
    private let wordWidth: Int
    private let span: Nanoseconds
    private let digest: Digest
    private let violation: Violation?

    /// The words of the table's figures take `wordWidth` columns.
    init(
        scenario: String, seed: UInt64, figures: [Figure], wordWidth: Int, span: Nanoseconds, digest: Digest,
        violation: Violation?
    ) {
        self.scenario = scenario
        self.seed = seed
        self.figures = figures
        self.wordWidth = wordWidth
        self.span = span
        self.digest = digest
        self.violation = violation
    }

    /// A table for people.
    public var table: String {
        let rows = figures.map { row($0.words, $0.text) }
        return (["\(scenario), seed \(seed)"] + rows + [row("digest", digest.description)])
            .joined(separator: "\n")
    }

    private func row(_ words: String, _ text: String) -> String {
        "  \(words)" + String(repeating: " ", count: max(1, wordWidth - words.count)) + text
    }

    /// One JSON object. What the run took in real time is the caller's to know: `realNanoseconds` when it was
    /// measured.
    public func json(realNanoseconds: Int64? = nil) -> String {
        var members = ["\"scenario\": \"\(escaped(scenario))\"", "\"seed\": \(seed)"]
        members += figures.map { "\"\($0.name)\": \($0.text)" }
        members.append("\"digest\": \"\(digest)\"")
        if let realNanoseconds {
            members.append("\"realSeconds\": \(Self.decimal(realNanoseconds, 1_000_000_000, 3))")
            members.append("\"speed\": \(Self.decimal(span.count, realNanoseconds, 2))")
        }
        if let violation {
            members.append("\"violation\": \"\(violation.invariant.rawValue)\"")
            members.append("\"violationAt\": \(Self.decimal(violation.time.nanoseconds, 1_000_000_000, 6))")
            members.append("\"violationHost\": \"\(escaped(violation.host))\"")
            members.append("\"violationDetail\": \"\(escaped(violation.detail))\"")
        }
        return "{" + members.joined(separator: ", ") + "}"
    }

    private func escaped(_ text: String) -> String {
        String(text.map { $0 == "\"" || $0 == "\\" ? "'" : $0 })
    }

    /// `part` / `whole` with `digits` digits after the point, rounded down; 0 when `whole` is.
    static func decimal<Number: BinaryInteger>(_ part: Number, _ whole: Number, _ digits: Int) -> String {
        if whole == 0 { return "0" }
        let scale = (0..<digits).reduce(Int128(1)) { product, _ in product * 10 }
        let value = Int128(part) * scale / Int128(whole)
        let fraction = String(value % scale)
        return "\(value / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
