import Foundation
import TestSupport

/// What a page tells people to run or to read is there.
enum PageRules {
    static func findings(path: String, text: String, scripts: Set<String>) -> [Finding] {
        var found: [Finding] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for piece in line.components(separatedBy: "scripts/").dropFirst() {
                let name = piece.prefix { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "." || $0 == "_" }
                let script = "scripts/" + name.trimmingCharacters(in: CharacterSet(charactersIn: "."))
                if !name.isEmpty, !scripts.contains(script) {
                    found.append(Finding(path: path, line: index + 1, message: "there is no \(script)"))
                }
            }
            for piece in line.components(separatedBy: "](").dropFirst() {
                let target = String(piece.prefix { $0 != ")" && $0 != "#" })
                if target.isEmpty || target.contains("://") || target.hasPrefix("mailto:") { continue }
                let folder = path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
                if !FileManager.default.fileExists(atPath: Repository.path(folder + target)) {
                    found.append(Finding(path: path, line: index + 1, message: "there is no \(target)"))
                }
            }
        }
        return found
    }
}
