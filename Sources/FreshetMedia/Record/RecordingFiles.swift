import CFFmpeg
import FreshetCore
import Glibc

/// Names a recording's files: a path with strftime's patterns, and a number where one recording has several
/// files that the pattern would not tell apart.
struct RecordingPath {
    private let pattern: String
    private let isNumbered: Bool
    private var count = 0
    private var used: Set<String> = []

    /// Names after `pattern`; `isSegmented` says that there will be several.
    init(_ pattern: String, isSegmented: Bool) {
        self.pattern = pattern
        isNumbered = isSegmented && !pattern.contains("%")
    }

    /// The next file's path, for a file begun at wall-clock `seconds`.
    mutating func next(at seconds: Int) -> String {
        count += 1
        if isNumbered { return numbered(pattern, count, width: 5) }
        let path = pattern.contains("%") ? RecordingPath.format(pattern, seconds) : pattern
        if used.insert(path).inserted { return path }
        return numbered(path, count, width: 1)
    }

    /// `path` with "-number" in front of its extension.
    private func numbered(_ path: String, _ number: Int, width: Int) -> String {
        let digits = String(number)
        let text = String(repeating: "0", count: max(0, width - digits.count)) + digits
        guard let dot = path.lastIndex(of: "."), !path[dot...].contains("/") else { return "\(path)-\(text)" }
        return "\(path[..<dot])-\(text)\(path[dot...])"
    }

    private static func format(_ pattern: String, _ seconds: Int) -> String {
        var time = time_t(seconds)
        var parts = tm()
        localtime_r(&time, &parts)
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = strftime(&buffer, buffer.count, pattern, &parts)
        return count > 0 ? FFmpeg.text(buffer) : pattern
    }
}

/// A list of a recording's files, one JSON object a line, each line written when its file is complete:
/// `{"file":"show-00001.ts","start":0.000,"duration":6.000,"bytes":1234567}`,
/// in seconds of the stream's own clock. A list called `.csv` has the same as comma-separated values.
final class RecordingIndex {
    private let file: FileOutput
    private let isTable: Bool

    /// Begins the list at `path`.
    init(path: String) throws(StageError) {
        file = try FileOutput(path: path)
        isTable = path.hasSuffix(".csv")
        if isTable { try write("file,start,duration,bytes\n") }
    }

    /// Adds a complete file.
    func add(
        path: String, startMicroseconds: Int64, durationMicroseconds: Int64, byteCount: Int64
    ) throws(StageError) {
        let start = RecordingIndex.seconds(startMicroseconds)
        let duration = RecordingIndex.seconds(durationMicroseconds)
        if isTable {
            return try write("\(RecordingIndex.cell(path)),\(start),\(duration),\(byteCount)\n")
        }
        try write(
            "{\"file\":\(RecordingIndex.quoted(path)),\"start\":\(start),"
                + "\"duration\":\(duration),\"bytes\":\(byteCount)}\n")
    }

    private func write(_ line: String) throws(StageError) {
        let code = Array(line.utf8).withUnsafeBytes { file.write($0) }
        if code < 0 { throw file.failure ?? .failure("cannot write \(file.path)") }
    }

    private static func cell(_ text: String) -> String {
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
        let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
        return "\"" + parts.joined(separator: "\"\"") + "\""
    }

    private static func seconds(_ microseconds: Int64) -> String {
        let milliseconds = (max(0, microseconds) + 500) / 1000
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// The wall clock, for file names only.
func wallClockSeconds() -> Int { time(nil) }
