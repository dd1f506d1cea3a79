import Foundation

/// The package manifest's dependencies point the same way as the imports, and leave the repository nowhere.
enum ManifestRules {
    static func findings(_ manifest: String) -> [Finding] {
        var found: [Finding] = []
        func add(_ message: String) {
            found.append(Finding(path: "Package.swift", line: 0, message: message))
        }
        if manifest.contains("url:") { add("a package from elsewhere; the toolchain and Debian have to do") }
        for piece in manifest.components(separatedBy: "arget(").dropFirst() {
            let strings = quoted(in: piece)
            guard let name = strings.first, let allowed = RoomRules.mayImport[name] else { continue }
            guard let list = piece.range(of: "dependencies:") else { continue }
            let end = piece[list.upperBound...].firstIndex(of: "]") ?? piece.endIndex
            for dependency in quoted(in: String(piece[list.upperBound..<end]))
            where !allowed.contains(dependency) {
                add("\(name) must not depend on \(dependency)")
            }
        }
        return found
    }

    private static func quoted(in text: String) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
    }
}
