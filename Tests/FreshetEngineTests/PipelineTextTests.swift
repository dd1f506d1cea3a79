import FreshetCore
import FreshetEngine
import Testing

@Suite struct PipelineTextTests {
    private let origin = SourceLocation(file: "p", line: 1, column: 1)

    private func error(_ text: String) -> String {
        do {
            _ = try PipelineText.stages(text, at: origin)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func stagesAndArgumentsComeInOrder() throws {
        let stages = try PipelineText.stages(
            "demux input=a.ts loop=true ! packetize ! udp-send to=rtp://[ff15::1]:5004", at: origin)
        #expect(stages.map(\.name) == ["demux", "packetize", "udp-send"])
        #expect(stages[0].arguments.map(\.name) == ["input", "loop"])
        #expect(stages[2].arguments[0].text == "rtp://[ff15::1]:5004")
        #expect(stages[1].location.column == 30)
    }

    @Test func quotesAndBackslashesKeepCharacters() throws {
        let stages = try PipelineText.stages(
            #"exec command='sh -c "a ! b"' ! file path=my\ file! ! stdout"#, at: origin)
        #expect(stages[0].arguments[0].text == #"sh -c "a ! b""#)
        #expect(stages[1].arguments[0].text == "my file!")
    }

    @Test func branchesNest() throws {
        let stages = try PipelineText.stages("a ! tee queue=9 [ b ! c ] [ tee [ d ] [ e ] ]", at: origin)
        #expect(stages[1].branches.count == 2)
        #expect(stages[1].branches[0].map(\.name) == ["b", "c"])
        #expect(stages[1].branches[1][0].branches.count == 2)
    }

    @Test func errorsNameThePlace() {
        #expect(error("") == "p:1:1: a stage is missing at the end")
        #expect(error("a !") == "p:1:4: a stage is missing at the end")
        #expect(error("! a") == "p:1:1: a stage's name is missing before '!'")
        #expect(error("a b") == "p:1:3: expected name=value or '!' after a, not 'b'")
        #expect(error("tee [ a") == "p:1:5: this '[' has no ']'")
        #expect(error("a ]") == "p:1:3: ']' without '['")
        #expect(error("a x='y") == "p:1:5: this quote is not closed")
        #expect(error("x=1") == "p:1:1: 'x=1' stands where a stage's name must be")
        #expect(error("a\n ! b c") == "p:2:6: expected name=value or '!' after b, not 'c'")
    }

    @Test func deepNestingIsRefused() {
        #expect(error(String(repeating: "a [ ", count: 100)).contains("nested more than 16 deep"))
    }
}
