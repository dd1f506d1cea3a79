import Foundation
import TestSupport
import Testing

/// The scripts: each explains itself, and refuses what it does not know.
struct ScriptTests {
    static let scripts = (Repository.files(below: "scripts") + Repository.files(below: ".ci")).filter {
        FileManager.default.isExecutableFile(atPath: Repository.path($0))
    }

    @Test("The scripts that people are told of are there")
    func present() {
        for name in ["setup", "demo", "test", "check", "bench", "make-media", "make-test-media", "fuzz"] {
            #expect(ScriptTests.scripts.contains("scripts/" + name), "\(name)")
        }
        #expect(ScriptTests.scripts.contains(".ci/run"))
    }

    @Test("Every script says with --help what it does", arguments: scripts)
    func help(script: String) async throws {
        let shown = try await run(Repository.path(script), ["--help"], within: 20)
        let name = script.split(separator: "/").last.map(String.init) ?? script
        #expect(shown.status == 0, "\(shown)")
        #expect(shown.output.contains(name), "\(script) --help does not name itself")
        #expect(shown.output.split(separator: "\n").count >= 3, "\(script) --help is too short")
        #expect(shown.errors.isEmpty)
    }

    @Test("Every script refuses an unknown option with one sentence and status 2", arguments: scripts)
    func unknownOption(script: String) async throws {
        let shown = try await run(Repository.path(script), ["--no-such-option"], within: 20)
        #expect(shown.status == 2, "\(shown)")
        #expect(shown.errorLines.count == 1, "\(shown)")
    }

    @Test("Every bash script stops at its first mistake")
    func strict() throws {
        for script in ScriptTests.scripts {
            let text = try Repository.text(script)
            guard text.hasPrefix("#!/usr/bin/env bash") else { continue }
            #expect(
                text.contains("\nset -euo pipefail\n") || text.contains("\nset -uo pipefail\n"), "\(script)")
        }
    }
}
