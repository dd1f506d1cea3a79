import Foundation

/// `Tests/RoomTests/ThingTests.swift` tests `Sources/Room/…/Thing.swift`, and `ThingAspectTests.swift` one aspect of it.
enum MirrorRules {
    static func findings(tests: [String], sources: [String]) -> [Finding] {
        tests.compactMap { path in
            let parts = path.split(separator: "/")
            guard parts.count >= 3, path.hasSuffix("Tests.swift") else { return nil }
            let room = parts[1].dropLast("Tests".count)
            let name = parts[parts.count - 1].dropLast("Tests.swift".count)
            let folder = room == "FreshetPipelines" ? "Pipelines/" : "Sources/\(room)/"
            let mirrored = sources.contains { source in
                guard source.hasPrefix(folder), let file = source.split(separator: "/").last else {
                    return false
                }
                return name.hasPrefix(file.dropLast(".swift".count))
            }
            return mirrored
                ? nil
                : Finding(
                    path: path, line: 0, message: "there is no \(name).swift in \(folder) that it would test")
        }
    }
}
