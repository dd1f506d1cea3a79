import Testing

/// The rules themselves: each finds what it is for, and leaves good code alone.
struct RuleTests {
    private func text(_ source: String) -> SwiftText { SwiftText(path: "Sample.swift", source) }

    @Test("Comments and strings are no code")
    func blanking() {
        let sample = text(
            "let a = \"print(1) // \\\" x\" // Task\n/* Date\n/* nested */ */ let b = 2\n\"\"\"\nTask \"q\"\n\"\"\""
        )
        #expect(sample.code.count == sample.lines.count)
        #expect(sample.code[0].trimmed == "let a =")
        #expect(sample.code[2].trimmed == "let b = 2")
        #expect(sample.code.joined().contains("Task") == false)
    }

    @Test(
        "A pure room that reaches outside is found",
        arguments: [
            "import Foundation", "import Glibc", "import FreshetNet", "public import CLinux", "print(1)",
            "Task { }", "let t = ContinuousClock.now", "let x = Int.random(in: 0..<3)", "func f() async {}",
            "let all = list.shuffled()", "@preconcurrency import Dispatch", "import struct Foundation.Date",
        ])
    func impure(line: String) {
        #expect(RoomRules.findings(in: text(line), room: "FreshetWire").count >= 1)
    }

    @Test(
        "A pure room that keeps to itself passes",
        arguments: [
            "import FreshetCore", "public import FreshetCore",
            "let x = Int.random(in: 0..<3, using: &random)",
            "// print(1)", "let print: Int", "context.print(3)", "case date", "let s = \"Task\"",
        ])
    func pure(line: String) {
        #expect(RoomRules.findings(in: text(line), room: "FreshetWire").isEmpty)
    }

    @Test("An edge may use the system, and no room above it")
    func edges() {
        #expect(RoomRules.findings(in: text("import Glibc\nimport CLinux"), room: "FreshetNet").isEmpty)
        #expect(RoomRules.findings(in: text("import FreshetEngine"), room: "FreshetNet").count == 1)
        #expect(RoomRules.findings(in: text("import FreshetStages"), room: "FreshetMedia").count == 1)
        #expect(RoomRules.findings(in: text("import Foundation"), room: "freshet").count == 1)
        #expect(RoomRules.findings(in: text(""), room: "FreshetNewRoom").count == 1)
    }

    @Test("Long files, functions and lines are found, and only those")
    func sizes() {
        let body = { (count: Int) in String(repeating: "    a()\n", count: count) }
        #expect(SizeRules.findings(in: text("func f() {\n\(body(68))}\n")).isEmpty)
        #expect(SizeRules.findings(in: text("func f() {\n\(body(69))}\n")).count == 1)
        #expect(SizeRules.findings(in: text("init(\n  a: Int = { 3 }()\n) {\n\(body(80))}\n")).count == 1)
        #expect(SizeRules.findings(in: text("protocol P { func f() }\nstruct S {\n\(body(90))}\n")).isEmpty)
        #expect(SizeRules.findings(in: text(body(501))).count == 1)
        #expect(SizeRules.findings(in: text(String(repeating: "x", count: 125))).count == 1)
    }

    @Test("A public declaration without a doc comment is found")
    func documentation() {
        #expect(DocumentationRules.findings(in: text("public var a = 1")).count == 1)
        #expect(DocumentationRules.findings(in: text("    @inlinable public static func f() {}")).count == 1)
        #expect(DocumentationRules.findings(in: text("// no\npublic struct S {}")).count == 1)
        #expect(
            DocumentationRules.findings(in: text("/// Yes.\n@inlinable\npublic mutating func f() {}")).isEmpty
        )
        #expect(
            DocumentationRules.findings(in: text("public import FreshetCore\npublic override func f() {}"))
                .isEmpty)
        #expect(DocumentationRules.findings(in: text("let s = \"public var\"\nvar b = open(a)")).isEmpty)
    }

    @Test("Promises and one machine's paths are found")
    func words() {
        #expect(WordRules.findings(path: "a", text: "// TO" + "DO later").count == 1)
        #expect(WordRules.findings(path: "a", text: "fatalError(\"not imple" + "mented\")").count == 1)
        #expect(WordRules.findings(path: "a", text: "cd /ho" + "me/someone").count == 1)
        #expect(WordRules.findings(path: "a", text: "let method = autodoc").isEmpty)
    }

    @Test("A stage without an example, a summary or a page is found")
    func stages() {
        let mark = "@section(\"freshet_stages\") @used\n"
        let end = mark + "register(ThinStage.self, in: $0)"
        let start = "struct ThinStage: Stage {\nlet name = \"thin\"\nStageDescriptor("
        let good = start + "name: \"thin\", summary: \"Keeps some.\", example: \"demux ! thin\")\n" + end
        let page = "The `thin` stage."
        #expect(StageRules.findings(path: "a", text: good, documentation: page).isEmpty)
        #expect(StageRules.findings(path: "a", text: good, documentation: "").count == 1)
        let constant = start + "name: name, summary: \"Keeps some.\", example: \"demux ! thin\")\n" + end
        #expect(StageRules.findings(path: "a", text: constant, documentation: page).isEmpty)
        #expect(StageRules.findings(path: "a", text: constant, documentation: "").count == 1)
        let silent = start + "name: \"thin\", summary: \"\", example: \"demux\")\n" + end
        #expect(StageRules.findings(path: "a", text: silent, documentation: page).count == 2)
        #expect(StageRules.findings(path: "a", text: mark, documentation: page).count == 1)
        #expect(StageRules.findings(path: "a", text: "/// " + mark, documentation: "").isEmpty)
    }

    @Test("A dependency that points the wrong way is found in the package manifest")
    func manifest() {
        let good = ".target(name: \"FreshetWire\", dependencies: [\"FreshetCore\"]),"
        #expect(ManifestRules.findings(good).isEmpty)
        let bad =
            ".target(\n  name: \"FreshetWire\",\n  dependencies: [\n \"FreshetCore\", \"FreshetNet\",\n ]),"
        #expect(ManifestRules.findings(bad).count == 1)
        #expect(
            ManifestRules.findings(".package(url: \"https://example.org/x\", from: \"1.0.0\")").count == 1)
    }

    @Test("A test file that mirrors nothing is found")
    func mirrors() {
        let sources = ["Sources/FreshetCore/Time/Instant.swift"]
        #expect(
            MirrorRules.findings(tests: ["Tests/FreshetCoreTests/InstantTests.swift"], sources: sources)
                .isEmpty)
        #expect(
            MirrorRules.findings(tests: ["Tests/FreshetCoreTests/Helper.swift"], sources: sources).isEmpty)
        #expect(
            MirrorRules.findings(tests: ["Tests/FreshetCoreTests/ClockTests.swift"], sources: sources).count
                == 1)
        #expect(
            MirrorRules.findings(tests: ["Tests/FreshetWireTests/InstantTests.swift"], sources: sources).count
                == 1)
    }

    @Test("A command that a page names and nobody has is found")
    func commands() {
        let known: Set<String> = ["scripts/test"]
        #expect(PageRules.findings(path: "a", text: "`scripts/test`", scripts: known).isEmpty)
        #expect(PageRules.findings(path: "a", text: "run scripts/tset --help", scripts: known).count == 1)
        #expect(
            PageRules.findings(path: "a", text: "[x](LICENSE) [y](https://a.example)", scripts: known).isEmpty
        )
        #expect(PageRules.findings(path: "a", text: "[x](NO-SUCH.md)", scripts: known).count == 1)
    }
}
