import Foundation

/// The last line of a `--stats` file: the totals of a run.
public struct Statistics: Sendable {
    private let values: [String: Double]
    /// True when the line says that it is the last.
    public let isFinal: Bool

    /// Reads the file; throws when it has no readable last line.
    public init(_ path: String) throws {
        let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        guard let line = text.split(separator: "\n").last,
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        else { throw TimedOut("statistics in \(path), which says: \(text.suffix(200))") }
        values = object.compactMapValues { ($0 as? NSNumber)?.doubleValue }
        isFinal = object["final"] as? Bool == true
    }

    /// A number of the line; -1 when it has none of that name.
    public subscript(name: String) -> Double { values[name] ?? -1 }
}
