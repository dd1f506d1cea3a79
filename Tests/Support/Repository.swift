public import Foundation

/// The checked-out repository that the tests were built from.
public enum Repository {
    /// Its top folder.
    public static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The absolute path of a file given from the top folder.
    public static func path(_ relative: String) -> String { root.appendingPathComponent(relative).path }

    /// The text of a file given from the top folder.
    public static func text(_ relative: String) throws -> String {
        try String(contentsOfFile: path(relative), encoding: .utf8)
    }

    /// The files below `folder`, as paths from the top folder, in order; build products and generated media left out.
    public static func files(below folder: String = "", named suffix: String = "") -> [String] {
        let skipped: Set<String> = [".build", ".git", ".swiftpm", "generated", "__pycache__"]
        var found: [String] = []
        var waiting = [folder]
        while let next = waiting.popLast() {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: path(next))) ?? [] {
                if skipped.contains(name) { continue }
                let relative = next.isEmpty ? name : next + "/" + name
                var isFolder: ObjCBool = false
                _ = FileManager.default.fileExists(atPath: path(relative), isDirectory: &isFolder)
                if isFolder.boolValue {
                    waiting.append(relative)
                } else if relative.hasSuffix(suffix) {
                    found.append(relative)
                }
            }
        }
        return found.sorted()
    }
}
