import Foundation
import TestSupport
import Testing

/// The repository against its rules.
struct HouseTests {
    private static let sources = Repository.files(below: "Sources", named: ".swift")
    private static let tests = Repository.files(below: "Tests", named: ".swift")
    private static let others =
        Repository.files(below: "Pipelines", named: ".swift")
        + Repository.files(below: "Examples", named: ".swift")

    private func swiftText(_ path: String) throws -> SwiftText {
        SwiftText(path: path, try Repository.text(path))
    }

    private func expectNone(_ findings: [Finding]) {
        #expect(findings.isEmpty, "\n\(findings.map(\.description).joined(separator: "\n"))")
    }

    @Test("Rooms import only what lies below them, and pure rooms touch nothing but their arguments")
    func rooms() throws {
        var findings: [Finding] = []
        for path in HouseTests.sources where !path.hasPrefix("Sources/System/") {
            let room = String(path.split(separator: "/")[1])
            findings += RoomRules.findings(in: try swiftText(path), room: room)
        }
        #expect(HouseTests.sources.count > 20)
        expectNone(findings)
    }

    @Test("The package manifest's dependencies point the same way and stay in the repository")
    func manifest() throws { expectNone(ManifestRules.findings(try Repository.text("Package.swift"))) }

    @Test("Files, functions and lines are short")
    func sizes() throws {
        expectNone(
            try (HouseTests.sources + HouseTests.tests + HouseTests.others)
                .flatMap { SizeRules.findings(in: try swiftText($0)) })
    }

    @Test("Every public declaration is documented")
    func documentation() throws {
        expectNone(try HouseTests.sources.flatMap { DocumentationRules.findings(in: try swiftText($0)) })
        #expect(
            try Repository.text(".swift-format").contains("\"AllPublicDeclarationsHaveDocumentation\": true"))
    }

    @Test("Nothing is promised instead of done, and nothing is tied to one machine")
    func words() throws {
        var findings: [Finding] = []
        let binary = [".mp4", ".ts", ".mp3", ".png", ".pcap", ".bin", ".pyc"]
        for path in Repository.files() where !binary.contains(where: path.hasSuffix) {
            guard let text = try? Repository.text(path) else { continue }
            findings += WordRules.findings(path: path, text: text)
        }
        expectNone(findings)
    }

    @Test("Every stage has a summary, an example and a page that mentions it")
    func stages() throws {
        let pages = try Repository.files(below: "Sources", named: ".md").map { try Repository.text($0) }
            .joined()
        expectNone(
            try HouseTests.sources.flatMap {
                StageRules.findings(path: $0, text: try Repository.text($0), documentation: pages)
            })
    }

    @Test("Every test file of a room mirrors a source file")
    func mirrors() {
        let roomTests = HouseTests.tests.filter {
            $0.hasPrefix("Tests/Freshet") || $0.hasPrefix("Tests/freshet")
        }
        expectNone(
            MirrorRules.findings(tests: roomTests, sources: HouseTests.sources + HouseTests.others))
    }

    @Test("What the pages tell people to run and to read is there")
    func pages() throws {
        let scripts = Set(Repository.files(below: "scripts"))
        expectNone(
            try Repository.files(named: ".md").flatMap {
                PageRules.findings(path: $0, text: try Repository.text($0), scripts: scripts)
            })
        for page in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "media/README.md"] {
            #expect(FileManager.default.fileExists(atPath: Repository.path(page)), "\(page)")
        }
    }

    @Test("Every ready-made pipeline says what it does and is listed for embedding")
    func pipelines() throws {
        let manifest = try Repository.text("Package.swift")
        let files = Repository.files(below: "Pipelines", named: ".json5")
        #expect(files.count >= 4)
        for path in files {
            #expect(try Repository.text(path).trimmed.hasPrefix("//"), "\(path) begins with no comment")
            let name = String(path.dropFirst("Pipelines/".count))
            #expect(manifest.contains("\"\(name)\""), "\(name) is not in Package.swift")
        }
    }
}
